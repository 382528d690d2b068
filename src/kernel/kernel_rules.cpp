#include "kernel/kernel_rules.h"

#include <linux/netfilter/xt_rateest.h>
#include <linux/netfilter/xt_tcpudp.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "kernel/rule_list.h"
#include "kernel/rule_shape.h"

namespace rewall {

namespace {

constexpr std::uint8_t kUserdataComment = 0;  // NFTNL_UDATA_RULE_COMMENT, libnftnl/udata.h

/// What a byte can be in a name that a save program prints.
enum class ByteKind : std::uint8_t { no_text, plain, odd };

constexpr auto kByteKinds = [] {
  std::array<ByteKind, 256> kinds{};
  for (std::size_t i = 0; i < kinds.size(); ++i)
    kinds[i] = i < 0x20 || i == 0x7f ? ByteKind::no_text : ByteKind::plain;
  for (const char odd : {' ', '\t', '\n', '\v', '\f', '\r', '"', '\\', '\''})
    kinds[static_cast<std::uint8_t>(odd)] = ByteKind::odd;
  return kinds;
}();

ByteKind kind_of(char byte) {
  return kByteKinds[static_cast<std::uint8_t>(byte)];
}

std::string_view up_to_nul(std::string_view data) {
  return data.substr(0, data.find('\0'));
}

void take_text(OddRule& rule, std::string_view text) {
  if (text.find('\n') != std::string_view::npos) rule.texts.emplace_back(text);
}

/// Type, length and value, each of the first two a byte (libnftnl/udata.h).
std::string_view comment_of(std::string_view userdata) {
  while (userdata.size() >= 2) {
    const auto type = static_cast<std::uint8_t>(userdata[0]);
    const auto length = static_cast<std::uint8_t>(userdata[1]);
    if (type == kUserdataComment) return up_to_nul(userdata.substr(2, length));
    userdata.remove_prefix(std::min<std::size_t>(userdata.size(), 2U + length));
  }
  return {};
}

/// The register with bytes of a packet, if these were loaded last.
using PacketRegister = std::optional<std::uint32_t>;

void take_expression(OddRule& rule, PacketRegister& packet, std::string_view name, const nlattr* data) {
  if (name == "cmp") {
    const auto facts = attributes<NFTA_CMP_MAX + 1>(data);
    // What a packet holds is printed as addresses and numbers.
    if (packet != number(facts[NFTA_CMP_SREG]))
      take_names(rule, payload(attributes<NFTA_DATA_MAX + 1>(facts[NFTA_CMP_DATA])[NFTA_DATA_VALUE]));
    return;
  }
  if (name == "payload")
    packet = number(attributes<NFTA_PAYLOAD_MAX + 1>(data)[NFTA_PAYLOAD_DREG]);
  else if (name != "bitwise")
    packet.reset();
  if (name == "match") {
    const auto facts = attributes<NFTA_MATCH_MAX + 1>(data);
    take_words(rule, text(facts[NFTA_MATCH_NAME]), payload(facts[NFTA_MATCH_INFO]));
  } else if (name == "target") {
    const auto facts = attributes<NFTA_TARGET_MAX + 1>(data);
    take_words(rule, text(facts[NFTA_TARGET_NAME]), payload(facts[NFTA_TARGET_INFO]));
  } else if (name == "log") {
    take_text(rule, up_to_nul(payload(attributes<NFTA_LOG_MAX + 1>(data)[NFTA_LOG_PREFIX])));
  } else if (name == "immediate") {
    const auto facts = attributes<NFTA_IMMEDIATE_MAX + 1>(data);
    const auto value = attributes<NFTA_DATA_MAX + 1>(facts[NFTA_IMMEDIATE_DATA]);
    take_names(rule, payload(attributes<NFTA_VERDICT_MAX + 1>(value[NFTA_DATA_VERDICT])[NFTA_VERDICT_CHAIN]));
  }
}

}  // namespace

const KernelChain* KernelTable::find(std::string_view chain) const {
  const auto found = std::ranges::find(chains, chain, &KernelChain::name);
  return found != chains.end() ? &*found : nullptr;
}

std::string place_of(Family family, std::string_view table, std::string_view chain, std::size_t place) {
  return format("table {} {}: chain {}, rule {}", short_name(family), table, escape(chain), place + 1);
}

std::string place_of(const KernelTable& table, const KernelChain& chain, std::size_t place) {
  return place_of(table.family, table.name, chain.name, place);
}

void take_names(OddRule& rule, std::string_view data) {
  for (std::size_t at = 0; at < data.size();) {
    bool plain = false;
    bool odd = false;
    std::size_t end = at;
    for (; end < data.size(); ++end) {
      const ByteKind kind = kind_of(data[end]);
      if (kind == ByteKind::no_text) break;
      (kind == ByteKind::plain ? plain : odd) = true;
    }
    if (plain && odd) rule.names.emplace_back(data.substr(at, end - at));
    at = end + 1;
  }
}

namespace {

// Matches that print less than they were told: a range that is negated and leaves nothing out, a rate that is
// rounded. Which of them does, the host's program shows (proofs.h).
constexpr std::array<std::string_view, 10> kTaciturn = {"ah",  "connbytes", "dst",    "esp", "frag",
                                                        "hbh", "hashlimit", "ipcomp", "mh",  "rateest"};

template <class Info>
std::optional<Info> info_of(std::string_view data) {
  Info info{};
  if (data.size() < sizeof info) return std::nullopt;
  std::memcpy(&info, data.data(), sizeof info);
  return info;
}

/// Without the values that the kernel does not use (xt_rateest_mt in net/netfilter/xt_rateest.c).
std::string rateest_data(std::string_view data) {
  std::string out(data);
  const auto info = info_of<xt_rateest_match_info>(data);
  if (!info || (info->flags & XT_RATEEST_MATCH_DELTA) != 0) return out;
  const auto forget = [&](std::size_t at) { std::fill_n(out.begin() + static_cast<long>(at), 4, '\0'); };
  forget(offsetof(xt_rateest_match_info, bps1));
  forget(offsetof(xt_rateest_match_info, pps1));
  if ((info->flags & XT_RATEEST_MATCH_ABS) != 0) return out;
  forget(offsetof(xt_rateest_match_info, bps2));
  forget(offsetof(xt_rateest_match_info, pps2));
  return out;
}

bool negates_ports(std::string_view extension, std::string_view data) {
  if (extension == "tcp") {
    const auto info = info_of<xt_tcp>(data);
    return info && (info->invflags & (XT_TCP_INV_SRCPT | XT_TCP_INV_DSTPT)) != 0;
  }
  const auto info = info_of<xt_udp>(data);
  return info && (info->invflags & (XT_UDP_INV_SRCPT | XT_UDP_INV_DSTPT)) != 0;
}

void take_unsaid(OddRule& rule, std::string_view extension, std::string_view data) {
  const bool ports = extension == "tcp" || extension == "udp" || extension == "udplite";
  if (ports ? !negates_ports(extension, data) : std::ranges::find(kTaciturn, extension) == kTaciturn.end())
    return;
  rule.unsaid.append(extension).append(1, '\0');
  rule.unsaid += extension == "rateest" ? rateest_data(data) : std::string(data);
}

}  // namespace

// Where the words of these begin: xt_comment_info, xt_log_info and xt_nflog_info (linux/netfilter/xt_*.h).
// The save programs print them in quotes.
void take_words(OddRule& rule, std::string_view extension, std::string_view data) {
  constexpr std::size_t kLogPrefix = 2;
  constexpr std::size_t kNflogPrefix = 12;
  if (extension == "comment") return take_text(rule, up_to_nul(data));
  if (extension == "LOG" && data.size() > kLogPrefix)
    return take_text(rule, up_to_nul(data.substr(kLogPrefix)));
  if (extension == "NFLOG" && data.size() > kNflogPrefix)
    return take_text(rule, up_to_nul(data.substr(kNflogPrefix)));
  take_unsaid(rule, extension, data);
  take_names(rule, data);
}

void add_rule(KernelChain& chain, Family family, std::string_view expressions, std::string_view userdata) {
  OddRule rule{.place = chain.rules++};
  PacketRegister packet;
  rule.unknown = native_part(expressions, family, [&](std::string_view name, const nlattr* data) {
    take_expression(rule, packet, name, data);
  });
  if (!userdata.empty()) take_text(rule, comment_of(userdata));
  if (rule.unknown.empty() && rule.texts.empty() && rule.names.empty() && rule.unsaid.empty()) return;
  rule.expressions = expressions;
  chain.odd.push_back(std::move(rule));
}

}  // namespace rewall
