#pragma once

#include <libmnl/libmnl.h>

#include <string>

#include "rules/ruleset.h"

namespace rewall {

/// Names the part of a rule (a message of NFT_MSG_GETRULE) that iptables-nft 1.8.9 could not have made: "a
/// lookup in a set of nft". Empty for a rule of iptables-nft.
///
/// iptables-nft-save also prints rules of other programs, with exit status 0, and leaves out the parts that
/// it does not know (iptables/nft-shared.c): `tcp dport { 22, 80 } accept` becomes `-p tcp -j ACCEPT`.
/// Therefore this function accepts only the shapes that iptables-nft itself makes, and a few of nft's that
/// are known to be printed correctly.
std::string native_part(const nlmsghdr* rule, Family family);

}  // namespace rewall
