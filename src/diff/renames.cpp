#include "diff/renames.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "core/text.h"
#include "diff/interner.h"
#include "rules/meaning.h"
#include "rules/rule.h"

namespace rewall {
namespace {

// Chains that call each other are found leaves first; each round finds the callers of what the last one found
// alike.
constexpr int kRounds = 16;
// Beyond so many comparisons of rules only chains that are equal are found.
constexpr std::size_t kAffordableComparisons = 5'000'000;

// No rule of a kernel is so long (rules/rule.cpp).
constexpr std::size_t kLongestJump = 1U << 20U;

bool is_jump(std::string_view word) {
  return word == "-j" || word == "-g" || word == "--jump" || word == "--goto";
}

// The keys of a chain's rules, sorted, and the whole in order.
struct Signature {
  std::vector<std::string> keys{};
  std::string whole{};
};

Signature signature(const Chain& chain, Family family, const Renames& renames) {
  Signature out;
  for (const auto& rule : chain.rules) {
    auto key = names_renamed(rule.words, renames) ? meaning(renamed_words(rule.words, renames), family).key
                                                  : meaning(rule.words, family).key;
    out.whole += key;
    out.whole += '\n';
    out.keys.push_back(std::move(key));
  }
  std::ranges::sort(out.keys);
  return out;
}

std::size_t shared(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::string_view> both;
  std::ranges::set_intersection(a, b, std::back_inserter(both));
  return both.size();
}

bool mostly_alike(const Signature& a, const Signature& b) {
  const auto larger = std::max(a.keys.size(), b.keys.size());
  const auto smaller = std::min(a.keys.size(), b.keys.size());
  return smaller * 10 >= larger * 6 && shared(a.keys, b.keys) * 10 >= larger * 6;
}

class RenameSearch {
 public:
  RenameSearch(const std::vector<const Chain*>& gone, const std::vector<const Chain*>& added, Family family)
      : family_(family) {
    for (const auto* chain : gone) {
      if (!chain->rules.empty()) gone_.push_back(chain);
    }
    for (const auto* chain : added) {
      if (!chain->rules.empty()) added_.emplace_back(chain, signature(*chain, family, {}));
    }
    put_leaves_first();
  }

  Renames run() {
    for (int round = 0; round < kRounds && !gone_.empty() && !added_.empty(); ++round) {
      const auto found = found_.size();
      find_equal();
      if (found_.size() == found) find_alike();
      if (found_.size() == found) break;
    }
    return std::move(found_);
  }

 private:
  void put_leaves_first() {
    std::unordered_map<std::string_view, const Chain*> by_name;
    for (const auto* chain : gone_) by_name.emplace(chain->name, chain);
    std::vector<const Chain*> order;
    std::set<const Chain*> seen;
    std::vector<std::pair<const Chain*, bool>> stack;
    for (auto chain = gone_.rbegin(); chain != gone_.rend(); ++chain) stack.emplace_back(*chain, false);
    while (!stack.empty()) {
      const auto [chain, done] = stack.back();
      stack.pop_back();
      if (done) order.push_back(chain);
      if (done || !seen.insert(chain).second) continue;
      stack.emplace_back(chain, true);
      for (const auto& rule : chain->rules) {
        const auto target = by_name.find(target_of(rule.words, family_));
        if (target != by_name.end()) stack.emplace_back(target->second, false);
      }
    }
    gone_ = std::move(order);
  }

  void find_equal() {
    std::unordered_map<std::string_view, std::vector<std::size_t>> by_rules;
    for (auto i = added_.size(); i-- > 0;) by_rules[added_[i].second.whole].push_back(i);
    std::set<std::size_t> taken;
    std::erase_if(gone_, [&](const Chain* chain) {
      const auto match = by_rules.find(signature(*chain, family_, found_).whole);
      if (match == by_rules.end() || match->second.empty()) return false;
      found_.emplace(chain->name, added_[match->second.back()].first->name);
      taken.insert(match->second.back());
      match->second.pop_back();
      return true;
    });
    remove_added(taken);
  }

  void find_alike() {
    if (comparisons() > kAffordableComparisons) return;
    std::vector<Signature> signatures;
    for (const auto* chain : gone_) signatures.push_back(signature(*chain, family_, found_));
    std::vector<std::vector<std::size_t>> candidates(gone_.size());
    std::vector<std::size_t> suitors(added_.size(), 0);
    for (std::size_t i = 0; i < gone_.size(); ++i) {
      for (std::size_t j = 0; j < added_.size(); ++j) {
        if (!mostly_alike(signatures[i], added_[j].second)) continue;
        candidates[i].push_back(j);
        ++suitors[j];
      }
    }
    std::set<std::size_t> taken;
    std::vector<const Chain*> left;
    for (std::size_t i = 0; i < gone_.size(); ++i) {
      if (candidates[i].size() == 1 && suitors[candidates[i][0]] == 1) {
        found_.emplace(gone_[i]->name, added_[candidates[i][0]].first->name);
        taken.insert(candidates[i][0]);
      } else {
        left.push_back(gone_[i]);
      }
    }
    gone_ = std::move(left);
    remove_added(taken);
  }

  // Rules looked at when every chain is held against every other.
  std::size_t comparisons() const {
    std::size_t gone_rules = 0;
    std::size_t added_rules = 0;
    for (const auto* chain : gone_) gone_rules += chain->rules.size();
    for (const auto& [chain, signature] : added_) added_rules += chain->rules.size();
    return gone_rules * added_.size() + added_rules * gone_.size();
  }

  void remove_added(const std::set<std::size_t>& taken) {
    std::size_t place = 0;
    std::erase_if(added_, [&](const auto&) { return taken.contains(place++); });
  }

  Family family_;
  std::vector<const Chain*> gone_{};
  std::vector<std::pair<const Chain*, Signature>> added_{};
  Renames found_{};
};

}  // namespace

Renames find_renames(const std::vector<const Chain*>& gone, const std::vector<const Chain*>& added,
                     Family family) {
  if (gone.empty() || added.empty()) return {};
  return RenameSearch(gone, added, family).run();
}

bool names_renamed(std::string_view words, const Renames& renames) {
  if (renames.empty() || words.size() > kLongestJump) return false;
  std::string_view before;
  for (const auto word : split(words, ' ')) {
    if (is_jump(before) && renames.contains(word)) return true;
    before = word;
  }
  return false;
}

std::string renamed_words(std::string_view words, const Renames& renames) {
  auto split = split_words(words);
  if (!split) return std::string(words);
  for (std::size_t i = 0; i < split->size(); ++i) {
    const auto renamed = i > 0 && is_jump((*split)[i - 1]) ? renames.find((*split)[i]) : renames.end();
    (*split)[i] = quote_word(renamed == renames.end() ? (*split)[i] : renamed->second);
  }
  return join(*split, " ");
}

}  // namespace rewall
