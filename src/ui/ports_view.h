#pragma once

#include <string>
#include <vector>

#include "analysis/port_changes.h"
#include "analysis/ports.h"
#include "rules/ruleset.h"
#include "ui/json.h"
#include "ui/paint.h"

namespace rewall {

/// A row as --json prints it. `compared`: with the programs that listen.
Json to_json(const PortRow& row, Family family, bool compared);

/// The rows of one family as a table: "ip   tcp   22,80-90   everyone". `compared` as above.
std::string ports_table(const std::vector<PortRow>& rows, Family family, bool compared, Paint paint);

/// Ports whose reach changed, as --json prints them: what they were and are is in `from` and `to`.
Json to_json(const std::vector<PortChange>& changes);

/// The ports of changes, whatever they are: "tcp 22,8080-8090 (ip, ip6), udp 53 (ip), icmp echo-request
/// (ip)". Of many, the first are named.
std::string changed_ports_text(const std::vector<PortChange>& changes);

}  // namespace rewall
