#include "ops/template/template_revision.h"

namespace rewall {

Result<Revision> template_revision(const RulesTemplate& rules, const PlaceValues& values,
                                   std::optional<Family> family) {
  Revision revision{.name = "template " + rules.name,
                    .has_v4 = family != Family::ipv6,
                    .has_v6 = family != Family::ipv4,
                    .has_sets = false,
                    .by_hand = true};
  if (revision.has_v4) revision.ruleset.v4 = TRY(tables_of_template(rules, values, Family::ipv4));
  if (revision.has_v6) revision.ruleset.v6 = TRY(tables_of_template(rules, values, Family::ipv6));
  return revision;
}

}  // namespace rewall
