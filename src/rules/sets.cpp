#include "rules/sets.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/format.h"
#include "core/text.h"
#include "rules/lines.h"
#include "rules/meaning.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/words.h"

namespace rewall {
namespace {

void append_word(std::string& out, std::string_view word) {
  if (!out.empty()) out += ' ';
  out += word;
}

bool is_inet6(const Set& set) {
  return set.options.find("family inet6") != std::string::npos;
}

// What the kernel chooses or grows by itself, and what ipset(8) takes when the line does not say it.
bool goes_without_saying(std::string_view option, std::string_view value) {
  static constexpr std::array<std::string_view, 3> kKernels = {"hashsize", "bucketsize", "initval"};
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kDefaults = {
      {{"family", "inet"}, {"family", "ipv4"}, {"maxelem", "65536"}, {"size", "8"}}};
  return std::ranges::find(kKernels, option) != kKernels.end() ||
         std::ranges::find(kDefaults, std::pair(option, value)) != kDefaults.end();
}

// Reads `create` and `add` lines; add lines of one set usually follow each other.
class SetsReader {
 public:
  SetsReader(std::string text, std::string_view name)
      : text_(std::make_shared<const std::string>(std::move(text))), lines_(*text_, name) {}

  Result<Sets> read() {
    if (auto clean = lines_.refuse_nul(); !clean) return std::move(clean).error();
    while (const auto line = lines_.next()) {
      if (auto done = take(*line); !done) return std::move(done).error();
    }
    sets_.texts.push_back(std::move(text_));
    return std::move(sets_);
  }

 private:
  Status take(std::string_view line) {
    auto rest = trim(line);
    if (rest.empty() || rest.starts_with('#') || rest == "COMMIT") return {};
    const auto command = word(rest);
    const auto set = word(rest);
    const bool create = command == "create" || command == "-N" || command == "--create";
    const bool add = command == "add" || command == "-A" || command == "--add";
    if (!create && !add)
      return lines_.error("unknown word " + quoted(command)).hinted("ipset save writes create and add lines");
    if (set.empty()) return lines_.error(quoted(command) + " names no set");
    return create ? take_create(set, rest) : take_add(set, rest);
  }

  Status take_create(std::string_view name, std::string_view rest) {
    const auto type = word(rest);
    if (type.find(':') == std::string_view::npos) {
      return lines_.error(format("set {} has no type but {}", quoted(name), quoted(type)))
          .hinted("a type is like hash:ip; a set's name cannot have blanks here");
    }
    if (!places_.emplace(name, sets_.sets.size()).second) {
      return lines_.error(format("set {} is created twice", quoted(name)));
    }
    sets_.sets.push_back(
        Set{.name = std::string(name), .type = std::string(type), .options = std::string(rest)});
    return {};
  }

  Status take_add(std::string_view name, std::string_view rest) {
    if (last_ >= sets_.sets.size() || sets_.sets[last_].name != name) {
      const auto found = places_.find(name);
      if (found == places_.end()) return unknown_set(name);
      last_ = found->second;
    }
    if (rest.empty()) return lines_.error(format("set {}: add names no member", quoted(name)));
    sets_.sets[last_].members.push_back(rest);
    return {};
  }

  Error unknown_set(std::string_view name) const {
    std::vector<std::string> names;
    for (const auto& set : sets_.sets) names.push_back(set.name);
    return lines_.error("unknown set " + quoted(name)).hinted(did_you_mean(name, names));
  }

  static std::string_view word(std::string_view& rest) {
    const auto end = rest.find_first_of(" \t");
    const auto first = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : trim(rest.substr(end));
    return first;
  }

  std::shared_ptr<const std::string> text_;
  Lines lines_;
  Sets sets_{};
  std::unordered_map<std::string_view, std::size_t> places_{};
  std::size_t last_ = 0;
};

}  // namespace

bool is_list(const Set& set) {
  return set.type == "list:set";
}

bool is_flag(std::string_view option) {
  return option == "counters" || option == "comment" || option == "skbinfo" || option == "forceadd";
}

bool can_swap(const Set& a, const Set& b) {
  return a.type == b.type && is_inet6(a) == is_inet6(b);
}

bool names_set(std::string_view words, const std::function<bool(std::string_view)>& wanted) {
  static constexpr std::array<std::string_view, 4> kOptions = {"--match-set", "--add-set", "--del-set",
                                                               "--map-set"};
  if (words.find("-set") == std::string_view::npos) return false;
  Words reader(words);
  bool named = false;
  while (const auto word = reader.next()) {
    if (named && wanted(word->text())) return true;
    named = !word->quoted && std::ranges::find(kOptions, word->raw) != kOptions.end();
  }
  return false;
}

Result<Sets> parse_sets(std::string text, std::string_view name) {
  return SetsReader(std::move(text), name).read();
}

std::string canonical_text(const Sets& sets) {
  std::vector<const Set*> order;
  for (const auto& set : sets.sets) order.push_back(&set);
  std::ranges::stable_sort(
      order, {}, [](const Set* set) { return std::pair(is_list(*set), std::string_view(set->name)); });
  std::string out;
  for (const auto* set : order) {
    out += "create " + set->name + ' ' + set->type;
    if (!set->options.empty()) out += ' ' + set->options;
    out += '\n';
    std::vector<std::string> members;
    members.reserve(set->members.size());
    for (const auto member : set->members) members.push_back(meaning_of_member(member));
    // The kernel asks the sets of a list in their order, so that order is a part of its value.
    if (!is_list(*set)) std::ranges::sort(members);
    for (const auto& member : members) out += "add " + set->name + ' ' + member + '\n';
  }
  return out;
}

std::string meaning_of_options(const Set& set) {
  std::vector<std::string> options;
  Words words(set.options);
  while (const auto option = words.next()) {
    if (is_flag(option->raw)) {
      options.emplace_back(option->raw);
      continue;
    }
    const auto value = words.next().value_or(Words::Word{});
    if (!goes_without_saying(option->raw, value.raw))
      options.push_back(format("{} {}", option->raw, value.raw));
  }
  std::ranges::sort(options);
  std::string out = set.type;
  for (const auto& option : options) append_word(out, option);
  return out;
}

std::string meaning_of_member(std::string_view member) {
  std::string out;
  Words words(member);
  if (const auto element = words.next()) out = element->raw;
  while (const auto word = words.next()) {
    if (word->is("timeout")) {
      const auto seconds = words.next().value_or(Words::Word{});
      if (!seconds.is("0")) continue;
      append_word(out, word->raw);
      append_word(out, seconds.raw);
    } else if (word->is("packets") || word->is("bytes")) {
      words.next();
    } else {
      append_word(out, word->raw);
    }
  }
  return out;
}

bool names_set(std::string_view words) {
  return names_set(words, [](std::string_view) { return true; });
}

}  // namespace rewall
