#include "kernel/rule_shape.h"

#include <net/if.h>
#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "kernel/netlink_attributes.h"

namespace rewall {

namespace {

constexpr std::uint8_t kTcpFlags = 0x3f;  // FIN to URG: those that iptables has names for
constexpr std::string_view kFragmentOffset("\x1f\xff", 2);
constexpr std::string_view kNoFragment("\0\0", 2);

/// What iptables can say once in a rule.
enum class Field {
  source,
  destination,
  in,
  out,
  protocol,
  fragment,
  ttl,
  mark,
  from_port,
  to_port,
  ports,
  flags,
  icmp
};

/// A value on its way from the packet to its comparison.
struct RegisterLoad {
  Field field = Field::source;
  std::uint32_t reg = 0;
  std::size_t size = 0;   ///< 0: an interface's name
  std::size_t whole = 0;  ///< of the field, where less may be loaded: the first bytes of an address
  std::optional<std::string_view> mask{};
  std::optional<std::uint32_t> op{};  ///< of the comparison before
};

std::string_view bytes(const nlattr* data) {
  return payload(attributes<NFTA_DATA_MAX + 1>(data)[NFTA_DATA_VALUE]);
}

std::uint8_t byte(std::string_view value, std::size_t at) {
  return at < value.size() ? static_cast<std::uint8_t>(value[at]) : std::uint8_t{0};
}

bool inside(std::string_view value, std::string_view mask) {
  for (std::size_t i = 0; i < value.size(); ++i)
    if ((byte(value, i) & ~byte(mask, i)) != 0) return false;
  return true;
}

bool is_equality(std::uint32_t op) {
  return op == NFT_CMP_EQ || op == NFT_CMP_NEQ;
}

/// A whole name ends in NUL; a start of one, iptables' "eth+", does not. nft(8) takes '+' for a character.
bool is_interface(std::string_view name) {
  const bool whole = name.find('\0') != std::string_view::npos;
  const std::string_view word = name.substr(0, name.find('\0'));
  if (word.empty() || word.size() > (whole ? IFNAMSIZ - 1 : IFNAMSIZ - 2)) return false;
  if (!std::ranges::all_of(word, [](char c) { return c > ' ' && c <= '~'; })) return false;
  return !whole || !word.ends_with('+');
}

class RuleReader {
 public:
  explicit RuleReader(Family family) : family_(family) {}

  /// Empty when iptables can say it so far.
  std::string read(std::string_view name, const nlattr* data) {
    if (name == "counter") return {};
    if (done_) return "something behind its target";
    if (name == "lookup") return "a lookup in a set of nft";
    if (name == "cmp") return compare(attributes<NFTA_CMP_MAX + 1>(data));
    if (name == "range") return range(attributes<NFTA_RANGE_MAX + 1>(data));
    if (name == "bitwise") return bitwise(attributes<NFTA_BITWISE_MAX + 1>(data));
    if (auto left = unfinished(); !left.empty()) return left;
    load_.reset();
    if (name == "payload") return payload(attributes<NFTA_PAYLOAD_MAX + 1>(data));
    if (name == "meta") return meta(attributes<NFTA_META_MAX + 1>(data));
    if (name == "match") return match();
    if (name == "limit") return limit(attributes<NFTA_LIMIT_MAX + 1>(data));
    if (name == "target") return target();
    if (name == "log") return log(attributes<NFTA_LOG_MAX + 1>(data));
    if (name == "immediate") return verdict(attributes<NFTA_IMMEDIATE_MAX + 1>(data));
    return format("a statement of nft: {}", name);
  }

  /// After the last expression.
  std::string unfinished() const {
    if (!load_ || load_->op) return {};
    if (load_->field == Field::in || load_->field == Field::out) return {};  // -i +
    return "a value that is not compared";
  }

 private:
  std::string match() {
    matched_ = true;
    return {};
  }

  std::string target() {
    done_ = true;
    return {};
  }

  std::string limit(const Attributes<NFTA_LIMIT_MAX + 1>& limit) {
    matched_ = true;
    // -m limit knows these units and packets only, and at most 10000 of them (XT_LIMIT_SCALE).
    const auto unit = number64(limit[NFTA_LIMIT_UNIT]);
    const auto rate = number64(limit[NFTA_LIMIT_RATE]);
    const bool good = (unit == 1 || unit == 60 || unit == 3600 || unit == 86400) && rate >= 1 &&
                      rate <= 10000 && number(limit[NFTA_LIMIT_TYPE]) == NFT_LIMIT_PKTS &&
                      number(limit[NFTA_LIMIT_FLAGS]) == 0;
    return good ? "" : "a limit of nft";
  }

  /// iptables makes it of -j NFLOG; without a group it is nft's log to the kernel's ring.
  std::string log(const Attributes<NFTA_LOG_MAX + 1>& log) {
    done_ = true;
    const bool good =
        log[NFTA_LOG_GROUP] != nullptr && log[NFTA_LOG_LEVEL] == nullptr && log[NFTA_LOG_FLAGS] == nullptr;
    return good ? "" : "a log statement of nft";
  }

  std::string verdict(const Attributes<NFTA_IMMEDIATE_MAX + 1>& immediate) {
    done_ = true;
    const auto data = attributes<NFTA_DATA_MAX + 1>(immediate[NFTA_IMMEDIATE_DATA]);
    const auto verdict = attributes<NFTA_VERDICT_MAX + 1>(data[NFTA_DATA_VERDICT]);
    const nlattr* code = verdict[NFTA_VERDICT_CODE];
    if (number(immediate[NFTA_IMMEDIATE_DREG]) != NFT_REG_VERDICT || code == nullptr) return "a value of nft";
    switch (static_cast<int>(number(code))) {
      case NF_ACCEPT:
      case NF_DROP:
      case NFT_RETURN:
      case NFT_JUMP:
      case NFT_GOTO:
        return {};
      default:
        return "a verdict of nft";
    }
  }

  std::string meta(const Attributes<NFTA_META_MAX + 1>& meta) {
    if (meta[NFTA_META_DREG] == nullptr || meta[NFTA_META_SREG] != nullptr) return "a meta statement of nft";
    const std::uint32_t reg = number(meta[NFTA_META_DREG]);
    const std::uint32_t key = number(meta[NFTA_META_KEY]);
    switch (key) {
      case NFT_META_L4PROTO:
        return begin({.field = Field::protocol, .reg = reg, .size = 1});
      case NFT_META_IIFNAME:
        return begin({.field = Field::in, .reg = reg});
      case NFT_META_OIFNAME:
        return begin({.field = Field::out, .reg = reg});
      case NFT_META_MARK:
        return begin({.field = Field::mark, .reg = reg, .size = 4});
      default:
        return format("a match of nft on meta key {}", key);
    }
  }

  std::string payload(const Attributes<NFTA_PAYLOAD_MAX + 1>& payload) {
    const std::uint32_t base = number(payload[NFTA_PAYLOAD_BASE]);
    const std::uint32_t offset = number(payload[NFTA_PAYLOAD_OFFSET]);
    const std::size_t size = number(payload[NFTA_PAYLOAD_LEN]);
    if (payload[NFTA_PAYLOAD_SREG] == nullptr && payload[NFTA_PAYLOAD_DREG] != nullptr) {
      auto load = base == NFT_PAYLOAD_NETWORK_HEADER     ? network(offset, size)
                  : base == NFT_PAYLOAD_TRANSPORT_HEADER ? transport(offset, size)
                                                         : std::nullopt;
      if (load) {
        load->reg = number(payload[NFTA_PAYLOAD_DREG]);
        load->size = size;
        return begin(*load);
      }
    }
    const char* header = base == NFT_PAYLOAD_NETWORK_HEADER     ? "network"
                         : base == NFT_PAYLOAD_TRANSPORT_HEADER ? "transport"
                         : base == NFT_PAYLOAD_LL_HEADER        ? "link"
                                                                : "inner";
    return format("a match on {} bytes at {} of the {} header", size, offset, header);
  }

  /// struct iphdr, struct ip6_hdr.
  std::optional<RegisterLoad> network(std::uint32_t offset, std::size_t size) const {
    const bool v4 = family_ == Family::ipv4;
    const std::size_t address = v4 ? 4 : 16;
    if (size >= 1 && size <= address) {
      if (offset == (v4 ? 12 : 8)) return RegisterLoad{.field = Field::source, .whole = address};
      if (offset == (v4 ? 16 : 24)) return RegisterLoad{.field = Field::destination, .whole = address};
    }
    if (!v4) return std::nullopt;
    if (offset == 6 && size == 2) return RegisterLoad{.field = Field::fragment};
    if (offset == 8 && size == 1) return RegisterLoad{.field = Field::ttl};
    if (offset == 9 && size == 1) return RegisterLoad{.field = Field::protocol};
    return std::nullopt;
  }

  /// struct tcphdr, udphdr, icmphdr: what is where depends on the protocol, which iptables matches first.
  std::optional<RegisterLoad> transport(std::uint32_t offset, std::size_t size) const {
    const int icmp = family_ == Family::ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
    if (protocol_ == icmp && offset == 0 && (size == 1 || size == 2))
      return RegisterLoad{.field = Field::icmp};
    if (protocol_ == IPPROTO_TCP && offset == 13 && size == 1) return RegisterLoad{.field = Field::flags};
    if (protocol_ != IPPROTO_TCP && protocol_ != IPPROTO_UDP) return std::nullopt;
    if (offset == 0 && size == 2) return RegisterLoad{.field = Field::from_port};
    if (offset == 2 && size == 2) return RegisterLoad{.field = Field::to_port};
    if (offset == 0 && size == 4) return RegisterLoad{.field = Field::ports};
    return std::nullopt;
  }

  std::string begin(const RegisterLoad& load) {
    // iptables puts what is of the rule itself before what its extensions match.
    const bool of_rule = load.field <= Field::fragment;
    if (of_rule && matched_) return "a match behind an extension's";
    if (!note(load.field)) return "two matches on one field";
    load_ = load;
    return {};
  }

  bool note(Field field) {
    if (field == Field::mark) return true;  // each is a match of its own
    if (field == Field::ports) return note(Field::from_port) && note(Field::to_port);
    const std::uint32_t bit = std::uint32_t{1} << static_cast<unsigned>(field);
    return (std::exchange(seen_, seen_ | bit) & bit) == 0;
  }

  std::string bitwise(const Attributes<NFTA_BITWISE_MAX + 1>& bitwise) {
    const std::string_view mask = bytes(bitwise[NFTA_BITWISE_MASK]);
    const std::string_view flip = bytes(bitwise[NFTA_BITWISE_XOR]);
    const bool plain = load_ && !load_->mask && !load_->op &&
                       number(bitwise[NFTA_BITWISE_SREG]) == load_->reg &&
                       number(bitwise[NFTA_BITWISE_DREG]) == load_->reg &&
                       number(bitwise[NFTA_BITWISE_OP]) == NFT_BITWISE_BOOL && mask.size() == load_->size &&
                       std::ranges::all_of(flip, [](char c) { return c == 0; });
    if (!plain || !may_mask(*load_, mask)) return "a mask that iptables does not know";
    load_->mask = mask;
    return {};
  }

  static bool may_mask(const RegisterLoad& load, std::string_view mask) {
    switch (load.field) {
      case Field::source:
      case Field::destination:
        return load.size == load.whole;
      case Field::mark:
        return true;
      case Field::fragment:
        return mask == kFragmentOffset;
      case Field::flags:
        return (byte(mask, 0) & ~kTcpFlags) == 0;
      default:
        return false;
    }
  }

  std::string compare(const Attributes<NFTA_CMP_MAX + 1>& comparison) {
    constexpr const char* kOther = "a comparison that iptables does not know";
    if (!load_ || number(comparison[NFTA_CMP_SREG]) != load_->reg) return kOther;
    const std::uint32_t op = number(comparison[NFTA_CMP_OP]);
    const std::string_view value = bytes(comparison[NFTA_CMP_DATA]);
    if (load_->size != 0 && value.size() != load_->size) return kOther;
    // nft says a range of ports with two comparisons.
    const bool second = load_->op == NFT_CMP_GTE && op == NFT_CMP_LTE;
    if (load_->op && !second) return kOther;
    if (!may_compare(op, value)) return kOther;
    load_->op = op;
    if (load_->field == Field::protocol && op == NFT_CMP_EQ) protocol_ = byte(value, 0);
    return {};
  }

  bool may_compare(std::uint32_t op, std::string_view value) const {
    switch (load_->field) {
      case Field::from_port:
      case Field::to_port:
        if (op == NFT_CMP_LT) return value != std::string_view("\0\0", 2);
        return op != NFT_CMP_GT || value != "\xff\xff";
      case Field::icmp:
        return op == NFT_CMP_EQ && byte(value, 0) != 0xff;  // iptables takes type 255 for any
      case Field::in:
      case Field::out:
        return is_equality(op) && is_interface(value);
      case Field::protocol:
        return is_equality(op) && byte(value, 0) != 0;  // 0 is any
      case Field::source:
      case Field::destination:
        return is_equality(op) && (!load_->mask || inside(value, *load_->mask));
      case Field::fragment:
        return is_equality(op) && load_->mask && value == kNoFragment;
      case Field::flags:
        return is_equality(op) && load_->mask && (byte(value, 0) & ~kTcpFlags) == 0;
      case Field::ttl:
      case Field::mark:
      case Field::ports:
        return is_equality(op);
    }
    return false;
  }

  std::string range(const Attributes<NFTA_RANGE_MAX + 1>& range) {
    const bool port = load_ && (load_->field == Field::from_port || load_->field == Field::to_port);
    if (!port || load_->op || number(range[NFTA_RANGE_SREG]) != load_->reg) return "a range of values";
    load_->op = number(range[NFTA_RANGE_OP]) == NFT_RANGE_EQ ? NFT_CMP_EQ : NFT_CMP_NEQ;
    return {};
  }

  Family family_;
  std::optional<RegisterLoad> load_{};
  std::optional<int> protocol_{};
  std::uint32_t seen_ = 0;  ///< a bit a field
  bool matched_ = false;    ///< an extension's match was there
  bool done_ = false;       ///< the target was there
};

}  // namespace

std::string native_part(std::string_view expressions, Family family,
                        const std::function<void(std::string_view name, const nlattr* data)>& each) {
  std::string what;
  RuleReader reader(family);
  for_each_attribute(expressions.data(), expressions.data() + expressions.size(),
                     [&](const nlattr* expression) {
                       const auto parts = attributes<NFTA_EXPR_MAX + 1>(expression);
                       const std::string_view name = text(parts[NFTA_EXPR_NAME]);
                       each(name, parts[NFTA_EXPR_DATA]);
                       if (what.empty()) what = reader.read(name, parts[NFTA_EXPR_DATA]);
                     });
  return what.empty() ? reader.unfinished() : what;
}

}  // namespace rewall
