#include "ops/restore/owned_tables.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "core/format.h"
#include "core/messages.h"
#include "diff/diff.h"
#include "rules/native_tables.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

std::optional<Family> iptables_family_of(std::string_view title) {
  const auto blank = title.find(' ');
  const auto family = native_family(title.substr(0, blank));
  return family ? iptables_family(*family, title.substr(blank + 1)) : std::nullopt;
}

bool remove_native(Ruleset& ruleset, std::string_view title) {
  return ruleset.native && std::erase_if(ruleset.native->tables, [&](const NativeTable& table) {
                             return table.title() == title;
                           }) > 0;
}

}  // namespace

Result<LeftToOwners> leave_to_owners(Session& session, Ruleset& wanted, const Ruleset& live,
                                     std::vector<std::string>& notes, const RestoreOptions& options) {
  LeftToOwners left;
  const auto owned = TRY(session.firewall().owned_tables());
  const bool whole = !options.family && options.table.empty() && options.parts == nullptr;
  for (const OwnedTable& table : owned) {
    const auto family = iptables_family_of(table.title);
    bool otherwise = false;
    if (family) {
      const auto before = wanted;
      take_table(wanted, live, *family, std::string_view(table.title).substr(table.title.find(' ') + 1));
      otherwise = !compare(before, wanted).equal();
      left.of_iptables = left.of_iptables || otherwise;
    } else {
      otherwise = remove_native(wanted, table.title);
    }
    if (!otherwise && (family || !whole)) continue;
    // Nothing else is asked for.
    if (!options.table.empty()) return error_of<messages::table_owned>(table.text());
    notes.push_back(table.text() + ", is left as it is");
    if (otherwise) left.tables += (left.tables.empty() ? "" : ", and ") + table.text();
  }
  return left;
}

std::string but_for(const std::string& what, const LeftToOwners& left) {
  return left.tables.empty() ? what : format("{}, but for {},", what, left.tables);
}

}  // namespace rewall
