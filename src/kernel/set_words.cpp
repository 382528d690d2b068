#include "kernel/set_words.h"

#include <arpa/inet.h>
#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter/ipset/ip_set.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "core/format.h"
#include "core/text.h"
#include "kernel/netlink_attributes.h"

namespace rewall {

namespace {

constexpr std::size_t kAttributes = 32;
constexpr std::uint16_t kBitmask = 12;  // IPSET_ATTR_BITMASK, since Linux 6.3
constexpr std::size_t kAddress6 = 16;

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 24> text{};
  const auto end = std::to_chars(text.begin(), text.end(), number).ptr;
  out.append(text.data(), end);
}

void append_hex(std::string& out, std::uint32_t number) {
  std::array<char, 12> text{};
  const auto end = std::to_chars(text.begin(), text.end(), number, 16).ptr;
  out.append(text.data(), end);
}

std::uint16_t number16(const nlattr* attribute) {
  return be16toh(raw_number<std::uint16_t>(attribute));
}

/// An IPSET_ATTR_IP and its like. False for what is no address.
bool append_address(std::string& out, const nlattr* attribute, std::uint8_t& longest) {
  if (attribute == nullptr) return false;
  const auto in = attributes<IPSET_ATTR_IPADDR_IPV6 + 1>(attribute);
  if (const nlattr* four = in[IPSET_ATTR_IPADDR_IPV4];
      four != nullptr && mnl_attr_get_payload_len(four) == 4) {
    const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(four));
    for (int i = 0; i < 4; ++i) {
      if (i > 0) out += '.';
      append_number(out, bytes[i]);
    }
    longest = 32;
    return true;
  }
  const nlattr* six = in[IPSET_ATTR_IPADDR_IPV6];
  if (six == nullptr || mnl_attr_get_payload_len(six) != kAddress6) return false;
  std::array<char, INET6_ADDRSTRLEN> text{};
  out += inet_ntop(AF_INET6, mnl_attr_get_payload(six), text.data(), text.size());
  longest = 128;
  return true;
}

/// The protocols whose ports are numbers, with the names of /etc/protocols. Others are said by name, or with
/// the name of a type.
std::string_view protocol_name(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_SCTP:
      return "sctp";
    case IPPROTO_UDPLITE:
      return "udplite";
    default:
      return {};
  }
}

bool can_be_said(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= ' ' && byte != 0x7f && c != '"';
}

bool is_word(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return can_be_said(c) && c != ' ' && c != ','; });
}

/// The words for the attributes of one member; each attribute that has been said is ticked off.
class Speaker {
 public:
  Speaker(std::string& out, const nlattr* data) : out_(out) {
    for_each_nested(data, [&](const nlattr* at) {
      const std::uint16_t type = mnl_attr_get_type(at);
      if (type >= kAttributes) {
        good_ = false;
        return;
      }
      at_[type] = at;
      unsaid_ |= 1U << type;
    });
  }

  bool all_said() const { return good_ && unsaid_ == 0; }
  std::uint32_t seconds() const { return seconds_; }
  bool replaced() const { return replaced_; }

  void element(const std::vector<SetPart>& parts, bool bitmap) {
    flags_ = number(take(IPSET_ATTR_CADT_FLAGS));
    bool second = false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      // An address of bitmap:ip,mac may have no mac.
      if (bitmap && i > 0 && at_[IPSET_ATTR_ETHER] == nullptr) return;
      if (i > 0) out_ += ',';
      const bool address = parts[i] == SetPart::ip || parts[i] == SetPart::net;
      say(parts[i], second, bitmap);
      second = second || address;
    }
  }

  void extensions() {
    if (const nlattr* timeout = take(IPSET_ATTR_TIMEOUT)) {
      seconds_ = number(timeout);
      out_ += " timeout ";
      append_number(out_, seconds_);
    }
    flag(IPSET_FLAG_NOMATCH, " nomatch");
    flag(IPSET_FLAG_IFACE_WILDCARD, " wildcard");
    good_ = good_ && flags_ == 0;
    for (const std::uint16_t counter : {IPSET_ATTR_BYTES, IPSET_ATTR_PACKETS, IPSET_ATTR_PAD}) take(counter);
    if (const nlattr* comment = take(IPSET_ATTR_COMMENT)) say_comment(text(comment));
    if (const nlattr* mark = take(IPSET_ATTR_SKBMARK)) {
      const std::uint64_t both = number64(mark);
      out_ += " skbmark 0x";
      append_hex(out_, static_cast<std::uint32_t>(both >> 32U));
      if (const auto mask = static_cast<std::uint32_t>(both); mask != ~0U) {
        out_ += "/0x";
        append_hex(out_, mask);
      }
    }
    if (const nlattr* priority = take(IPSET_ATTR_SKBPRIO)) {
      out_ += " skbprio ";
      append_hex(out_, number(priority) >> 16U);
      out_ += ':';
      append_hex(out_, number(priority) & 0xffffU);
    }
    if (const nlattr* queue = take(IPSET_ATTR_SKBQUEUE)) {
      out_ += " skbqueue ";
      append_number(out_, number16(queue));
    }
  }

 private:
  const nlattr* take(std::uint16_t type) {
    unsaid_ &= ~(1U << type);
    return at_[type];
  }

  static std::uint16_t either(bool second, std::uint16_t of_second, std::uint16_t of_first) {
    return second ? of_second : of_first;
  }

  void flag(std::uint32_t which, std::string_view words) {
    if ((flags_ & which) != 0) out_ += words;
    flags_ &= ~which;
  }

  void say(SetPart part, bool second, bool bitmap) {
    std::uint8_t longest = 0;
    switch (part) {
      case SetPart::ip:
      case SetPart::net: {
        good_ = append_address(out_, take(either(second, IPSET_ATTR_IP2, IPSET_ATTR_IP)), longest) && good_;
        if (part == SetPart::ip) return;
        const nlattr* bits = take(either(second, IPSET_ATTR_CIDR2, IPSET_ATTR_CIDR));
        const std::uint8_t length = bits == nullptr ? longest : raw_number<std::uint8_t>(bits);
        if (length == longest) return;
        out_ += '/';
        append_number(out_, length);
        return;
      }
      case SetPart::port:
        return say_port(bitmap);
      case SetPart::iface: {
        if ((flags_ & IPSET_FLAG_PHYSDEV) != 0) out_ += "physdev:";
        flags_ &= ~std::uint32_t{IPSET_FLAG_PHYSDEV};
        return say_word(text(take(IPSET_ATTR_IFACE)));
      }
      case SetPart::mac: {
        const nlattr* ether = take(IPSET_ATTR_ETHER);
        good_ = good_ && ether != nullptr && mnl_attr_get_payload_len(ether) == 6;
        if (!good_) return;
        const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(ether));
        out_ += format("{:02X}:{:02X}:{:02X}:{:02X}:{:02X}:{:02X}", bytes[0], bytes[1], bytes[2], bytes[3],
                       bytes[4], bytes[5]);
        return;
      }
      case SetPart::mark:
        out_ += format("0x{:08x}", number(take(IPSET_ATTR_MARK)));
        return;
      case SetPart::set:
        return say_word(text(take(IPSET_ATTR_NAME)));
      case SetPart::unknown:
        good_ = false;
    }
  }

  void say_port(bool bitmap) {
    if (!bitmap) {
      const nlattr* protocol = take(IPSET_ATTR_PROTO);
      const auto name =
          protocol == nullptr ? std::string_view{} : protocol_name(raw_number<std::uint8_t>(protocol));
      good_ = good_ && !name.empty();
      out_ += name;
      out_ += ':';
    }
    append_number(out_, number16(take(IPSET_ATTR_PORT)));
  }

  void say_word(std::string_view word) {
    good_ = good_ && is_word(word);
    out_ += word;
  }

  void say_comment(std::string_view comment) {
    out_ += " comment \"";
    for (const char c : comment) {
      replaced_ = replaced_ || !can_be_said(c);
      out_ += can_be_said(c) ? c : '?';
    }
    out_ += '"';
  }

  std::string& out_;
  Attributes<kAttributes> at_{};
  std::uint32_t unsaid_ = 0;
  std::uint32_t flags_ = 0;
  std::uint32_t seconds_ = 0;
  bool good_ = true;
  bool replaced_ = false;
};

/// The words for the options of a set.
class Options {
 public:
  Options(std::string_view type, std::uint8_t family, const nlattr* data)
      : at_(attributes<kAttributes>(data)) {
    if (data != nullptr)
      for_each_nested(data,
                      [&](const nlattr* at) { known_ = known_ && mnl_attr_get_type(at) < kAttributes; });
    if (type.starts_with("hash:") && (family == AF_INET || family == AF_INET6))
      say("family", family == AF_INET ? "inet" : "inet6");
    range(type);
    if (at_[IPSET_ATTR_MARKMASK] != nullptr)
      say("markmask", format("0x{:08x}", number(at_[IPSET_ATTR_MARKMASK])));
    numbered("hashsize", IPSET_ATTR_HASHSIZE);
    numbered("maxelem", IPSET_ATTR_MAXELEM);
    if (at_[IPSET_ATTR_NETMASK] != nullptr)
      say("netmask", format("{}", raw_number<std::uint8_t>(at_[IPSET_ATTR_NETMASK])));
    if (at_[kBitmask] != nullptr) say_address("bitmask", at_[kBitmask]);
    numbered("size", IPSET_ATTR_SIZE);
    numbered("timeout", IPSET_ATTR_TIMEOUT);
    flags();
    if (at_[IPSET_ATTR_BUCKETSIZE] != nullptr)
      say("bucketsize", format("{}", raw_number<std::uint8_t>(at_[IPSET_ATTR_BUCKETSIZE])));
    if (at_[IPSET_ATTR_INITVAL] != nullptr)
      say("initval", format("0x{:08x}", number(at_[IPSET_ATTR_INITVAL])));
  }

  std::string words{};
  bool known() const { return known_; }

 private:
  void say(std::string_view option, std::string_view value) {
    if (!words.empty()) words += ' ';
    words.append(option).append(value.empty() ? "" : " ").append(value);
  }
  void numbered(std::string_view option, std::uint16_t type) {
    if (at_[type] != nullptr) say(option, format("{}", number(at_[type])));
  }
  void say_address(std::string_view option, const nlattr* address) {
    std::string text;
    std::uint8_t longest = 0;
    known_ = append_address(text, address, longest) && known_;
    say(option, text);
  }
  void range(std::string_view type) {
    if (!type.starts_with("bitmap:")) return;
    std::string text;
    if (type == "bitmap:port") {
      text = format("{}-{}", number16(at_[IPSET_ATTR_PORT]), number16(at_[IPSET_ATTR_PORT_TO]));
    } else {
      std::uint8_t longest = 0;
      known_ = append_address(text, at_[IPSET_ATTR_IP], longest) && known_;
      text += '-';
      known_ = append_address(text, at_[IPSET_ATTR_IP_TO], longest) && known_;
    }
    say("range", text);
  }
  void flags() {
    std::uint32_t left = number(at_[IPSET_ATTR_CADT_FLAGS]);
    const auto flag = [&](std::uint32_t which, std::string_view option) {
      if ((left & which) != 0) say(option, "");
      left &= ~which;
    };
    flag(IPSET_FLAG_WITH_COUNTERS, "counters");
    flag(IPSET_FLAG_WITH_COMMENT, "comment");
    flag(IPSET_FLAG_WITH_FORCEADD, "forceadd");
    flag(IPSET_FLAG_WITH_SKBINFO, "skbinfo");
    known_ = known_ && left == 0;
  }

  Attributes<kAttributes> at_;
  bool known_ = true;
};

}  // namespace

std::vector<SetPart> parts_of_type(std::string_view type) {
  std::vector<SetPart> parts;
  for (const std::string_view part : split(type.substr(type.find(':') + 1), ',')) {
    parts.push_back(part == "ip"      ? SetPart::ip
                    : part == "net"   ? SetPart::net
                    : part == "port"  ? SetPart::port
                    : part == "iface" ? SetPart::iface
                    : part == "mac"   ? SetPart::mac
                    : part == "mark"  ? SetPart::mark
                    : part == "set"   ? SetPart::set
                                      : SetPart::unknown);
  }
  return parts;
}

void MemberWords::take(const nlattr* data) {
  words_.clear();
  Speaker speaker(words_, data);
  speaker.element(parts_, bitmap_);
  speaker.extensions();
  known_ = speaker.all_said();
  seconds_ = speaker.seconds();
  replaced_ = speaker.replaced();
}

std::string option_words(std::string_view type, std::uint8_t family, const nlattr* data, bool& known) {
  Options options(type, family, data);
  known = known && options.known();
  return std::move(options.words);
}

}  // namespace rewall
