#include <algorithm>
#include <span>
#include <vector>

#include "core/format.h"
#include "diff/diff.h"
#include "diff/interner.h"
#include "diff/sequence.h"

namespace rewall {
namespace {

constexpr std::size_t kContext = 3;

// Lines with their ends, so that a last line without one differs from the same line with one.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size() - 1) + 1;
    out.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

// Lines [from, from_end) were replaced by [to, to_end).
struct Edit {
  std::size_t from = 0;
  std::size_t from_end = 0;
  std::size_t to = 0;
  std::size_t to_end = 0;
};

class Unified {
 public:
  Unified(std::string_view from, std::string_view to) : from_(lines_of(from)), to_(lines_of(to)) {}

  std::string print(std::string_view from_name, std::string_view to_name) {
    out_ = format("--- {}\n+++ {}\n", from_name, to_name);
    const auto all = edits();
    for (std::size_t begin = 0; begin < all.size();) {
      auto end = begin + 1;
      while (end < all.size() && all[end].from - all[end - 1].from_end <= 2 * kContext) ++end;
      print_hunk({all.begin() + static_cast<std::ptrdiff_t>(begin), end - begin});
      begin = end;
    }
    return std::move(out_);
  }

 private:
  std::vector<Edit> edits() const {
    Interner number;
    std::vector<std::uint32_t> from;
    std::vector<std::uint32_t> to;
    for (const auto line : from_) from.push_back(number(line));
    for (const auto line : to_) to.push_back(number(line));
    auto common = common_subsequence(from, to);
    common.emplace_back(from_.size(), to_.size());
    std::vector<Edit> out;
    std::size_t i = 0;
    std::size_t j = 0;
    for (const auto& [from_at, to_at] : common) {
      if (i < from_at || j < to_at) out.push_back({i, from_at, j, to_at});
      i = from_at + 1;
      j = to_at + 1;
    }
    return out;
  }

  void print_hunk(std::span<const Edit> edits) {
    const auto before = std::min(kContext, edits.front().from);
    const auto after = std::min(kContext, from_.size() - edits.back().from_end);
    const auto from = edits.front().from - before;
    const auto to = edits.front().to - before;
    const auto from_end = edits.back().from_end + after;
    out_ += format("@@ -{} +{} @@\n", range(from, from_end), range(to, edits.back().to_end + after));
    auto at = from;
    for (const auto& edit : edits) {
      print_lines(' ', from_, at, edit.from);
      print_lines('-', from_, edit.from, edit.from_end);
      print_lines('+', to_, edit.to, edit.to_end);
      at = edit.from_end;
    }
    print_lines(' ', from_, at, from_end);
  }

  // "START,COUNT" as diff -u writes it: no count when it is 1, the line before when there is none.
  static std::string range(std::size_t begin, std::size_t end) {
    const auto count = end - begin;
    if (count == 1) return format("{}", begin + 1);
    return format("{},{}", count == 0 ? begin : begin + 1, count);
  }

  void print_lines(char mark, const std::vector<std::string_view>& lines, std::size_t begin,
                   std::size_t end) {
    for (; begin < end; ++begin) {
      out_ += mark;
      out_ += lines[begin];
      if (!lines[begin].ends_with('\n')) out_ += "\n\\ No newline at end of file\n";
    }
  }

  std::vector<std::string_view> from_;
  std::vector<std::string_view> to_;
  std::string out_{};
};

}  // namespace

std::string unified(std::string_view from, std::string_view to, std::string_view from_name,
                    std::string_view to_name) {
  if (from == to) return {};
  return Unified(from, to).print(from_name, to_name);
}

}  // namespace rewall
