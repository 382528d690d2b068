#include "kernel/nft_staging.h"

#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/native_batch.h"
#include "kernel/netlink_attributes.h"
#include "kernel/nft_listing.h"

namespace rewall {

namespace {

/// The kinds of interfaces that a kernel may have, the simplest first.
constexpr std::array<std::string_view, 4> kLinkKinds{"dummy", "bridge", "ifb", "veth"};
constexpr int kPeers = 1 << 24;  ///< the other end of a veth has a number that no interface of LIVE has

struct CloseSocket {
  void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
};

void put_peer(nlmsghdr* message, unsigned number) {
  nlattr* data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
  ifinfomsg peer{};
  peer.ifi_index = kPeers + static_cast<int>(number);
  mnl_attr_put(message, VETH_INFO_PEER, sizeof peer, &peer);
  mnl_attr_nest_end(message, data);
}

bool make_link(mnl_socket* socket, unsigned number, const std::string& name, std::string_view kind) {
  alignas(nlmsghdr) std::array<char, 512> buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = RTM_NEWLINK;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
  auto* link = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
  link->ifi_index = static_cast<int>(number);
  mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str());
  nlattr* info = mnl_attr_nest_start(message, IFLA_LINKINFO);
  mnl_attr_put_strz(message, IFLA_INFO_KIND, std::string(kind).c_str());
  if (kind == "veth") put_peer(message, number);
  mnl_attr_nest_end(message, info);
  if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0) return false;
  alignas(nlmsghdr) std::array<char, 4096> answer{};
  const ssize_t got = mnl_socket_recvfrom(socket, answer.data(), answer.size());
  return got >= 0 && mnl_cb_run(answer.data(), static_cast<std::size_t>(got), 0, 0, nullptr, nullptr) >= 0;
}

/// Those that cannot be made are missed by nft, which says so.
void make_links(const Links& links, std::string_view text) {
  std::unique_ptr<mnl_socket, CloseSocket> socket;
  for (const auto& [number, name] : links) {
    if (number == 1 || text.find(name) == std::string_view::npos) continue;
    if (!socket) {
      socket.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
      if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return;
    }
    for (const auto kind : kLinkKinds)
      if (make_link(socket.get(), number, name, kind)) break;
  }
}

Error no_nft() {
  return error_of<messages::nft_missing>();
}

/// "/dev/stdin:3:7-9: Error: Could not process rule: No such file or directory" and its line.
struct NftWords {
  std::string file{};
  std::size_t line = 0;
  std::string words{};
};

NftWords first_nft_words(std::string_view printed) {
  NftWords out;
  for (const auto line : split_lines(printed)) {
    const auto at = line.find(": Error: ");
    if (at == std::string_view::npos) continue;
    out.words = std::string(line.substr(at + 9));
    auto place = line.substr(0, at);
    const auto columns = place.rfind(':');
    const auto number = columns == std::string_view::npos ? columns : place.rfind(':', columns - 1);
    if (number == std::string_view::npos) return out;
    out.file = std::string(place.substr(0, number));
    for (const char c : place.substr(number + 1, columns - number - 1))
      if (c >= '0' && c <= '9') out.line = out.line * 10 + static_cast<std::size_t>(c - '0');
    return out;
  }
  return out;
}

std::size_t lines_in(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

Command nft_command(Programs& programs, std::string text) {
  return programs.command({programs.nft(), "-f", "-"}, std::move(text));
}

}  // namespace

Links list_links() {
  Links links;
  struct if_nameindex* all = if_nameindex();
  for (const struct if_nameindex* at = all; at != nullptr && at->if_index != 0; ++at)
    links.emplace_back(at->if_index, at->if_name);
  if (all != nullptr) if_freenameindex(all);
  return links;
}

Status load_native(Programs& programs, const std::vector<const NativeTable*>& tables,
                   const NativeTables& whole, const std::string& file, const Links& links) {
  if (tables.empty()) return {};
  if (programs.nft().empty()) return no_nft();
  std::string text;
  for (const NativeTable* table : tables) text += print_native(*table);
  make_links(links, text);
  const auto outcome = TRY(run(nft_command(programs, text), ErrorKind::kernel));
  if (outcome.ok()) return {};
  if (says_not_permitted(outcome.err)) return change_not_permitted("nft", outcome.text());
  const NftWords words = first_nft_words(outcome.err);
  if (words.line == 0)
    return Error{.kind = ErrorKind::kernel, .message = format("{}: nft: {}", file, outcome.text())};
  // The line of the file: what stands before the table there instead of here.
  std::size_t before = 0;
  const NativeTable* refused = tables.front();
  for (const NativeTable* table : tables) {
    const std::size_t count = lines_in(print_native(*table));
    refused = table;
    if (words.line <= before + count) break;
    before += count;
  }
  std::size_t begin = 0;
  for (const NativeTable& table : whole.tables) {
    if (&table == refused || (table.family == refused->family && table.name == refused->name)) break;
    begin += lines_in(print_native(table));
  }
  const auto lines = split_lines(text);
  return Error{
      .kind = ErrorKind::kernel,
      .message = format("{}:{}: table {}: {}: {}", file, begin + words.line - before, refused->title(),
                        words.words, escape(trim(lines[std::min(words.line, lines.size()) - 1])))};
}

Status load_written(Programs& programs, const std::string& path, const std::string& text,
                    const Links& links) {
  if (programs.nft().empty()) return no_nft();
  make_links(links, text);
  auto command = path.empty() ? nft_command(programs, text) : programs.command({programs.nft(), "-f", path});
  const auto outcome = TRY(run(std::move(command), ErrorKind::kernel));
  if (!outcome.ok()) {
    const NftWords words = first_nft_words(outcome.err);
    const std::string where = path.empty() ? "standard input" : words.file.empty() ? path : words.file;
    const bool kernel = words.words.starts_with("Could not process rule");
    return Error{.kind = kernel ? ErrorKind::kernel : ErrorKind::usage,
                 .message = words.line == 0 ? format("{}: nft: {}", where, outcome.text())
                                            : format("{}:{}: {}", where, words.line, escape(words.words))};
  }
  return {};
}

Status load_by_nft(Programs& programs, const NativeTables& live, const NativeTables& wanted) {
  std::string text;
  for (const NativeTable& table : live.tables) {
    const NativeTable* same = wanted.find(table.family, table.name);
    if (same == nullptr || !same_text(*same, table)) text += format("delete table {}\n", table.title());
  }
  for (const NativeTable* table : differing_tables(wanted, live)) text += print_native(*table);
  if (text.empty()) return {};
  if (programs.nft().empty()) return no_nft();
  const auto outcome = TRY(run(nft_command(programs, std::move(text)), ErrorKind::kernel));
  if (outcome.ok()) return {};
  return Error{.kind = ErrorKind::kernel, .message = format("nft: {}", outcome.text())};
}

}  // namespace rewall
