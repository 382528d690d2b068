#pragma once

#include <string>
#include <vector>

#include "analysis/ports.h"
#include "rules/ruleset.h"
#include "ui/json.h"
#include "ui/paint.h"

namespace rewall {

/// A row as --json prints it. `compared`: with the programs that listen.
Json to_json(const PortRow& row, Family family, bool compared);

/// The rows of one family as a table: "ip   tcp   22,80-90   everyone". `compared` as above.
std::string ports_table(const std::vector<PortRow>& rows, Family family, bool compared, Paint paint);

}  // namespace rewall
