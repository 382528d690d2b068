#include "kernel/transaction.h"

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/base_chain.h"
#include "kernel/batch.h"
#include "kernel/expressions.h"
#include "kernel/native_batch.h"
#include "kernel/netlink_attributes.h"
#include "kernel/nft_listing.h"
#include "kernel/nftables.h"
#include "kernel/programs.h"
#include "kernel/rule_list.h"
#include "rules/print.h"
#include "rules/sets.h"
#include "rules/stable_rules.h"
#include "rules/table_forms.h"

namespace rewall {

namespace {

Error unreadable(std::string_view what, int error) {
  return Error{.kind = ErrorKind::kernel, .message = format("nf_tables: {}: {}", what, errno_text(error))};
}

Error moved() {
  return error_of<messages::firewall_changed>();
}

/// A rule's message, for the kernel's no.
struct Origin {
  std::uint32_t message = 0;
  ChainName place{};
  std::string_view words{};
  std::uint32_t position = 0;  ///< in the wanted chain, from 0
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
  Work(Programs& programs, const Ruleset& live, const Ruleset& wanted, const Scratch& scratch,
       const std::map<std::string, std::string>& aliases, LiveTables live_tables)
      : programs_(programs),
        live_(live),
        wanted_(wanted),
        scratch_(scratch),
        aliases_(aliases),
        live_tables_(live_tables) {}

  Status prepare(std::uint32_t generation) {
    if (!socket_) return unreadable("netlink socket", errno);
    batch_.emplace(generation);
    if (live_tables_ == LiveTables::unknown) {
      auto tables = TRY(list_nft_tables());
      for (const NftTable& table : tables)
        if (table.iptables_family() && !table.owned) drop(table);
    }
    TRY(prepare_native());
    for (const Family family : kFamilies) {
      const Tables& wanted = wanted_.tables(family, Backend::nft);
      const Tables& live = live_.tables(family, Backend::nft);
      for (const Table& table : wanted.tables) {
        const auto other = in_other_form_.find({family, table.name});
        TRY(change(family, table, other == in_other_form_.end() ? live.find(table.name) : &other->second));
      }
      for (const Table& table : live.tables)
        if (wanted.find(table.name) == nullptr && find_in_nft_words(wanted_, family, table.name) == nullptr)
          empty_out(family, table);
    }
    for (const ChainName& place : gone_) {
      auto message = about_chain(NFT_MSG_DELCHAIN, place);
      batch_->add(message);
    }
    if (native_) TRY(native_->put(*batch_));
    return {};
  }

  /// Native tables are left alone where nobody knows those of LIVE.
  Status prepare_native() {
    if (!wanted_.native) {
      if (live_.native)
        for (const NativeTable& table : live_.native->tables)
          if (const auto family = iptables_family(table))
            drop({.family = number_of(*family), .name = table.name});
      return {};
    }
    if (live_.native) {
      native_live_ = *live_.native;
    } else {
      if (live_tables_ == LiveTables::known) return {};
      auto listing = TRY(read_native_tables(programs_));
      if (!listing) return {};
      native_live_ = std::move(listing->tables);
    }
    if (live_tables_ == LiveTables::unknown)
      std::erase_if(native_live_.tables,
                    [](const NativeTable& table) { return iptables_family(table).has_value(); });
    else
      TRY(find_in_other_form());
    TRY(take_for_iptables());
    native_.emplace(native_live_, *wanted_.native, socket_, *scratch_.socket, !live_.native);
    native_->translate_by([this](std::string& expressions) -> Result<bool> {
      const auto done = translate(expressions);
      if (!done && !checks_) return done.error();
      return done.has_value();
    });
    return native_->take_away(*batch_);
  }

  /// Wanted tables of iptables' names in the words of nft that LIVE has in those of iptables, or without
  /// anything in them: they change in place where nft can say them, else they are made anew.
  Status find_in_other_form() {
    std::vector<NftTable> there;
    for (const NativeTable& table : wanted_.native->tables) {
      if (!iptables_family(table) || native_live_.find(table.family, table.name) != nullptr) continue;
      if (there.empty()) there = TRY(list_nft_tables());
      const auto same = std::ranges::find(there, table.title(), &NftTable::text);
      if (same == there.end()) continue;
      auto listing = list_native(programs_, {&*same, 1});
      if (listing && !listing->disagreement && !listing->tables.tables.empty()) {
        native_live_.tables.push_back(listing->tables.tables.front());
        native_live_.texts.insert(native_live_.texts.end(), listing->tables.texts.begin(),
                                  listing->tables.texts.end());
      } else {
        drop(*same);
      }
    }
    return {};
  }

  /// Tables of LIVE in the words of nft that are wanted in those of iptables: what iptables would make of a
  /// wanted rule byte for byte stays, where the chains are iptables' own.
  Status take_for_iptables() {
    std::vector<NativeTable> left;
    for (NativeTable& table : native_live_.tables) {
      const auto family = iptables_family(table);
      const Table* wanted = family ? wanted_.tables(*family, Backend::nft).find(table.name) : nullptr;
      auto read = wanted != nullptr ? TRY(as_iptables_has(*family, table, *wanted)) : std::nullopt;
      if (read)
        in_other_form_.emplace(std::pair(*family, table.name), *std::move(read));
      else
        left.push_back(std::move(table));
    }
    native_live_.tables = std::move(left);
    return {};
  }

  /// Absent where the table has what iptables does not have, beside rules.
  Result<std::optional<Table>> as_iptables_has(Family family, const NativeTable& live, const Table& wanted) {
    using None = std::optional<Table>;
    const auto raw = TRY(read_raw_table(socket_, live.family, live.name));
    const auto is_named = [](const auto& set) {
      return (set.second.number(NFTA_SET_FLAGS) & NFT_SET_ANONYMOUS) == 0;
    };
    if (!raw.objects.empty() || !raw.flowtables.empty() || std::ranges::any_of(raw.sets, is_named) ||
        raw.table.number(NFTA_TABLE_FLAGS) != 0)
      return None{};
    Table out{.name = live.name};
    const ChainIndex all(&wanted);
    for (const auto& [name, chain] : raw.chains) {
      if ((chain.number(NFTA_CHAIN_FLAGS) & NFT_CHAIN_BINDING) != 0) continue;
      const ChainName place{family, live.name, name};
      const bool built_in = is_built_in(live.name, name);
      if (built_in != (chain.find(NFTA_CHAIN_HOOK) != nullptr)) return None{};
      if (built_in) {
        const auto here = TRY(read_base_chain(socket_, family, live.name, name));
        if (!here || *here != TRY(scratch_.base_chain(programs_, {family, live.name, name}))) return None{};
      }
      const bool drops = built_in && chain.number(NFTA_CHAIN_POLICY) == NF_DROP;
      out.chains.push_back({.name = name, .policy = !built_in ? "-" : drops ? "DROP" : "ACCEPT"});
      const Chain* same = all.find(name);
      std::multimap<std::string, std::string_view> words;
      if (same != nullptr)
        for (auto& [position, rule] : TRY(staged_rules(place)))
          if (translate(rule.expressions))
            words.emplace(comparable(rule.expressions, ExtensionData::taken) + rule.userdata,
                          same->rules[position].words);
      const auto rules = TRY(read_raw_rules(socket_, live.family, live.name, name));
      for (const HandledRule& rule : rules) {
        const auto found =
            words.find(comparable(rule.rule.expressions, ExtensionData::taken) + rule.rule.userdata);
        out.chains.back().rules.push_back(
            {.words = found == words.end() ? std::string_view{} : found->second});
      }
    }
    return std::optional(std::move(out));
  }

  /// Also where nothing could be prepared.
  bool empty() const { return !batch_ || batch_->empty(); }

  Status send() { return said(batch_->send(socket_)); }

  Status check(std::uint32_t generation) {
    checks_ = true;
    TRY(prepare(generation));
    if (empty()) return {};
    return said(batch_->check(socket_));
  }

  const std::map<ChainName, bool>& changed() const { return changed_; }

 private:
  Status said(const std::optional<BatchRefusal>& refusal) const {
    if (!refusal) return {};
    if (refusal->error == ERESTART) return moved();
    return refused(*refusal);
  }

  BatchMessage about_chain(std::uint16_t type, const ChainName& place, std::uint16_t flags = 0) {
    changed_[place] = type != NFT_MSG_DELCHAIN;
    BatchMessage message = batch_->start(type, number_of(place.family), flags);
    message.text(NFTA_CHAIN_TABLE, place.table);
    message.text(NFTA_CHAIN_NAME, place.chain);
    return message;
  }

  BatchMessage about_rules(std::uint16_t type, const ChainName& place, std::uint16_t flags = 0) {
    BatchMessage message = batch_->start(type, number_of(place.family), flags);
    message.text(NFTA_RULE_TABLE, place.table);
    message.text(NFTA_RULE_CHAIN, place.chain);
    return message;
  }

  static std::uint32_t verdict(std::string_view policy) { return policy == "DROP" ? NF_DROP : NF_ACCEPT; }

  Status change(Family family, const Table& wanted, const Table* live) {
    if (live == nullptr) {
      BatchMessage message = batch_->start(NFT_MSG_NEWTABLE, number_of(family), NLM_F_CREATE);
      message.text(NFTA_TABLE_NAME, wanted.name);
      message.number(NFTA_TABLE_FLAGS, 0);
      batch_->add(message);
    }
    const ChainIndex old(live);
    for (const Chain& chain : wanted.chains)
      TRY(make({family, wanted.name, chain.name}, old.find(chain.name), chain));
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

  Status make(const ChainName& place, const Chain* live, const Chain& wanted) {
    if (live != nullptr && live->policy == wanted.policy) return {};
    if (wanted.built_in())
      return live != nullptr ? keep_base_chain(place, *live, wanted) : make_base_chain(place, wanted);
    auto message = about_chain(NFT_MSG_NEWCHAIN, place, NLM_F_CREATE);
    batch_->add(message);
    return {};
  }

  /// One that iptables-save prints, and may not have made yet. Where it stands it only gets its policy.
  Status keep_base_chain(const ChainName& place, const Chain& live, const Chain& wanted) {
    const auto base = TRY(read_base_chain(socket_, place.family, place.table, place.chain));
    if (!base) return make_base_chain(place, wanted);
    if (live.policy != wanted.policy) set_policy(place, wanted.policy);
    return {};
  }

  /// Where it stands already, it has to stand where iptables makes it: the kernel refuses it otherwise.
  Status make_base_chain(const ChainName& place, const Chain& wanted) {
    const auto base = TRY(scratch_.base_chain(programs_, {place.family, place.table, place.chain}));
    auto message = about_chain(NFT_MSG_NEWCHAIN, place, NLM_F_CREATE);
    nlattr* hook = message.begin(NFTA_CHAIN_HOOK);
    message.number(NFTA_HOOK_HOOKNUM, base.hook);
    message.number(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(base.priority));
    message.end(hook);
    message.number(NFTA_CHAIN_POLICY, verdict(wanted.policy));
    message.text(NFTA_CHAIN_TYPE, base.type);
    batch_->add(message);
    return {};
  }

  void drop_chains(Family family, const Table& live, const ChainIndex& wanted) {
    for (const Chain& chain : live.chains) {
      if (wanted.find(chain.name) != nullptr) continue;
      const ChainName place{family, live.name, chain.name};
      if (!chain.rules.empty()) flush(place);
      if (chain.built_in()) {
        if (chain.policy != "ACCEPT") set_policy(place, "ACCEPT");
      } else {
        gone_.push_back(place);
      }
    }
  }

  void set_policy(const ChainName& place, std::string_view policy) {
    auto message = about_chain(NFT_MSG_NEWCHAIN, place);
    message.number(NFTA_CHAIN_POLICY, verdict(policy));
    batch_->add(message);
  }

  void flush(const ChainName& place) {
    changed_.emplace(place, true);
    auto message = about_rules(NFT_MSG_DELRULE, place);
    batch_->add(message);
  }

  Status change_rules(const ChainName& place, const Chain* live, const Chain& wanted) {
    static const std::vector<Rule> kNone;
    const std::vector<Rule>& before = live == nullptr ? kNone : live->rules;
    const auto stay = staying(live, wanted, aliases_);
    if (stay.size() == before.size() && stay.size() == wanted.rules.size()) return {};

    if (wanted.built_in() && live != nullptr && live->policy == wanted.policy)
      TRY(keep_base_chain(place, *live, wanted));
    changed_.emplace(place, true);
    std::vector<std::uint64_t> handles;
    if (stay.empty()) {
      if (!before.empty()) flush(place);
    } else {
      auto listed = TRY(list_handles(place, before.size()));
      handles = std::move(listed);
      delete_others(place, stay, handles);
    }
    return insert_others(place, wanted, stay, handles);
  }

  Result<std::vector<std::uint64_t>> list_handles(const ChainName& place, std::size_t count) {
    std::vector<std::uint64_t> handles;
    const int error = each_rule(socket_, place.family, place.table, place.chain, [&](const auto& facts) {
      handles.push_back(number64(facts[NFTA_RULE_HANDLE]));
    });
    if (error == EINTR || error == ENOENT) return moved();
    if (error != 0) return unreadable("list of rules", error);
    if (handles.size() != count) return moved();
    return handles;
  }

  using Pairs = std::vector<std::pair<std::uint32_t, std::uint32_t>>;

  void delete_others(const ChainName& place, const Pairs& stay, const std::vector<std::uint64_t>& handles) {
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

  Status insert_others(const ChainName& place, const Chain& wanted, const Pairs& stay,
                       const std::vector<std::uint64_t>& handles) {
    if (stay.size() == wanted.rules.size()) return {};
    auto staged = TRY(staged_rules(place));
    auto next = stay.begin();
    for (std::uint32_t i = 0; i < wanted.rules.size(); ++i) {
      if (next != stay.end() && next->second == i) {
        ++next;
        continue;
      }
      const auto raw = staged.find(i);
      if (raw == staged.end())
        return Error{.kind = ErrorKind::kernel,
                     .message = format("{} {} {}: rule {} was not staged", short_name(place.family),
                                       place.table, place.chain, i + 1)};
      if (auto done = translate(raw->second.expressions); !done) {
        if (checks_) continue;
        return done;
      }
      const std::uint64_t before = next == stay.end() ? 0 : handles[next->first];
      Compat compat;
      if (has_extension(raw->second.expressions))
        compat = TRY(compat_of(wanted.rules[i].words, place.family));
      const std::uint32_t number = batch_->add_rule(place, raw->second, compat, before);
      origins_.push_back({.message = number, .place = place, .words = wanted.rules[i].words, .position = i});
    }
    return {};
  }

  /// By their position in the wanted chain.
  Result<std::map<std::uint32_t, RawRule>> staged_rules(const ChainName& place) {
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
    if (refusal.error == EPERM) error = change_not_permitted("nf_tables");
    const auto origin = std::ranges::find(origins_, refusal.message, &Origin::message);
    if (native_ && refusal.message != 0 && refusal.error != EPERM) {
      if (const auto about = native_->about(refusal.message); !about.empty())
        error.message = format("{}: the kernel refuses it: {}", about, why);
    }
    if (refusal.message == 0 || origin == origins_.end()) return error;
    const ChainName& place = origin->place;
    error.message =
        format("{} {} {} rule {}: the kernel refuses it: {}: {}", short_name(place.family), place.table,
               escape(place.chain), origin->position + 1, why, escape(origin->words));
    return error;
  }

  Programs& programs_;
  const Ruleset& live_;
  const Ruleset& wanted_;
  const Scratch& scratch_;
  const std::map<std::string, std::string>& aliases_;
  LiveTables live_tables_;
  bool checks_ = false;  ///< sets that LIVE lacks yet are no error
  NetlinkSocket socket_{};
  SetNumbers numbers_{};
  std::optional<Batch> batch_{};
  NativeTables native_live_{};
  std::optional<NativeBatch> native_{};
  /// Tables that LIVE has in the words of nft, as iptables would have them. A rule that is none of the wanted
  /// ones has no words.
  std::map<std::pair<Family, std::string>, Table> in_other_form_{};
  std::vector<ChainName> gone_{};
  std::map<ChainName, bool> changed_{};
  std::vector<Origin> origins_{};
  std::map<std::uint16_t, std::uint16_t> here_{};
};

Transaction::Transaction(Programs& programs, const Ruleset& live, const Ruleset& wanted,
                         const Scratch& scratch, const std::map<std::string, std::string>& aliases,
                         LiveTables live_tables)
    : work_(std::make_unique<Work>(programs, live, wanted, scratch, aliases, live_tables)) {}

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

Status Transaction::check(std::uint32_t generation) {
  return work_->check(generation);
}

const std::map<ChainName, bool>& Transaction::changed() const {
  return work_->changed();
}

}  // namespace rewall
