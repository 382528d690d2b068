#include <netinet/in.h>
#include <sys/socket.h>

// After libc's own, which they would collide with.
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "kernel/kernel_rules.h"

namespace rewall {

namespace {

constexpr std::array<std::string_view, NF_INET_NUMHOOKS> kHookChains{"PREROUTING", "INPUT", "FORWARD",
                                                                     "OUTPUT", "POSTROUTING"};

struct OfIpv4 {
  using Info = ipt_getinfo;
  using Entries = ipt_get_entries;
  using Entry = ipt_entry;
  static constexpr int kDomain = AF_INET;
  static constexpr int kLevel = IPPROTO_IP;
  static constexpr int kInfo = IPT_SO_GET_INFO;
  static constexpr int kEntries = IPT_SO_GET_ENTRIES;
  static const auto& packet(const Entry& entry) { return entry.ip; }
};

struct OfIpv6 {
  using Info = ip6t_getinfo;
  using Entries = ip6t_get_entries;
  using Entry = ip6t_entry;
  static constexpr int kDomain = AF_INET6;
  static constexpr int kLevel = IPPROTO_IPV6;
  static constexpr int kInfo = IP6T_SO_GET_INFO;
  static constexpr int kEntries = IP6T_SO_GET_ENTRIES;
  static const auto& packet(const Entry& entry) { return entry.ipv6; }
};

/// A match or target: its header (struct xt_entry_match), and its data behind it.
struct Part {
  std::string_view name;
  std::string_view data;
  std::size_t size = 0;
};

Part part_at(std::string_view entry, std::size_t at) {
  constexpr std::size_t kName = offsetof(xt_entry_match, u.user.name);
  constexpr std::size_t kHeader = sizeof(xt_entry_match);
  if (at + kHeader > entry.size()) return {};
  std::uint16_t size = 0;
  std::memcpy(&size, entry.data() + at, sizeof size);
  if (size < kHeader || at + size > entry.size()) return {};
  const std::string_view name = entry.substr(at + kName, XT_EXTENSION_MAXNAMELEN);
  return {.name = name.substr(0, name.find('\0')),
          .data = entry.substr(at + kHeader, size - kHeader),
          .size = size};
}

/// The entries of a table, in order (translate_table in net/ipv4/netfilter/ip_tables.c): a chain of one's own
/// begins with its name, each chain ends with its policy, and the last entry ends the table.
template <class Of>
class EntryReader {
 public:
  EntryReader(const typename Of::Info& info, KernelTable& table) : info_(info), table_(table) {}

  /// False for what is no list of entries.
  bool read(std::string_view entries) {
    std::size_t at = 0;
    while (at < entries.size()) {
      typename Of::Entry head;
      if (at + sizeof head > entries.size()) return false;
      std::memcpy(&head, entries.data() + at, sizeof head);
      if (head.next_offset < sizeof head || at + head.next_offset > entries.size()) return false;
      const std::string_view entry = entries.substr(at, head.next_offset);
      const bool last = at + head.next_offset == entries.size();
      take(at, head, entry, last);
      at += head.next_offset;
    }
    return true;
  }

 private:
  void take(std::size_t at, const typename Of::Entry& head, std::string_view entry, bool last) {
    for (std::size_t hook = 0; hook < kHookChains.size(); ++hook)
      if ((info_.valid_hooks & 1U << hook) != 0 && info_.hook_entry[hook] == at) begin(kHookChains[hook]);
    const Part target = part_at(entry, head.target_offset);
    if (target.name == XT_ERROR_TARGET) {
      end();
      if (!last) begin(target.data.substr(0, target.data.find('\0')));
    } else if (open_) {
      add(head, entry, target);
    }
  }

  void begin(std::string_view name) {
    end();
    table_.chains.push_back({.name = std::string(name)});
    open_ = true;
  }

  /// The last one was the policy.
  void end() {
    if (open_ && table_.chains.back().rules > 0) --table_.chains.back().rules;
    open_ = false;
  }

  void add(const typename Of::Entry& head, std::string_view entry, const Part& target) {
    KernelChain& chain = table_.chains.back();
    OddRule rule{.place = chain.rules++};
    const auto& packet = Of::packet(head);
    take_names(rule, {packet.iniface, IFNAMSIZ});
    take_names(rule, {packet.outiface, IFNAMSIZ});
    // Of `! -i +` nothing is printed.
    constexpr std::uint8_t kNegated = IPT_INV_VIA_IN | IPT_INV_VIA_OUT;  // those of IPv6 are the same
    if ((packet.invflags & kNegated) != 0) {
      rule.unsaid += static_cast<char>(packet.invflags & kNegated);
      rule.unsaid.append(packet.iniface, IFNAMSIZ).append(packet.outiface, IFNAMSIZ);
    }
    for (std::size_t at = sizeof head; at < head.target_offset;) {
      const Part match = part_at(entry, at);
      if (match.size == 0) break;
      take_words(rule, match.name, match.data);
      at += match.size;
    }
    take_words(rule, target.name, target.data);
    if (!rule.texts.empty() || !rule.names.empty() || !rule.unsaid.empty())
      chain.odd.push_back(std::move(rule));
  }

  const typename Of::Info& info_;
  KernelTable& table_;
  bool open_ = false;
};

Error no_answer(const KernelTable& table, std::string_view what) {
  return Error{.kind = ErrorKind::capture,
               .message = format("table {} {}: {}: {}", short_name(table.family), table.name, what,
                                 errno_text(errno))};
}

template <class Of>
Result<KernelTable> ask(KernelTable table) {
  const Fd socket(::socket(Of::kDomain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  typename Of::Info info{};
  if (!socket || table.name.size() >= sizeof info.name) return no_answer(table, "raw socket");
  std::ranges::copy(table.name, info.name);
  socklen_t size = sizeof info;
  if (getsockopt(socket.get(), Of::kLevel, Of::kInfo, &info, &size) != 0) return no_answer(table, "its size");
  constexpr std::size_t kHead = offsetof(typename Of::Entries, entrytable);
  std::vector<char> buffer(kHead + info.size);
  std::ranges::copy(table.name, buffer.data() + offsetof(typename Of::Entries, name));
  std::memcpy(buffer.data() + offsetof(typename Of::Entries, size), &info.size, sizeof info.size);
  size = static_cast<socklen_t>(buffer.size());
  if (getsockopt(socket.get(), Of::kLevel, Of::kEntries, buffer.data(), &size) != 0)
    return no_answer(table, "its rules");
  const auto entries = std::string_view(buffer.data(), buffer.size()).substr(buffer.size() - info.size);
  if (EntryReader<Of>(info, table).read(entries)) return table;
  errno = EBADMSG;
  return no_answer(table, "its rules");
}

}  // namespace

Result<KernelTable> ask_legacy_table(Family family, const std::string& table) {
  KernelTable asked{.backend = Backend::legacy, .family = family, .name = table};
  return family == Family::ipv4 ? ask<OfIpv4>(std::move(asked)) : ask<OfIpv6>(std::move(asked));
}

}  // namespace rewall
