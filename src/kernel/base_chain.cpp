#include "kernel/base_chain.h"

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter/nf_tables.h>

#include <cerrno>

#include "core/file.h"
#include "core/format.h"
#include "kernel/netlink_attributes.h"
#include "kernel/rule_list.h"

namespace rewall {

Result<std::optional<BaseChain>> read_base_chain(NetlinkSocket& socket, Family family,
                                                 const std::string& table, const std::string& chain) {
  NetlinkRequest request(NFT_MSG_GETCHAIN, number_of(family), 0);
  request.add(NFTA_CHAIN_TABLE, table);
  request.add(NFTA_CHAIN_NAME, chain);
  std::optional<BaseChain> found;
  const int error = socket.ask(request, [&](const nlmsghdr* message) {
    const auto facts = attributes<NFTA_CHAIN_MAX + 1>(message);
    if (facts[NFTA_CHAIN_HOOK] == nullptr) return;
    const auto hook = attributes<NFTA_HOOK_MAX + 1>(facts[NFTA_CHAIN_HOOK]);
    found = BaseChain{.type = std::string(text(facts[NFTA_CHAIN_TYPE])),
                      .hook = number(hook[NFTA_HOOK_HOOKNUM]),
                      .priority = static_cast<std::int32_t>(number(hook[NFTA_HOOK_PRIORITY]))};
  });
  if (error != 0 && error != ENOENT)
    return Error{.kind = ErrorKind::kernel,
                 .message = format("nf_tables: chain {} {} {}: {}", short_name(family), table, chain,
                                   errno_text(error))};
  return found;
}

}  // namespace rewall
