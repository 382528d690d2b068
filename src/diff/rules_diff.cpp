#include "diff/rules_diff.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "diff/interner.h"
#include "diff/sequence.h"
#include "rules/meaning.h"
#include "rules/rule.h"

namespace rewall {
namespace {

constexpr std::uint32_t kNowhere = UINT32_MAX;
constexpr std::size_t kReadWhole = 64;         // so few rules are all taken apart
constexpr std::size_t kPairedFreely = 64;      // a larger gap's rules are paired in order
constexpr std::size_t kPassed = 2'000;         // a move past more rules is unsure to be without effect
constexpr std::size_t kInterchanges = 20'000;  // ... and so is any after this many questions in one chain
constexpr std::size_t kOrderChecks = 5'000'000;
constexpr std::size_t kWordsRead = 64U << 20U;  // bytes of the rules of these questions

// One side's rules; what a rule means is found out when somebody asks.
class RuleSide {
 public:
  RuleSide(const RuleWords& rules, const RuleReader& reader, bool older)
      : rules_(rules), reader_(reader), older_(older) {}

  std::uint32_t size() const { return static_cast<std::uint32_t>(rules_.size()); }
  std::string_view verbatim(std::uint32_t i) const { return rules_[i]; }

  /// With the new names of renamed chains.
  std::string_view words(std::uint32_t i) {
    if (!older_) return verbatim(i);
    if (const auto found = renamed_.find(i); found != renamed_.end()) return found->second;
    auto renamed = reader_.renamed(verbatim(i));
    return renamed ? std::string_view(renamed_[i] = *std::move(renamed)) : verbatim(i);
  }

  const Meaning& meaning(std::uint32_t i) {
    const auto found = meanings_.find(i);
    if (found != meanings_.end()) return found->second;
    return meanings_.emplace(i, reader_.meaning(words(i))).first->second;
  }

 private:
  const RuleWords& rules_;
  const RuleReader& reader_;
  bool older_;
  std::unordered_map<std::uint32_t, std::string> renamed_{};
  std::unordered_map<std::uint32_t, Meaning> meanings_{};
};

struct Range {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool empty() const { return begin == end; }
  std::uint32_t size() const { return end - begin; }
};

using Pair = std::pair<std::uint32_t, std::uint32_t>;

enum class Fate { alone, stays, moved, changed };

// What became of a rule: its like on the other side.
struct Partner {
  std::uint32_t at = kNowhere;
  Fate fate = Fate::alone;
};

// The parts of a rule by name. Few rules have more than ten.
class PartsByName {
 public:
  explicit PartsByName(const std::vector<NamedPart>& parts) : parts_(parts) {
    constexpr std::size_t kFew = 16;
    if (parts.size() <= kFew) return;
    for (const auto& part : parts) sorted_.emplace(part.name, &part);
  }
  const NamedPart* find(std::string_view name) const {
    if (!sorted_.empty()) {
      const auto found = sorted_.find(name);
      return found == sorted_.end() ? nullptr : found->second;
    }
    const auto found = std::ranges::find(parts_, name, &NamedPart::name);
    return found == parts_.end() ? nullptr : &*found;
  }

 private:
  const std::vector<NamedPart>& parts_;
  std::map<std::string_view, const NamedPart*> sorted_{};
};

std::vector<PartChange> differing_parts(const std::vector<NamedPart>& from,
                                        const std::vector<NamedPart>& to) {
  std::vector<PartChange> out;
  const PartsByName before(from);
  const PartsByName after(to);
  for (const auto& part : from) {
    const auto* other = after.find(part.name);
    if (other == nullptr) {
      out.push_back({.part = part.name, .from = part.value});
    } else if (other->key != part.key) {
      out.push_back({.part = part.name, .from = part.value, .to = other->value});
    }
  }
  for (const auto& part : to) {
    if (before.find(part.name) == nullptr) out.push_back({.part = part.name, .to = part.value});
  }
  return out;
}

// Equal parts among all parts of both.
struct Similarity {
  std::size_t equal = 0;
  std::size_t all = 0;

  bool enough() const { return equal > 0 && equal * 2 >= all; }
  bool operator>(const Similarity& other) const { return equal * other.all > other.equal * all; }
  bool operator==(const Similarity& other) const { return equal * other.all == other.equal * all; }
};

Similarity similarity(const std::vector<NamedPart>& from, const std::vector<NamedPart>& to) {
  Similarity out{.all = to.size()};
  const PartsByName after(to);
  for (const auto& part : from) {
    const auto* other = after.find(part.name);
    if (other == nullptr) ++out.all;
    if (other != nullptr && other->key == part.key) ++out.equal;
  }
  return out;
}

class RulesComparison {
 public:
  RulesComparison(const RuleWords& from, const RuleWords& to, const Change& place, const RuleReader& reader,
                  Diff& out)
      : reader_(reader),
        place_(place),
        out_(out),
        from_(from, reader, true),
        to_(to, reader, false),
        middle_from_{0, from_.size()},
        middle_to_{0, to_.size()} {}

  void run() {
    trim();
    partner_of_from_.resize(middle_from_.size());
    partner_of_to_.resize(middle_to_.size());
    align();
    // What is left alone on one side only is added or removed, whatever it means.
    if (any_alone(partner_of_from_) && any_alone(partner_of_to_)) {
      match_moved();
      match_changed();
    }
    for (const auto& pair : before_) report_kept(pair);
    report_middle();
    for (const auto& pair : after_) report_kept(pair);
  }

 private:
  Partner& of_from(std::uint32_t i) { return partner_of_from_[i - middle_from_.begin]; }
  Partner& of_to(std::uint32_t j) { return partner_of_to_[j - middle_to_.begin]; }

  void join(std::uint32_t i, std::uint32_t j, Fate fate) {
    of_from(i) = {.at = j, .fate = fate};
    of_to(j) = {.at = i, .fate = fate};
  }

  static bool any_alone(const std::vector<Partner>& partners) {
    return std::ranges::find(partners, Fate::alone, &Partner::fate) != partners.end();
  }

  // Equal as text costs nothing; else by meaning, and the pair is remembered as spelled or commented
  // otherwise.
  bool same(std::uint32_t i, std::uint32_t j, std::vector<Pair>& respelled) {
    if (from_.verbatim(i) == to_.verbatim(j)) return true;
    if (from_.meaning(i).key != to_.meaning(j).key) return false;
    respelled.emplace_back(i, j);
    return true;
  }

  void trim() {
    auto& [from_begin, from_end] = middle_from_;
    auto& [to_begin, to_end] = middle_to_;
    while (from_begin < from_end && to_begin < to_end && same(from_begin, to_begin, before_)) {
      ++from_begin;
      ++to_begin;
    }
    while (from_begin < from_end && to_begin < to_end && same(from_end - 1, to_end - 1, after_)) {
      --from_end;
      --to_end;
    }
    std::ranges::reverse(after_);
  }

  // Of many rules those that stand on both sides as text are not taken apart; the others are numbered by what
  // they mean.
  void align() {
    if (middle_from_.empty() || middle_to_.empty()) return;
    Interner number;
    std::vector<std::uint32_t> from;
    std::vector<std::uint32_t> to;
    for (auto i = middle_from_.begin; i < middle_from_.end; ++i) from.push_back(number(from_.words(i)));
    for (auto j = middle_to_.begin; j < middle_to_.end; ++j) to.push_back(number(to_.words(j)));
    merge_equal_meanings(from, to);
    keep_common(middle_from_.begin, middle_to_.begin, from, to);
    for (const auto& [gap_from, gap_to] : gaps()) align_gap(gap_from, gap_to);
  }

  void merge_equal_meanings(std::vector<std::uint32_t>& from, std::vector<std::uint32_t>& to) {
    const auto numbers = 1 + std::max(*std::ranges::max_element(from), *std::ranges::max_element(to));
    std::vector<bool> in_from(numbers, false);
    std::vector<bool> in_to(numbers, false);
    for (const auto number : from) in_from[number] = true;
    for (const auto number : to) in_to[number] = true;
    const bool all = from.size() + to.size() <= kReadWhole;
    if (in_from == in_to && !all) return;
    Interner key_number;
    for (std::uint32_t i = 0; i < from.size(); ++i) {
      if (all || !in_to[from[i]]) from[i] = numbers + key_number(from_.meaning(middle_from_.begin + i).key);
    }
    for (std::uint32_t j = 0; j < to.size(); ++j) {
      if (all || !in_from[to[j]]) to[j] = numbers + key_number(to_.meaning(middle_to_.begin + j).key);
    }
  }

  // A rule that stands on both sides may mean the same as another that does not.
  void align_gap(Range gap_from, Range gap_to) {
    if (gap_from.empty() || gap_to.empty()) return;
    Interner number;
    std::vector<std::uint32_t> from;
    std::vector<std::uint32_t> to;
    for (auto i = gap_from.begin; i < gap_from.end; ++i) from.push_back(number(from_.meaning(i).key));
    for (auto j = gap_to.begin; j < gap_to.end; ++j) to.push_back(number(to_.meaning(j).key));
    keep_common(gap_from.begin, gap_to.begin, from, to);
  }

  void keep_common(std::uint32_t from_start, std::uint32_t to_start, const std::vector<std::uint32_t>& from,
                   const std::vector<std::uint32_t>& to) {
    for (const auto& [i, j] : common_subsequence(from, to)) join(from_start + i, to_start + j, Fate::stays);
  }

  // The stretches between rules that were kept, those of both sides at the same place together.
  std::vector<std::pair<Range, Range>> gaps() {
    std::vector<std::pair<Range, Range>> out;
    auto begin = middle_from_.begin;
    auto to_begin = middle_to_.begin;
    for (auto i = middle_from_.begin; i < middle_from_.end; ++i) {
      if (of_from(i).fate != Fate::stays) continue;
      out.push_back({{begin, i}, {to_begin, of_from(i).at}});
      begin = i + 1;
      to_begin = of_from(i).at + 1;
    }
    out.push_back({{begin, middle_from_.end}, {to_begin, middle_to_.end}});
    return out;
  }

  void match_moved() {
    match_moved_by([](const Meaning& meaning) { return meaning.key + '\n' + meaning.comment; });
    match_moved_by([](const Meaning& meaning) { return meaning.key; });
  }

  template <class Key>
  void match_moved_by(Key key) {
    std::unordered_map<std::string, std::vector<std::uint32_t>> left;
    for (auto i = middle_from_.end; i-- > middle_from_.begin;) {
      if (of_from(i).fate == Fate::alone) left[key(from_.meaning(i))].push_back(i);
    }
    for (auto j = middle_to_.begin; j < middle_to_.end; ++j) {
      if (of_to(j).fate != Fate::alone) continue;
      const auto found = left.find(key(to_.meaning(j)));
      if (found == left.end() || found->second.empty()) continue;
      join(found->second.back(), j, Fate::moved);
      found->second.pop_back();
    }
  }

  // A rule of a gap with its parts.
  struct Candidate {
    std::uint32_t at = 0;
    std::vector<NamedPart> parts{};
  };

  std::vector<Candidate> candidates(RuleSide& side, Range range, std::vector<Partner>& partners,
                                    std::uint32_t start) {
    std::vector<Candidate> out;
    for (auto i = range.begin; i < range.end; ++i) {
      if (partners[i - start].fate == Fate::alone) {
        out.push_back({.at = i, .parts = reader_.parts(side.words(i))});
      }
    }
    return out;
  }

  void match_changed() {
    for (const auto& [gap_from, gap_to] : gaps()) {
      if (gap_from.empty() || gap_to.empty()) continue;
      const auto from = candidates(from_, gap_from, partner_of_from_, middle_from_.begin);
      const auto to = candidates(to_, gap_to, partner_of_to_, middle_to_.begin);
      if (std::max(from.size(), to.size()) <= kPairedFreely) {
        pair_most_similar(from, to);
      } else {
        pair_in_order(from, to);
      }
    }
  }

  void pair_in_order(const std::vector<Candidate>& from, const std::vector<Candidate>& to) {
    for (std::size_t k = 0; k < std::min(from.size(), to.size()); ++k) {
      if (similarity(from[k].parts, to[k].parts).enough()) join(from[k].at, to[k].at, Fate::changed);
    }
  }

  void pair_most_similar(const std::vector<Candidate>& from, const std::vector<Candidate>& to) {
    struct Choice {
      Similarity similarity{};
      std::uint32_t from = 0;
      std::uint32_t to = 0;
    };
    std::vector<Choice> choices;
    for (const auto& old_rule : from) {
      for (const auto& new_rule : to) {
        const auto alike = similarity(old_rule.parts, new_rule.parts);
        if (alike.enough()) choices.push_back({alike, old_rule.at, new_rule.at});
      }
    }
    std::ranges::stable_sort(choices,
                             [](const Choice& a, const Choice& b) { return a.similarity > b.similarity; });
    for (const auto& [alike, i, j] : choices) {
      if (of_from(i).fate == Fate::alone && of_to(j).fate == Fate::alone) join(i, j, Fate::changed);
    }
  }

  PartChange comment_change(std::uint32_t i, std::uint32_t j) {
    const auto shown = [this](const std::string& comment) {
      return comment.empty() ? std::nullopt : std::optional(reader_.shown_comment(comment));
    };
    return {.part = std::string(reader_.comment_part()),
            .from = shown(from_.meaning(i).comment),
            .to = shown(to_.meaning(j).comment)};
  }

  Change change(ChangeKind kind) const {
    Change out = place_;
    out.kind = kind;
    return out;
  }

  Change change(ChangeKind kind, std::uint32_t i, std::uint32_t j) const {
    Change out = change(kind);
    out.from_pos = i + 1;
    out.to_pos = j + 1;
    out.from = from_.verbatim(i);
    out.to = to_.verbatim(j);
    return out;
  }

  void report_kept(const Pair& pair) {
    const auto [i, j] = pair;
    if (from_.words(i) == to_.words(j)) return;
    if (from_.meaning(i).comment == to_.meaning(j).comment) {
      out_.respelled = true;
      return;
    }
    auto out = change(ChangeKind::comment, i, j);
    out.parts.push_back(comment_change(i, j));
    out_.changes.push_back(std::move(out));
  }

  // In the order of the newer chain; what was removed comes where it would stand.
  void report_middle() {
    for (const auto& [gap_from, gap_to] : gaps()) {
      for (auto i = gap_from.begin; i < gap_from.end; ++i) {
        if (of_from(i).fate == Fate::alone) report_removed(i);
      }
      for (auto j = gap_to.begin; j < gap_to.end; ++j) report_in_gap(j);
      if (gap_to.end < middle_to_.end) report_kept({of_to(gap_to.end).at, gap_to.end});
    }
  }

  void report_removed(std::uint32_t i) {
    auto out = change(ChangeKind::removed);
    out.from_pos = i + 1;
    out.from = from_.verbatim(i);
    out_.changes.push_back(std::move(out));
  }

  void report_in_gap(std::uint32_t j) {
    const auto [i, fate] = of_to(j);
    if (fate == Fate::alone) {
      auto out = change(ChangeKind::added);
      out.to_pos = j + 1;
      out.to = to_.verbatim(j);
      out_.changes.push_back(std::move(out));
      return;
    }
    auto out = change(fate == Fate::moved ? ChangeKind::moved : ChangeKind::changed, i, j);
    if (fate == Fate::moved) {
      out.no_effect = moves_without_effect(i, j);
    } else {
      out.parts = differing_parts(reader_.parts(from_.words(i)), reader_.parts(to_.words(j)));
    }
    if (from_.meaning(i).comment != to_.meaning(j).comment) {
      out.parts.push_back(comment_change(i, j));
    }
    out_.changes.push_back(std::move(out));
  }

  // Certain when the rule can change places with each rule that it passed. Rules outside the middle kept
  // their order.
  bool moves_without_effect(std::uint32_t i, std::uint32_t j) {
    std::size_t passed = 0;
    if (order_checks_ + middle_to_.size() > kOrderChecks) return false;
    order_checks_ += middle_to_.size();
    for (auto other = middle_to_.begin; other < middle_to_.end; ++other) {
      const auto [was, fate] = of_to(other);
      if (other == j || fate == Fate::alone || (was < i) == (other < j)) continue;
      words_read_ += to_.verbatim(j).size() + to_.verbatim(other).size();
      if (++passed > kPassed || ++interchanges_ > kInterchanges || words_read_ > kWordsRead) return false;
      if (!reader_.interchangeable(to_.words(j), to_.words(other))) return false;
      if (fate == Fate::changed && !reader_.interchangeable(to_.words(j), from_.words(was))) return false;
    }
    return true;
  }

  const RuleReader& reader_;
  const Change& place_;
  Diff& out_;
  RuleSide from_;
  RuleSide to_;
  // Between the common start and the common end; the pairs before and after that are spelled or commented
  // otherwise.
  Range middle_from_;
  Range middle_to_;
  std::vector<Pair> before_{};
  std::vector<Pair> after_{};
  std::vector<Partner> partner_of_from_{};
  std::vector<Partner> partner_of_to_{};
  std::size_t interchanges_ = 0;
  std::size_t order_checks_ = 0;
  std::size_t words_read_ = 0;
};

class TableRules final : public RuleReader {
 public:
  TableRules(Family family, const Renames& renames) : family_(family), renames_(renames) {}

  Meaning meaning(std::string_view words) const override { return rewall::meaning(words, family_); }
  std::vector<NamedPart> parts(std::string_view words) const override { return named_parts(words, family_); }
  bool interchangeable(std::string_view a, std::string_view b) const override {
    return rewall::interchangeable(a, b, family_);
  }
  std::optional<std::string> renamed(std::string_view words) const override {
    if (!names_renamed(words, renames_)) return std::nullopt;
    return renamed_words(words, renames_);
  }
  std::string shown_comment(const std::string& comment) const override { return quote_word(comment); }
  std::string_view comment_part() const override { return "--comment"; }

 private:
  Family family_;
  const Renames& renames_;
};

RuleWords words_of(const Chain& chain) {
  RuleWords out;
  out.reserve(chain.rules.size());
  for (const auto& rule : chain.rules) out.push_back(rule.words);
  return out;
}

}  // namespace

void compare_rules(const RuleWords& from, const RuleWords& to, const Change& place, const RuleReader& reader,
                   Diff& out) {
  RulesComparison(from, to, place, reader, out).run();
}

void compare_rules(const ChainPair& pair, const Change& place, const Renames& renames, Diff& out) {
  compare_rules(words_of(*pair.from), words_of(*pair.to), place, TableRules(*place.family, renames), out);
}

}  // namespace rewall
