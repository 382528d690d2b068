#include "ops/restore/live_foreign.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/nft_as_iptables.h"
#include "rules/print.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

/// The ruleset with what is foreign alone in a table. The other tables tell which interfaces an owner has.
ForeignMerge foreign_part(const Ruleset& ruleset, Family family, const std::string& table,
                          std::span<const Owner> owners) {
  Ruleset without = ruleset;
  remove_table(without, family, table);
  return keep_foreign(without, ruleset, owners);
}

/// True where a ruleset has sets, or base chains that iptables does not know, in a table in the words of nft.
bool has_more_than_iptables(const Ruleset& ruleset, Family family, const std::string& table) {
  const NativeTable* native = find_in_nft_words(ruleset, family, table);
  return native != nullptr && std::ranges::any_of(native->parts, [&](const NativePart& part) {
           return !part.is_chain() || (!part.hook().empty() && !is_built_in(table, part.name));
         });
}

/// The tables that `live` has in the words of nft and `wanted` in no form, or empty.
std::vector<std::pair<Family, std::string>> tables_in_nft_words_alone(const Ruleset& wanted,
                                                                      const Ruleset& live) {
  std::vector<std::pair<Family, std::string>> found;
  if (!live.native) return found;
  for (const NativeTable& table : live.native->tables) {
    const auto family = iptables_family(table);
    if (!family || find_in_nft_words(wanted, *family, table.name) != nullptr) continue;
    const Table* other = wanted.tables(*family, Backend::nft).find(table.name);
    if (other == nullptr || is_empty(*other)) found.emplace_back(*family, table.name);
  }
  return found;
}

Status say_in_nft_words(Session& session, Ruleset& ruleset, Family family, const std::string& table) {
  NativeTables words;
  words.tables.push_back(TRY(session.firewall().in_nft_words(ruleset, family, table, words.texts)));
  take_table(ruleset, Ruleset{.native = std::move(words)}, family, table);
  return {};
}

/// True where iptables can say the table, whatever the kernel makes of it.
bool is_sayable(const Ruleset& ruleset, Family family, const std::string& table) {
  const Table* found = ruleset.tables(family, Backend::nft).find(table);
  return found == nullptr || std::ranges::all_of(found->chains, [&](const Chain& chain) {
           return (!chain.built_in() || is_built_in(table, chain.name)) &&
                  std::ranges::none_of(chain.rules,
                                       [](const Rule& rule) { return is_in_words_of_nft(rule.words); });
         });
}

class OneForm {
 public:
  OneForm(Session& session, Ruleset wanted, Ruleset live, std::span<const Owner> owners, LostForeign lost,
          UnsaidForeign unsaid)
      : session_(session),
        wanted_(std::move(wanted)),
        live_(std::move(live)),
        owners_(owners),
        lost_(lost),
        unsaid_(unsaid) {}

  Result<ForeignMerge> run() {
    for (const auto& [family, table] : tables_in_different_forms(wanted_, live_)) {
      const auto foreign = foreign_part(live_, family, table, owners_);
      if (foreign.kept.empty()) continue;
      auto done = bring(foreign, family, table);
      if (done) continue;
      const auto title = format("{} {}", short_name(family), table);
      if (unsaid_ == UnsaidForeign::is_refused)
        return error_of<messages::foreign_of_other_form>(title, done.error().message);
      notes_.push_back(
          format("what is foreign in table {} goes, as it cannot stand beside what was there: {}", title,
                 escape(done.error().message)));
      remove_table(live_, family, table);
    }
    for (const auto& [family, table] : tables_in_nft_words_alone(wanted_, live_))
      say_as_iptables(foreign_part(live_, family, table, owners_), family, table);
    auto merged = keep_foreign(wanted_, live_, owners_, lost_);
    merged.notes.insert(merged.notes.begin(), notes_.begin(), notes_.end());
    return merged;
  }

 private:
  Status bring(const ForeignMerge& foreign, Family family, const std::string& table) {
    if (find_in_nft_words(wanted_, family, table) != nullptr)
      return say_in_nft_words(session_, live_, family, table);
    if (say_as_iptables(foreign, family, table)) return {};
    return say_in_nft_words(session_, wanted_, family, table);
  }

  /// Of LIVE only what is foreign has to be said. So its rules stay as iptables made them.
  bool say_as_iptables(const ForeignMerge& foreign, Family family, const std::string& table) {
    if (has_more_than_iptables(foreign.ruleset, family, table)) return false;
    auto live = live_;
    say_in_words_of_iptables(live, family, table);
    if (!is_sayable(keep_foreign(wanted_, live, owners_, lost_).ruleset, family, table)) return false;
    live_ = std::move(live);
    return true;
  }

  Session& session_;
  Ruleset wanted_;
  Ruleset live_;
  std::span<const Owner> owners_;
  LostForeign lost_;
  UnsaidForeign unsaid_;
  std::vector<std::string> notes_{};
};

}  // namespace

Result<ForeignMerge> keep_live_foreign(Session& session, const Ruleset& wanted, const Ruleset& live,
                                       std::span<const Owner> owners, LostForeign lost,
                                       UnsaidForeign unsaid) {
  if (tables_in_different_forms(wanted, live).empty() && tables_in_nft_words_alone(wanted, live).empty())
    return keep_foreign(wanted, live, owners, lost);
  return OneForm(session, wanted, live, owners, lost, unsaid).run();
}

}  // namespace rewall
