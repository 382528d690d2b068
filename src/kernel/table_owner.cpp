#include "kernel/table_owner.h"

#include <linux/netlink.h>
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/file.h"
#include "core/format.h"
#include "core/proc.h"
#include "core/text.h"
#include "kernel/nftables.h"
#include "rules/native_tables.h"
#include "rules/symbols.h"
#include "rules/table_forms.h"

namespace rewall {

namespace {

/// The inodes of the netfilter sockets of this namespace, by their numbers (proc(5), /proc/net/netlink: "sk
/// Eth Pid Groups Rmem Wmem Dump Locks Drops Inode").
std::map<std::uint32_t, std::string> netfilter_sockets() {
  constexpr std::size_t kColumns = 10;
  std::map<std::uint32_t, std::string> inodes;
  const auto text = read_file("/proc/thread-self/net/netlink");
  if (!text) return inodes;
  for (const auto line : split_lines(*text)) {
    auto words = split(line, ' ');
    std::erase(words, "");
    if (words.size() < kColumns || read_number(words[1]) != NETLINK_NETFILTER) continue;
    if (const auto number = read_number(words[2], UINT32_MAX))
      inodes.emplace(static_cast<std::uint32_t>(*number), words[9]);
  }
  return inodes;
}

std::string holder_of(const std::string& inode) {
  for (const pid_t number : all_processes()) {
    if (!sockets_of_process(number).contains(inode)) continue;
    const auto process = look_at_process(number);
    return process ? format("{} ({})", escape(process->name), number) : format("{}", number);
  }
  return {};
}

}  // namespace

std::string OwnedTable::text() const {
  return process.empty() ? format("table {}, which a process owns", escape(title))
                         : format("table {}, which process {} owns", escape(title), process);
}

Result<std::vector<OwnedTable>> list_owned_tables() {
  auto tables = TRY(list_nft_tables());
  std::erase_if(tables, [](const NftTable& table) { return !table.owned; });
  std::vector<OwnedTable> owned;
  if (tables.empty()) return owned;
  const auto sockets = netfilter_sockets();
  for (const NftTable& table : tables) {
    const auto socket = sockets.find(table.owner);
    owned.push_back(
        {.title = table.text(), .process = socket == sockets.end() ? "" : holder_of(socket->second)});
  }
  return owned;
}

void remove_table(Ruleset& ruleset, const OwnedTable& table) {
  const auto blank = table.title.find(' ');
  const auto name = table.title.substr(blank + 1);
  const auto of = native_family(std::string_view(table.title).substr(0, blank));
  if (const auto family = of ? iptables_family(*of, name) : std::nullopt)
    remove_table(ruleset, *family, name);
  else if (of && ruleset.native)
    std::erase_if(ruleset.native->tables,
                  [&](const NativeTable& one) { return one.family == *of && one.name == name; });
}

}  // namespace rewall
