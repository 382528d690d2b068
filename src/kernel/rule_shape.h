#pragma once

#include <libmnl/libmnl.h>

#include <string>

#include "rules/ruleset.h"

namespace rewall {

/// What keeps a rule (a message of NFT_MSG_GETRULE) from being one that iptables-nft 1.8.9 could have made:
/// "a lookup in a set of nft". Empty when nothing does.
///
/// iptables-nft-save prints the rules of others too, with exit status 0, and passes over what it does not
/// know (iptables/nft-shared.c): `tcp dport { 22, 80 } accept` becomes `-p tcp -j ACCEPT`. So only those
/// shapes are good that iptables-nft makes itself, and a few of nft's that were seen to be printed right.
std::string native_part(const nlmsghdr* rule, Family family);

}  // namespace rewall
