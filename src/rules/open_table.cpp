#include "rules/open_table.h"

#include <charconv>
#include <iterator>

#include "core/messages.h"
#include "core/text.h"

namespace rewall {
namespace {

std::optional<std::uint64_t> to_count(std::string_view text) {
  std::uint64_t number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

std::string_view without_blanks(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view first_word(std::string_view& rest) {
  const auto end = static_cast<std::size_t>(std::ranges::find_if(rest, is_blank) - rest.begin());
  const auto word = rest.substr(0, end);
  rest = without_blanks(rest.substr(end));
  return word;
}

std::optional<Counters> to_counters(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto packets = to_count(text.substr(0, colon));
  const auto bytes = to_count(text.substr(colon + 1));
  if (!packets || !bytes) return std::nullopt;
  return Counters{*packets, *bytes};
}

std::optional<Counters> take_counters(std::string_view& line) {
  const auto end = line.find(']');
  if (end == std::string_view::npos) return std::nullopt;
  const auto counters = to_counters(line.substr(1, end - 1));
  if (counters) line = without_blanks(line.substr(end + 1));
  return counters;
}

std::string_view Texts::keep(const std::string& words) {
  static constexpr std::size_t kChunk = 65536;
  if (!chunk_ || chunk_->capacity() - chunk_->size() < words.size()) {
    chunk_ = std::make_shared<std::string>();
    chunk_->reserve(std::max(kChunk, words.size()));
    all_.push_back(chunk_);
  }
  const auto begin = chunk_->size();
  *chunk_ += words;
  return std::string_view(*chunk_).substr(begin);
}

Chain* OpenTable::find(std::string_view chain) {
  if (last_ != nullptr && last_->name == chain) return last_;
  const auto place = places_.find(chain);
  if (place != places_.end()) {
    last_ = &*place->second;
  } else if (is_built_in(chain)) {
    last_ = &add(Chain{.name = std::string(chain), .policy = "ACCEPT"});
  } else {
    return nullptr;
  }
  return last_;
}

const Chain* OpenTable::declared(std::string_view chain) const {
  const auto place = places_.find(chain);
  return place == places_.end() ? nullptr : &*place->second;
}

Chain& OpenTable::add(Chain chain) {
  chains_.push_back(std::move(chain));
  last_ = &chains_.back();
  places_.emplace(last_->name, std::prev(chains_.end()));
  return *last_;
}

void OpenTable::rename(std::string_view from, std::string to) {
  const auto place = places_.find(from);
  const auto chain = place->second;
  places_.erase(place);
  chain->name = std::move(to);
  places_.emplace(chain->name, chain);
}

void OpenTable::remove(std::string_view chain) {
  const auto place = places_.find(chain);
  const auto gone = place->second;
  if (last_ == &*gone) last_ = nullptr;
  places_.erase(place);
  chains_.erase(gone);
}

std::vector<Chain*> OpenTable::own_chains() {
  std::vector<Chain*> own;
  for (auto& chain : chains_)
    if (!chain.built_in()) own.push_back(&chain);
  return own;
}

Table OpenTable::take() {
  Table table{.name = name_};
  table.chains.reserve(chains_.size());
  places_.clear();
  for (auto& chain : chains_) table.chains.push_back(std::move(chain));
  chains_.clear();
  last_ = nullptr;
  return table;
}

std::vector<std::string> OpenTable::names() const {
  auto names = built_in_;
  for (const auto& chain : chains_) names.push_back(chain.name);
  return names;
}

Result<OpenTable> open_table(const Lines& lines, std::string_view name) {
  if (!built_in_chains(name).empty()) return OpenTable(name);
  static const std::vector<std::string> kNames = {"raw", "mangle", "nat", "filter", "security"};
  return lines.at(error_of<messages::unknown_rules_table>(quoted(name), did_you_mean(name, kNames)));
}

Status check_remark(const Lines& lines, std::string_view line) {
  if (line.find("is incompatible, use 'nft' tool") == std::string_view::npos) return {};
  return lines.at(error_of<messages::incompatible_table>(escape(trim(line.substr(1)))));
}

Error unknown_chain(const Lines& lines, const OpenTable& table, std::string_view chain) {
  return lines.at(error_of<messages::unknown_chain>(quoted(chain), did_you_mean(chain, table.names())));
}

}  // namespace rewall
