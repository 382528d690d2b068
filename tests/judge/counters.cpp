#include "judge/counters.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

// After libc's own, which they would collide with.
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include <cstring>
#include <optional>
#include <set>
#include <stdexcept>

#include "judge/attributes.h"

namespace rewall::judge {

namespace {

constexpr const char* kTables[] = {"raw", "mangle", "nat", "filter", "security"};
constexpr const char* kHooks[] = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};

std::uint64_t big64(const nlattr* attribute) {
  std::uint64_t value = 0;
  std::memcpy(&value, mnl_attr_get_payload(attribute), sizeof value);
  return __builtin_bswap64(value);
}

/// The packets that the first counter of a rule has.
std::uint64_t packets_of(const nlattr* expressions) {
  std::optional<std::uint64_t> packets;
  for_each_attribute(inside_of(expressions), [&](const nlattr* element) {
    bool counter = false;
    for_each_attribute(inside_of(element), [&](const nlattr* part) {
      const auto type = mnl_attr_get_type(part);
      if (type == NFTA_EXPR_NAME) counter = std::strcmp(mnl_attr_get_str(part), "counter") == 0;
      if (type != NFTA_EXPR_DATA || !counter || packets) return;
      for_each_attribute(inside_of(part), [&](const nlattr* number) {
        if (mnl_attr_get_type(number) == NFTA_COUNTER_PACKETS) packets = big64(number);
      });
    });
  });
  if (packets) return *packets;
  throw std::runtime_error("a rule of nft has no counter");
}

template <typename Entry>
void walk(const std::vector<char>& entries, std::size_t size, const unsigned* hooks,
          const unsigned* underflows, unsigned valid, const char* table, std::vector<std::uint64_t>& out,
          std::vector<Place>* places) {
  std::string chain;
  std::size_t pos = 0;
  unsigned policy_at = ~0U;
  bool own = false;
  for (std::size_t at = 0; at < size;) {
    Entry entry;
    std::memcpy(&entry, entries.data() + at, sizeof entry);
    for (unsigned hook = 0; hook < NF_INET_NUMHOOKS; ++hook)
      if ((valid >> hook & 1) != 0 && hooks[hook] == at) {
        chain = kHooks[hook];
        pos = 0;
        policy_at = underflows[hook];
      }
    xt_entry_target target{};
    std::memcpy(&target, entries.data() + at + entry.target_offset, sizeof target);
    const bool begins = std::strcmp(target.u.user.name, "ERROR") == 0;
    if (begins) {
      // What ends a chain of one's own is no rule.
      if (places != nullptr && own && !places->empty()) places->back().pos = 0;
      own = at + entry.next_offset < size;
      chain = entries.data() + at + entry.target_offset + sizeof target;
      pos = 0;
      policy_at = ~0U;
    } else {
      ++pos;
      if (places != nullptr) places->push_back({Backend::legacy, table, chain, at == policy_at ? 0 : pos});
      out.push_back(entry.counters.pcnt);
    }
    at += entry.next_offset;
  }
}

}  // namespace

Counts::Counts(Family family) : family_(family) {
  fd_ = ::socket(family == Family::ipv4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd_ < 0 || !netlink_) throw std::runtime_error("no socket for counters");
}

Counts::~Counts() {
  ::close(fd_);
}

void Counts::read_nft(std::vector<std::uint64_t>& out, std::vector<Place>* places) {
  static const std::set<std::string> kOurs(std::begin(kTables), std::end(kTables));
  const NetlinkRequest request(NFT_MSG_GETRULE, family_ == Family::ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6,
                               NLM_F_DUMP);
  std::string chain;
  std::string table;
  std::size_t pos = 0;
  const int failed = netlink_.ask(request, [&](const nlmsghdr* message) {
    const nlattr* expressions = nullptr;
    const char* of_table = "";
    const char* of_chain = "";
    for_each_attribute(inside_of(message), [&](const nlattr* attribute) {
      const auto type = mnl_attr_get_type(attribute);
      if (type == NFTA_RULE_TABLE) of_table = mnl_attr_get_str(attribute);
      if (type == NFTA_RULE_CHAIN) of_chain = mnl_attr_get_str(attribute);
      if (type == NFTA_RULE_EXPRESSIONS) expressions = attribute;
    });
    if (expressions == nullptr) return;
    if (places != nullptr) {
      if (kOurs.find(of_table) == kOurs.end()) return;
      if (table != of_table || chain != of_chain) {
        table = of_table;
        chain = of_chain;
        pos = 0;
      }
      places->push_back({Backend::nft, table, chain, ++pos});
    }
    out.push_back(packets_of(expressions));
  });
  if (failed != 0) throw std::runtime_error(std::string("no list of rules: ") + std::strerror(failed));
}

void Counts::read_legacy(const char* table, std::vector<std::uint64_t>& out, std::vector<Place>* places) {
  const bool four = family_ == Family::ipv4;
  const int level = four ? IPPROTO_IP : static_cast<int>(IPPROTO_IPV6);
  // Both structures are the same of both families (ip_tables.h, ip6_tables.h).
  ipt_getinfo info{};
  std::strncpy(info.name, table, sizeof info.name - 1);
  socklen_t length = sizeof info;
  if (::getsockopt(fd_, level, four ? IPT_SO_GET_INFO : IP6T_SO_GET_INFO, &info, &length) != 0) return;
  constexpr std::size_t kHead = sizeof(ipt_get_entries);
  std::vector<char> answer(kHead + info.size);
  std::memcpy(answer.data(), table, std::strlen(table) + 1);
  std::memcpy(answer.data() + offsetof(ipt_get_entries, size), &info.size, sizeof info.size);
  length = static_cast<socklen_t>(answer.size());
  if (::getsockopt(fd_, level, four ? IPT_SO_GET_ENTRIES : IP6T_SO_GET_ENTRIES, answer.data(), &length) != 0)
    throw std::runtime_error("no entries of a table");
  answer.erase(answer.begin(), answer.begin() + kHead);
  if (four)
    walk<ipt_entry>(answer, info.size, info.hook_entry, info.underflow, info.valid_hooks, table, out, places);
  else
    walk<ip6t_entry>(answer, info.size, info.hook_entry, info.underflow, info.valid_hooks, table, out,
                     places);
}

void Counts::read(std::vector<std::uint64_t>& out, std::vector<Place>* places) {
  out.clear();
  if (nft_) read_nft(out, places);
  if (legacy_)
    for (const auto* table : kTables) read_legacy(table, out, places);
}

void Counts::learn(bool nft, bool legacy) {
  nft_ = nft;
  legacy_ = legacy;
  places_.clear();
  read(last_, &places_);
}

std::vector<Place> Counts::since() {
  read(now_, nullptr);
  if (now_.size() != places_.size()) throw std::runtime_error("the rules changed while packets were sent");
  std::vector<Place> out;
  for (std::size_t i = 0; i < now_.size(); ++i)
    for (auto count = last_[i]; count < now_[i]; ++count) out.push_back(places_[i]);
  std::swap(now_, last_);
  return out;
}

}  // namespace rewall::judge
