#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "rules/ruleset.h"

struct nlattr;

namespace rewall {

/// Names the part of a rule (its NFTA_RULE_EXPRESSIONS) that is of no known shape: "a lookup in a set of
/// nft". Empty for a rule as iptables-nft makes it.
///
/// iptables-nft-save also prints rules of other programs, with exit status 0, and leaves out the parts that
/// it does not know (iptables/nft-shared.c): `tcp dport { 22, 80 } accept` becomes `-p tcp -j ACCEPT`.
/// Therefore this function accepts only the shapes that iptables-nft itself makes, and a few of nft's that
/// are known to be printed correctly. Whether iptables can say another one is tried (proofs.h).
///
/// `each` is called with the name and the data (NFTA_EXPR_NAME, NFTA_EXPR_DATA) of every expression.
std::string native_part(std::string_view expressions, Family family,
                        const std::function<void(std::string_view name, const nlattr* data)>& each);

}  // namespace rewall
