#include "rules/set_digest.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "rules/meaning.h"
#include "rules/sets.h"
#include "rules/tokenizer.h"

namespace rewall {
namespace {

__extension__ using Wide = unsigned __int128;

// Both halves of a product, folded: each bit of the result depends on all bits of both.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

constexpr std::uint64_t kOne = 0xa0761d6478bd642fU;  // odd numbers with as many ones as zeros
constexpr std::uint64_t kTwo = 0xe7037ed1a0b428dbU;
constexpr std::uint64_t kThree = 0x8ebc6af09c88c6e3U;

std::uint64_t eight_bytes(const char* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::string_view next_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const auto line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::string_view next_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto first = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return first;
}

}  // namespace

void add_member(MemberSum& sum, std::string_view words, bool ordered) {
  std::uint64_t low = kOne ^ words.size();
  std::uint64_t high = kTwo + (ordered ? sum.count + 1 : 0);
  std::string_view rest = words;
  for (; rest.size() > sizeof low; rest.remove_prefix(sizeof low)) {
    const std::uint64_t word = eight_bytes(rest.data());
    low = fold(low ^ word, kTwo);
    high = fold(high + word, kThree);
  }
  std::uint64_t last = 0;
  std::memcpy(&last, rest.data(), rest.size());
  low = fold(low ^ last, kTwo);
  high = fold(high + last, kThree);
  sum.low += fold(low ^ high, kOne);
  sum.high += fold(high + kOne, low ^ kThree);
  ++sum.count;
}

std::string kind_of(std::string_view type, std::string_view options) {
  std::vector<std::string> all;
  Tokenizer words(options);
  while (const auto option = words.next()) {
    std::string text(option->raw);
    if (!is_flag(option->raw)) text += ' ' + std::string(words.next().value_or(Tokenizer::Word{}).raw);
    all.push_back(std::move(text));
  }
  const bool timeouts =
      std::ranges::any_of(all, [](const std::string& option) { return option.starts_with("timeout "); });
  if (timeouts) std::erase_if(all, [](const std::string& option) { return option.starts_with("hashsize "); });
  std::ranges::sort(all);
  std::string kind(type);
  for (const std::string& option : all) kind += ' ' + option;
  return kind;
}

SetDigest digest_of(const Set& set) {
  SetDigest digest{.kind = kind_of(set.type, set.options), .members = set.left_out};
  std::deque<std::string> kept;
  for (const auto member : set.members)
    add_member(digest.members, meaning_of_member(member, kept), is_list(set));
  return digest;
}

SetsDigest digest_of(const Sets& sets) {
  SetsDigest all;
  for (const Set& set : sets.sets) all.emplace(set.name, digest_of(set));
  return all;
}

SetsDigest digest_of_text(std::string_view text) {
  SetsDigest all;
  SetDigest none;
  SetDigest* digest = &none;
  std::string add;
  bool list = false;
  while (!text.empty()) {
    std::string_view line = next_line(text);
    if (!add.empty() && line.starts_with(add)) {
      add_member(digest->members, line.substr(add.size()), list);
      continue;
    }
    if (next_word(line) != "create") return {{"", none}};
    const std::string name(next_word(line));
    const auto type = next_word(line);
    digest = &all[name];
    digest->kind = kind_of(type, line);
    list = type == "list:set";
    add = "add " + name + ' ';
  }
  return all;
}

}  // namespace rewall
