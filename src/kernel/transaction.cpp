#include "kernel/transaction.h"

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "core/text.h"
#include "kernel/batch.h"
#include "kernel/netlink_attributes.h"
#include "kernel/nftables.h"
#include "kernel/programs.h"
#include "kernel/rule_list.h"
#include "rules/print.h"
#include "rules/sets.h"
#include "rules/stable_rules.h"

namespace rewall {

namespace {

constexpr std::uint16_t kNoSet = 65535;  // IPSET_INVALID_ID, linux/netfilter/ipset/ip_set.h

/// A built-in chain as iptables-nft makes it (xtables_ipv4 in iptables/nft.c; linux/netfilter_ipv4.h has the
/// priorities).
struct BaseChain {
  std::string_view table;
  std::string_view name;
  std::string_view type;
  std::uint32_t hook;
  std::int32_t priority;
};

constexpr std::array kBaseChains{
    BaseChain{"raw", "PREROUTING", "filter", NF_INET_PRE_ROUTING, -300},
    BaseChain{"raw", "OUTPUT", "filter", NF_INET_LOCAL_OUT, -300},
    BaseChain{"mangle", "PREROUTING", "filter", NF_INET_PRE_ROUTING, -150},
    BaseChain{"mangle", "INPUT", "filter", NF_INET_LOCAL_IN, -150},
    BaseChain{"mangle", "FORWARD", "filter", NF_INET_FORWARD, -150},
    BaseChain{"mangle", "OUTPUT", "route", NF_INET_LOCAL_OUT, -150},
    BaseChain{"mangle", "POSTROUTING", "filter", NF_INET_POST_ROUTING, -150},
    BaseChain{"nat", "PREROUTING", "nat", NF_INET_PRE_ROUTING, -100},
    BaseChain{"nat", "INPUT", "nat", NF_INET_LOCAL_IN, 100},
    BaseChain{"nat", "POSTROUTING", "nat", NF_INET_POST_ROUTING, 100},
    BaseChain{"nat", "OUTPUT", "nat", NF_INET_LOCAL_OUT, -100},
    BaseChain{"filter", "INPUT", "filter", NF_INET_LOCAL_IN, 0},
    BaseChain{"filter", "FORWARD", "filter", NF_INET_FORWARD, 0},
    BaseChain{"filter", "OUTPUT", "filter", NF_INET_LOCAL_OUT, 0},
    BaseChain{"security", "INPUT", "filter", NF_INET_LOCAL_IN, 50},
    BaseChain{"security", "FORWARD", "filter", NF_INET_FORWARD, 50},
    BaseChain{"security", "OUTPUT", "filter", NF_INET_LOCAL_OUT, 50},
};

std::uint64_t handle_of(const nlattr* attribute) {
  return attribute != nullptr ? be64toh(mnl_attr_get_u64(attribute)) : 0;
}

template <class Each>
void for_each_expression(std::string_view expressions, const Each& each) {
  for_each_attribute(expressions.data(), expressions.data() + expressions.size(), [&](const nlattr* element) {
    const auto parts = attributes<NFTA_EXPR_MAX + 1>(element);
    each(text(parts[NFTA_EXPR_NAME]), parts[NFTA_EXPR_DATA]);
  });
}

/// What a rule is, but for its counters.
std::size_t fingerprint(std::string_view expressions) {
  std::string without;
  for_each_expression(expressions, [&](std::string_view name, const nlattr* data) {
    without.append(name).append(1, '\0');
    if (name != "counter") without.append(payload(data));
  });
  return std::hash<std::string_view>{}(without);
}

/// What the kernel wants to be told again of a rule with an extension: the protocol that it asks for, which
/// its own first expressions say (nft_parse_compat in net/netfilter/nft_compat.c; add_compat in
/// iptables/nft.c).
struct Compat {
  std::uint32_t protocol = 0;
  std::uint32_t flags = 0;
};

std::optional<Compat> compat_of(std::string_view expressions) {
  bool extension = false;
  bool loaded = false;
  Compat compat;
  for_each_expression(expressions, [&](std::string_view name, const nlattr* data) {
    extension = extension || name == "match" || name == "target";
    if (name == "meta") {
      loaded = number(attributes<NFTA_META_MAX + 1>(data)[NFTA_META_KEY]) == NFT_META_L4PROTO;
    } else if (name == "cmp" && std::exchange(loaded, false)) {
      const auto facts = attributes<NFTA_CMP_MAX + 1>(data);
      const auto value = payload(attributes<NFTA_DATA_MAX + 1>(facts[NFTA_CMP_DATA])[NFTA_DATA_VALUE]);
      if (value.empty()) return;
      compat.protocol = static_cast<std::uint8_t>(value[0]);
      compat.flags = number(facts[NFTA_CMP_OP]) == NFT_CMP_NEQ ? NFT_RULE_COMPAT_F_INV : 0;
    }
  });
  return extension ? std::optional(compat) : std::nullopt;
}

/// Where a rule's expressions hold numbers of sets (linux/netfilter/xt_set.h): offsets into them.
std::vector<std::size_t> set_numbers(std::string_view expressions) {
  std::vector<std::size_t> places;
  const auto add = [&](const nlattr* info, std::size_t offset) {
    const auto bytes = payload(info);
    if (bytes.size() < offset + sizeof(std::uint16_t)) return;
    const auto place = static_cast<std::size_t>(bytes.data() - expressions.data()) + offset;
    std::uint16_t index = 0;
    std::memcpy(&index, expressions.data() + place, sizeof index);
    if (index != kNoSet) places.push_back(place);
  };
  for_each_expression(expressions, [&](std::string_view name, const nlattr* data) {
    if (name == "match") {
      const auto facts = attributes<NFTA_MATCH_MAX + 1>(data);
      if (text(facts[NFTA_MATCH_NAME]) == "set") add(facts[NFTA_MATCH_INFO], 0);
    } else if (name == "target") {
      const auto facts = attributes<NFTA_TARGET_MAX + 1>(data);
      if (text(facts[NFTA_TARGET_NAME]) != "SET") return;
      const nlattr* info = facts[NFTA_TARGET_INFO];
      const std::uint32_t revision = number(facts[NFTA_TARGET_REV]);
      const std::size_t step = revision == 0 ? 32 : 4;  // xt_set_info_v0, xt_set_info
      add(info, 0);
      add(info, step);
      if (revision >= 3) add(info, 2 * step);
    }
  });
  return places;
}

Error unreadable(std::string_view what, int error) {
  return Error{.kind = ErrorKind::kernel, .message = format("nf_tables: {}: {}", what, errno_text(error))};
}

Error moved() {
  return error_of<messages::firewall_changed>();
}

struct ChainPlace {
  Family family = Family::ipv4;
  std::string table{};
  std::string chain{};
};

/// A changed chain as it must read back: each rule by its handle, or where it is new by what it is.
struct Expected {
  ChainPlace place{};
  std::vector<std::pair<std::uint64_t, std::size_t>> rules{};
};

/// A rule's message, for the kernel's no.
struct Origin {
  std::uint32_t message = 0;
  const Chain* chain = nullptr;
  std::uint32_t position = 0;
  std::size_t place = 0;  ///< in Work::expected_
};

}  // namespace

std::vector<std::pair<std::uint32_t, std::uint32_t>> staying(
    const Chain* live, const Chain& wanted, const std::map<std::string, std::string>& aliases) {
  if (live == nullptr) return {};
  auto stay = stable_rules(live->rules, wanted.rules);
  if (aliases.empty()) return stay;
  const auto is_alias = [&](std::string_view set) { return aliases.contains(std::string(set)); };
  std::erase_if(stay, [&](const auto& pair) { return names_set(wanted.rules[pair.second].words, is_alias); });
  return stay;
}

class Transaction::Work {
 public:
  Work(const Ruleset& live, const Ruleset& wanted, const Scratch& scratch,
       const std::map<std::string, std::string>& aliases, LiveTables live_tables)
      : live_(live), wanted_(wanted), scratch_(scratch), aliases_(aliases), live_tables_(live_tables) {}

  Status prepare(std::uint32_t generation) {
    if (!socket_) return unreadable("netlink socket", errno);
    batch_.emplace(generation);
    if (live_tables_ == LiveTables::unknown) {
      auto tables = TRY(list_nft_tables());
      for (const NftTable& table : tables)
        if (table.iptables_family()) drop(table);
    }
    for (const Family family : kFamilies) {
      const Tables& wanted = wanted_.tables(family, Backend::nft);
      const Tables& live = live_.tables(family, Backend::nft);
      for (const Table& table : wanted.tables) TRY(change(family, table, live.find(table.name)));
      for (const Table& table : live.tables)
        if (wanted.find(table.name) == nullptr) empty_out(family, table);
    }
    for (const ChainPlace& place : gone_) {
      auto message = about_chain(NFT_MSG_DELCHAIN, place);
      batch_->add(message);
    }
    return {};
  }

  /// Also where nothing could be prepared.
  bool empty() const { return !batch_ || batch_->empty(); }

  Status send() {
    const auto refusal = batch_->send(socket_);
    if (!refusal) return {};
    if (refusal->error == ERESTART) return moved();
    return refused(*refusal);
  }

  bool reads_back() {
    constexpr std::size_t kMany = 256;
    NetlinkSocket other;
    if (expected_.size() < kMany || !other) return read_back(socket_, expected_);
    const std::size_t half = expected_.size() / 2;
    const std::span<const Expected> all(expected_);
    auto rest = beside("nf_tables", ErrorKind::kernel, [&] { return read_back(other, all.subspan(half)); });
    const bool first = read_back(socket_, all.first(half));
    const auto second = rest.get();
    return first && second && *second;
  }

 private:
  static bool read_back(NetlinkSocket& socket, std::span<const Expected> chains) {
    return std::ranges::all_of(chains, [&](const Expected& expected) {
      std::size_t at = 0;
      bool same = true;
      const auto& [family, table, chain] = expected.place;
      const int error = each_rule(socket, family, table, chain, [&](const auto& facts) {
        if (!same || at == expected.rules.size()) {
          same = false;
          return;
        }
        const auto& [handle, print] = expected.rules[at++];
        same = handle != 0 ? handle_of(facts[NFTA_RULE_HANDLE]) == handle
                           : fingerprint(payload(facts[NFTA_RULE_EXPRESSIONS])) == print;
      });
      return error == 0 && same && at == expected.rules.size();
    });
  }

  BatchMessage about_chain(std::uint16_t type, const ChainPlace& place, std::uint16_t flags = 0) {
    BatchMessage message = batch_->start(type, number_of(place.family), flags);
    message.text(NFTA_CHAIN_TABLE, place.table);
    message.text(NFTA_CHAIN_NAME, place.chain);
    return message;
  }

  BatchMessage about_rules(std::uint16_t type, const ChainPlace& place, std::uint16_t flags = 0) {
    BatchMessage message = batch_->start(type, number_of(place.family), flags);
    message.text(NFTA_RULE_TABLE, place.table);
    message.text(NFTA_RULE_CHAIN, place.chain);
    return message;
  }

  static std::uint32_t verdict(std::string_view policy) { return policy == "DROP" ? NF_DROP : NF_ACCEPT; }

  static void add_hook(BatchMessage& message, std::string_view table, const Chain& chain) {
    const auto base = std::ranges::find_if(
        kBaseChains, [&](const BaseChain& one) { return one.table == table && one.name == chain.name; });
    nlattr* hook = message.begin(NFTA_CHAIN_HOOK);
    message.number(NFTA_HOOK_HOOKNUM, base->hook);
    message.number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(base->priority));
    message.end(hook);
    message.number(NFTA_CHAIN_POLICY, verdict(chain.policy));
    message.text(NFTA_CHAIN_TYPE, std::string(base->type));
  }

  Status change(Family family, const Table& wanted, const Table* live) {
    if (live == nullptr) {
      BatchMessage message = batch_->start(NFT_MSG_NEWTABLE, number_of(family), NLM_F_CREATE);
      message.text(NFTA_TABLE_NAME, wanted.name);
      message.number(NFTA_TABLE_FLAGS, 0);
      batch_->add(message);
    }
    const ChainIndex old(live);
    for (const Chain& chain : wanted.chains)
      make({family, wanted.name, chain.name}, old.find(chain.name), chain);
    if (live != nullptr) drop_chains(family, *live, ChainIndex(&wanted));
    for (const Chain& chain : wanted.chains) {
      TRY(change_rules({family, wanted.name, chain.name}, old.find(chain.name), chain));
    }
    return {};
  }

  void drop(const NftTable& table) {
    BatchMessage message = batch_->start(NFT_MSG_DELTABLE, table.family);
    message.text(NFTA_TABLE_NAME, table.name);
    batch_->add(message);
  }

  void empty_out(Family family, const Table& live) { drop_chains(family, live, ChainIndex(nullptr)); }

  /// Where the chain is there already, that is no matter: only its policy is set then.
  void make(const ChainPlace& place, const Chain* live, const Chain& wanted) {
    if (live != nullptr && live->policy == wanted.policy) return;
    auto message = about_chain(NFT_MSG_NEWCHAIN, place, NLM_F_CREATE);
    if (wanted.built_in()) add_hook(message, place.table, wanted);
    batch_->add(message);
  }

  void drop_chains(Family family, const Table& live, const ChainIndex& wanted) {
    for (const Chain& chain : live.chains) {
      if (wanted.find(chain.name) != nullptr) continue;
      const ChainPlace place{family, live.name, chain.name};
      if (!chain.rules.empty()) flush(place);
      if (chain.built_in()) {
        if (chain.policy != "ACCEPT") accept(place);
      } else {
        gone_.push_back(place);
      }
    }
  }

  void accept(const ChainPlace& place) {
    auto message = about_chain(NFT_MSG_NEWCHAIN, place);
    message.number(NFTA_CHAIN_POLICY, NF_ACCEPT);
    batch_->add(message);
  }

  void flush(const ChainPlace& place) {
    auto message = about_rules(NFT_MSG_DELRULE, place);
    batch_->add(message);
  }

  Status change_rules(const ChainPlace& place, const Chain* live, const Chain& wanted) {
    static const std::vector<Rule> kNone;
    const std::vector<Rule>& before = live == nullptr ? kNone : live->rules;
    const auto stay = staying(live, wanted, aliases_);
    if (stay.size() == before.size() && stay.size() == wanted.rules.size()) return {};

    // iptables-save prints built-in chains that iptables did not make yet.
    if (wanted.built_in() && live != nullptr) make(place, nullptr, wanted);
    Expected expected{.place = place};
    std::vector<std::uint64_t> handles;
    if (stay.empty()) {
      if (!before.empty()) flush(place);
    } else {
      auto listed = TRY(list_handles(place, before.size()));
      handles = std::move(listed);
      delete_others(place, stay, handles);
    }
    TRY(insert_others(place, wanted, stay, handles, expected));
    expected_.push_back(std::move(expected));
    return {};
  }

  Result<std::vector<std::uint64_t>> list_handles(const ChainPlace& place, std::size_t count) {
    std::vector<std::uint64_t> handles;
    const int error = each_rule(socket_, place.family, place.table, place.chain, [&](const auto& facts) {
      handles.push_back(handle_of(facts[NFTA_RULE_HANDLE]));
    });
    if (error == EINTR || error == ENOENT) return moved();
    if (error != 0) return unreadable("list of rules", error);
    if (handles.size() != count) return moved();
    return handles;
  }

  using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

  void delete_others(const ChainPlace& place, const Pairs& stay, const std::vector<std::uint64_t>& handles) {
    auto next = stay.begin();
    for (std::uint32_t i = 0; i < handles.size(); ++i) {
      if (next != stay.end() && next->first == i) {
        ++next;
        continue;
      }
      auto message = about_rules(NFT_MSG_DELRULE, place);
      message.handle(NFTA_RULE_HANDLE, handles[i]);
      batch_->add(message);
    }
  }

  Status insert_others(const ChainPlace& place, const Chain& wanted, const Pairs& stay,
                       const std::vector<std::uint64_t>& handles, Expected& expected) {
    if (stay.size() == wanted.rules.size()) {
      for (const auto& [from, to] : stay) expected.rules.emplace_back(handles[from], 0);
      return {};
    }
    auto staged = TRY(staged_rules(place));
    auto next = stay.begin();
    for (std::uint32_t i = 0; i < wanted.rules.size(); ++i) {
      if (next != stay.end() && next->second == i) {
        expected.rules.emplace_back(handles[next->first], 0);
        ++next;
        continue;
      }
      const auto raw = staged.find(i);
      if (raw == staged.end())
        return Error{.kind = ErrorKind::kernel,
                     .message = format("{} {} {}: rule {} was not staged", short_name(place.family),
                                       place.table, place.chain, i + 1)};
      TRY(translate(raw->second.expressions));
      const std::uint64_t before = next == stay.end() ? 0 : handles[next->first];
      const std::uint32_t number = insert(place, raw->second, before);
      origins_.push_back({.message = number, .chain = &wanted, .position = i, .place = expected_.size()});
      expected.rules.emplace_back(0, fingerprint(raw->second.expressions));
    }
    return {};
  }

  /// By their position in the wanted chain.
  Result<std::map<std::uint32_t, RawRule>> staged_rules(const ChainPlace& place) {
    std::map<std::uint32_t, RawRule> rules;
    const Scratch::Place staged_at{place.family, place.table, place.chain};
    const auto positions = scratch_.positions.find(staged_at);
    if (positions == scratch_.positions.end()) return rules;
    std::vector<RawRule> staged;
    if (const int error = scratch_.take_rules(staged_at, staged); error != 0)
      return unreadable("list of staged rules", error);
    if (staged.size() != positions->second.size()) return rules;
    for (std::size_t i = 0; i < staged.size(); ++i) rules.emplace(positions->second[i], std::move(staged[i]));
    return rules;
  }

  std::uint32_t insert(const ChainPlace& place, const RawRule& rule, std::uint64_t before) {
    const auto at_end = before == 0 ? NLM_F_APPEND : 0;
    auto message = about_rules(NFT_MSG_NEWRULE, place, static_cast<std::uint16_t>(NLM_F_CREATE | at_end));
    if (before != 0) message.handle(NFTA_RULE_POSITION, before);
    message.bytes(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, rule.expressions);
    if (const auto compat = compat_of(rule.expressions)) {
      nlattr* nest = message.begin(NFTA_RULE_COMPAT);
      message.number(NFTA_RULE_COMPAT_PROTO, compat->protocol);
      message.number(NFTA_RULE_COMPAT_FLAGS, compat->flags);
      message.end(nest);
    }
    if (!rule.userdata.empty()) message.bytes(NFTA_RULE_USERDATA, rule.userdata);
    return batch_->add(message);
  }

  /// Numbers of sets there into those here.
  Status translate(std::string& expressions) {
    for (const std::size_t place : set_numbers(expressions)) {
      std::uint16_t index = 0;
      std::memcpy(&index, expressions.data() + place, sizeof index);
      auto here = TRY(number_here(index));
      std::memcpy(expressions.data() + place, &here, sizeof index);
    }
    return {};
  }

  Result<std::uint16_t> number_here(std::uint16_t there) {
    const auto known = here_.find(there);
    if (known != here_.end()) return known->second;
    const auto name = scratch_.numbers->name(there);
    if (!name)
      return Error{.kind = ErrorKind::kernel, .message = "a staged rule place a set that is not there"};
    const auto alias = aliases_.find(*name);
    const std::string& wanted = alias == aliases_.end() ? *name : alias->second;
    const auto number = numbers_.number(wanted);
    if (!number)
      return Error{.kind = ErrorKind::kernel,
                   .message = format("set {}: rules name it, and it is not there", wanted)};
    here_.emplace(there, *number);
    return *number;
  }

  Error refused(const BatchRefusal& refusal) const {
    const auto why = refusal.text.empty() ? errno_text(refusal.error)
                                          : format("{} ({})", errno_text(refusal.error), refusal.text);
    Error error{.kind = ErrorKind::kernel, .message = format("the kernel refuses the ruleset: {}", why)};
    if (refusal.error == EPERM) error = not_permitted("nf_tables");
    const auto origin = std::ranges::find(origins_, refusal.message, &Origin::message);
    if (refusal.message == 0 || origin == origins_.end()) return error;
    const ChainPlace& place = expected_[origin->place].place;
    error.message = format("{} {} {} rule {}: the kernel refuses it: {}: {}", short_name(place.family),
                           place.table, escape(place.chain), origin->position + 1, why,
                           escape(origin->chain->rules[origin->position].words));
    return error;
  }

  const Ruleset& live_;
  const Ruleset& wanted_;
  const Scratch& scratch_;
  const std::map<std::string, std::string>& aliases_;
  LiveTables live_tables_;
  NetlinkSocket socket_{};
  SetNumbers numbers_{};
  std::optional<Batch> batch_{};
  std::vector<ChainPlace> gone_{};
  std::vector<Expected> expected_{};
  std::vector<Origin> origins_{};
  std::map<std::uint16_t, std::uint16_t> here_{};
};

Transaction::Transaction(const Ruleset& live, const Ruleset& wanted, const Scratch& scratch,
                         const std::map<std::string, std::string>& aliases, LiveTables live_tables)
    : work_(std::make_unique<Work>(live, wanted, scratch, aliases, live_tables)) {}

Transaction::~Transaction() = default;

Status Transaction::prepare(std::uint32_t generation) {
  return work_->prepare(generation);
}

bool Transaction::empty() const {
  return work_->empty();
}

Status Transaction::send() {
  return work_->send();
}

bool Transaction::reads_back() const {
  return work_->reads_back();
}

}  // namespace rewall
