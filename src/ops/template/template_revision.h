#pragma once

#include <optional>

#include "core/result.h"
#include "ops/history/revision.h"
#include "rules/template.h"

namespace rewall {

/// A template with its values as a revision: like a rules file, of both families or of one, in all tables of
/// iptables. Sets and native tables are no part of it. Kind usage: a line that iptables-restore does not
/// take, or too many rules.
Result<Revision> template_revision(const RulesTemplate& rules, const PlaceValues& values,
                                   std::optional<Family> family = {});

}  // namespace rewall
