#include "kernel/native_objects.h"

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/netlink_attributes.h"

namespace rewall {

namespace {

Error not_answered(std::string_view what, int error) {
  return Error{.kind = ErrorKind::kernel, .message = format("nf_tables: {}: {}", what, errno_text(error))};
}

RawObject object_of(const char* begin, const char* end) {
  RawObject object;
  for_each_attribute(begin, end, [&](const nlattr* at) {
    object.attributes.emplace_back(at->nla_type, std::string(payload(at)));
  });
  return object;
}

RawObject object_of(const nlmsghdr* message) {
  return object_of(static_cast<const char*>(mnl_nlmsg_get_payload_offset(message, sizeof(nfgenmsg))),
                   reinterpret_cast<const char*>(message) + message->nlmsg_len);
}

RawObject object_of(std::string_view bytes) {
  return object_of(bytes.data(), bytes.data() + bytes.size());
}

void append(std::string& out, std::uint16_t type, std::string_view bytes) {
  const nlattr header{.nla_len = static_cast<std::uint16_t>(bytes.size() + sizeof(nlattr)), .nla_type = type};
  out.append(bytes_of(header)).append(bytes);
  out.append((MNL_ALIGNTO - bytes.size() % MNL_ALIGNTO) % MNL_ALIGNTO, '\0');
}

std::string bytes_of_object(const RawObject& object) {
  std::string out;
  for (const auto& [type, bytes] : object.attributes) append(out, type, bytes);
  return out;
}

std::string number_bytes(std::uint32_t number) {
  return std::string(bytes_of(htobe32(number)));
}

std::uint16_t plain(std::uint16_t type) {
  return type & NLA_TYPE_MASK;
}

/// Where an expression names a set, and where its number goes.
struct SetName {
  std::string_view expression{};
  std::uint16_t name = 0;
  std::uint16_t number = 0;
};
constexpr std::array<SetName, 3> kSetNames{{{"lookup", NFTA_LOOKUP_SET, NFTA_LOOKUP_SET_ID},
                                            {"dynset", NFTA_DYNSET_SET_NAME, NFTA_DYNSET_SET_ID},
                                            {"objref", NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_ID}}};

}  // namespace

std::string name_in_transaction(const std::string& set) {
  return set.starts_with("__") ? "__set%d" : set;
}

namespace {

Status number_set(RawObject& data, const SetName& names, NamelessParts& parts) {
  const std::string set = data.text(names.name);
  if (set.empty()) return {};
  const auto number = TRY(parts.number_of_set(set));
  if (!number) return {};
  std::erase_if(data.attributes, [&](const auto& one) { return plain(one.first) == names.number; });
  for (auto& [type, bytes] : data.attributes)
    if (plain(type) == names.name) bytes = name_in_transaction(set) + '\0';
  data.attributes.emplace_back(names.number, number_bytes(*number));
  return {};
}

/// immediate { data { verdict { code, chain } } }.
Status number_chain(RawObject& immediate, NamelessParts& parts) {
  for (auto& [data_type, data_bytes] : immediate.attributes) {
    if (plain(data_type) != NFTA_IMMEDIATE_DATA) continue;
    RawObject data = object_of(data_bytes);
    for (auto& [type, bytes] : data.attributes) {
      if (plain(type) != NFTA_DATA_VERDICT) continue;
      RawObject verdict = object_of(bytes);
      const std::string chain = verdict.text(NFTA_VERDICT_CHAIN);
      if (chain.empty()) continue;
      const auto number = TRY(parts.number_of_chain(chain));
      if (!number) continue;
      std::erase_if(verdict.attributes,
                    [](const auto& one) { return plain(one.first) == NFTA_VERDICT_CHAIN; });
      verdict.attributes.emplace_back(NFTA_VERDICT_CHAIN_ID, number_bytes(*number));
      bytes = bytes_of_object(verdict);
    }
    data_bytes = bytes_of_object(data);
  }
  return {};
}

/// The kernel lists more of some expressions than it takes back. A timeout of 0 is refused in a set that has
/// none (nft_dynset_init in net/netfilter/nft_dynset.c), flags of 0 for what writes or removes a TCP option
/// (nft_exthdr_tcp_set_init and nft_exthdr_tcp_strip_init in nft_exthdr.c) and for osf (nft_osf_init).
void drop_what_is_not_taken(const std::string& kind, RawObject& data) {
  const auto drop = [&](std::uint16_t type) {
    std::erase_if(data.attributes, [&](const auto& one) { return plain(one.first) == type; });
  };
  const auto is_zero = [&](std::uint16_t type) {
    const std::string* bytes = data.find(type);
    return bytes != nullptr && std::ranges::all_of(*bytes, [](char byte) { return byte == 0; });
  };
  if (kind == "dynset" && is_zero(NFTA_DYNSET_TIMEOUT)) drop(NFTA_DYNSET_TIMEOUT);
  if (kind == "osf" && is_zero(NFTA_OSF_FLAGS)) drop(NFTA_OSF_FLAGS);
  if (kind != "exthdr" || data.find(NFTA_EXTHDR_DREG) != nullptr) return;
  drop(NFTA_EXTHDR_FLAGS);
  if (data.find(NFTA_EXTHDR_SREG) != nullptr) return;
  drop(NFTA_EXTHDR_OFFSET);
  drop(NFTA_EXTHDR_LEN);
}

}  // namespace

std::uint8_t number_of(NativeFamily family) {
  switch (family) {
    case NativeFamily::ip:
      return NFPROTO_IPV4;
    case NativeFamily::ip6:
      return NFPROTO_IPV6;
    case NativeFamily::inet:
      return NFPROTO_INET;
    case NativeFamily::arp:
      return NFPROTO_ARP;
    case NativeFamily::bridge:
      return NFPROTO_BRIDGE;
    case NativeFamily::netdev:
      return NFPROTO_NETDEV;
  }
  return NFPROTO_UNSPEC;
}

const std::string* RawObject::find(std::uint16_t type) const {
  const auto found =
      std::ranges::find_if(attributes, [&](const auto& one) { return plain(one.first) == type; });
  return found == attributes.end() ? nullptr : &found->second;
}

std::string RawObject::text(std::uint16_t type) const {
  const std::string* bytes = find(type);
  return bytes == nullptr ? std::string{} : bytes->substr(0, bytes->find('\0'));
}

std::uint32_t RawObject::number(std::uint16_t type) const {
  const std::string* bytes = find(type);
  std::uint32_t number = 0;
  if (bytes != nullptr && bytes->size() >= sizeof number) std::memcpy(&number, bytes->data(), sizeof number);
  return be32toh(number);
}

bool RawElement::is_running() const {
  return attributes.find(NFTA_SET_ELEM_EXPIRATION) != nullptr;
}

bool RawElement::ends_interval() const {
  return (attributes.number(NFTA_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END) != 0;
}

std::string RawElement::identity() const {
  RawObject same;
  for (const std::uint16_t type : {NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_KEY_END, NFTA_SET_ELEM_DATA,
                                   NFTA_SET_ELEM_FLAGS, NFTA_SET_ELEM_OBJREF, NFTA_SET_ELEM_USERDATA})
    if (const std::string* bytes = attributes.find(type)) same.attributes.emplace_back(type, *bytes);
  return bytes_of_object(same);
}

Result<RawTable> read_raw_table(NetlinkSocket& socket, NativeFamily family, const std::string& table) {
  RawTable raw;
  const auto list = [&](std::uint16_t request, std::uint16_t table_attribute, std::string_view what,
                        const auto& keep_object) -> Status {
    const int error =
        socket.ask(NetlinkRequest(request, number_of(family), NLM_F_DUMP), [&](const nlmsghdr* message) {
          RawObject object = object_of(message);
          if (object.text(table_attribute) == table) keep_object(std::move(object));
        });
    if (error != 0) return not_answered(what, error);
    return {};
  };
  TRY(list(NFT_MSG_GETTABLE, NFTA_TABLE_NAME, "list of tables",
           [&](RawObject o) { raw.table = std::move(o); }));
  if (raw.table.attributes.empty())
    return not_answered(format("table {} {}", name(family), escape(table)), ENOENT);
  TRY(list(NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, "list of chains", [&](RawObject o) {
    auto of = o.text(NFTA_CHAIN_NAME);
    raw.chains.emplace(std::move(of), std::move(o));
  }));
  TRY(list(NFT_MSG_GETSET, NFTA_SET_TABLE, "list of sets", [&](RawObject o) {
    auto of = o.text(NFTA_SET_NAME);
    raw.sets.emplace(std::move(of), std::move(o));
  }));
  TRY(list(NFT_MSG_GETOBJ, NFTA_OBJ_TABLE, "list of objects",
           [&](RawObject o) { raw.objects.push_back(std::move(o)); }));
  TRY(list(NFT_MSG_GETFLOWTABLE, NFTA_FLOWTABLE_TABLE, "list of flowtables",
           [&](RawObject o) { raw.flowtables.push_back(std::move(o)); }));
  return raw;
}

Result<std::vector<HandledRule>> read_raw_rules(NetlinkSocket& socket, NativeFamily family,
                                                const std::string& table, const std::string& chain) {
  std::vector<HandledRule> rules;
  NetlinkRequest request(NFT_MSG_GETRULE, number_of(family), NLM_F_DUMP);
  request.add(NFTA_RULE_TABLE, table);
  request.add(NFTA_RULE_CHAIN, chain);
  const int error = socket.ask(request, [&](const nlmsghdr* message) {
    const auto facts = attributes<NFTA_RULE_MAX + 1>(message);
    rules.push_back({.rule = {.expressions = std::string(payload(facts[NFTA_RULE_EXPRESSIONS])),
                              .userdata = std::string(payload(facts[NFTA_RULE_USERDATA]))},
                     .handle = number64(facts[NFTA_RULE_HANDLE])});
  });
  if (error == EINTR || error == ENOENT) return error_of<messages::firewall_changed>();
  if (error != 0) return not_answered("list of rules", error);
  return rules;
}

Result<std::vector<RawElement>> read_raw_elements(NetlinkSocket& socket, NativeFamily family,
                                                  const std::string& table, const std::string& set) {
  std::vector<RawElement> elements;
  NetlinkRequest request(NFT_MSG_GETSETELEM, number_of(family), NLM_F_DUMP);
  request.add(NFTA_SET_ELEM_LIST_TABLE, table);
  request.add(NFTA_SET_ELEM_LIST_SET, set);
  const int error = socket.ask(request, [&](const nlmsghdr* message) {
    const auto facts = attributes<NFTA_SET_ELEM_LIST_MAX + 1>(message);
    if (facts[NFTA_SET_ELEM_LIST_ELEMENTS] == nullptr) return;
    for_each_nested(facts[NFTA_SET_ELEM_LIST_ELEMENTS],
                    [&](const nlattr* at) { elements.push_back({object_of(payload(at))}); });
  });
  if (error == EINTR || error == ENOENT) return error_of<messages::firewall_changed>();
  if (error != 0) return not_answered("list of elements", error);
  // The kernel takes the ends of intervals in the order of their keys, and the end of one before the start of
  // the next. Other elements keep their order, in which nft lists some of them.
  if (std::ranges::none_of(elements, &RawElement::ends_interval)) return elements;
  const auto key = [](const RawElement& element) -> std::string_view {
    const std::string* bytes = element.attributes.find(NFTA_SET_ELEM_KEY);
    return bytes == nullptr ? std::string_view{} : *bytes;
  };
  std::ranges::stable_sort(elements, [&](const RawElement& a, const RawElement& b) {
    if (key(a) != key(b)) return key(a) < key(b);
    return a.ends_interval() && !b.ends_interval();
  });
  return elements;
}

Result<std::string> with_numbers(std::string_view expressions, NamelessParts& parts) {
  RawObject list = object_of(expressions);
  for (auto& [element_type, element] : list.attributes) {
    RawObject expression = object_of(element);
    const std::string kind = expression.text(NFTA_EXPR_NAME);
    for (auto& [type, bytes] : expression.attributes) {
      if (plain(type) != NFTA_EXPR_DATA) continue;
      RawObject data = object_of(bytes);
      const auto names = std::ranges::find(kSetNames, kind, &SetName::expression);
      if (names != kSetNames.end()) TRY(number_set(data, *names, parts));
      if (kind == "immediate") TRY(number_chain(data, parts));
      drop_what_is_not_taken(kind, data);
      bytes = bytes_of_object(data);
    }
    element = bytes_of_object(expression);
  }
  return bytes_of_object(list);
}

}  // namespace rewall
