#include "kernel/native_batch.h"

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/text.h"
#include "rules/stable_rules.h"
#include "rules/table_forms.h"

namespace rewall {

namespace {

constexpr std::size_t kElementsOfMessage = 32000;  ///< bytes; an attribute has 64 KiB at most

std::vector<Rule> rules_of(const NativePart* part) {
  std::vector<Rule> rules;
  if (part == nullptr) return rules;
  for (const auto words : part->rules) rules.push_back({.words = words});
  return rules;
}

/// The facts of a chain but for its policy, which can change in place.
std::vector<std::string> fixed_facts(const NativePart& part) {
  std::vector<std::string> facts;
  for (const auto fact : part.facts) {
    std::string fixed(fact);
    if (const auto at = fixed.find("; policy "); at != std::string::npos && part.is_chain())
      fixed.erase(at, fixed.find(';', at + 1) - at);
    facts.push_back(std::move(fixed));
  }
  return facts;
}

/// Whether the rules, chains, sets and elements alone differ.
bool changes_in_place(const NativeTable& live, const NativeTable& wanted) {
  if (live.facts != wanted.facts) return false;
  const auto fits = [](const NativePart& part, const NativeTable& other) {
    const NativePart* same = other.find(part.kind, part.name);
    if (same == nullptr) return part.is_chain() || part.has_elements();
    return fixed_facts(part) == fixed_facts(*same);
  };
  return std::ranges::all_of(live.parts, [&](const NativePart& part) { return fits(part, wanted); }) &&
         std::ranges::all_of(wanted.parts, [&](const NativePart& part) { return fits(part, live); });
}

/// A message as the kernel listed the object, with `types` of its attributes.
BatchMessage copy_of(Batch& batch, std::uint16_t type, NativeFamily family, const RawObject& object,
                     std::initializer_list<std::uint16_t> types, std::uint16_t flags = NLM_F_CREATE) {
  BatchMessage message = batch.start(type, number_of(family), flags);
  for (const auto& [raw_type, bytes] : object.attributes)
    if (std::ranges::find(types, raw_type & NLA_TYPE_MASK) != types.end()) message.bytes(raw_type, bytes);
  return message;
}

}  // namespace

NativeTable part_to_load(const NativeTable& wanted, const NativeTable* live,
                         std::vector<std::shared_ptr<const std::string>>& texts) {
  NativeTable out = wanted;
  if (live == nullptr || !changes_in_place(*live, wanted)) return out;
  for (NativePart& part : out.parts) {
    const NativePart* same = live->find(part.kind, part.name);
    if (same == nullptr) continue;
    if (part.has_elements() && same->elements == part.elements && !part.elements.empty())
      part = with_elements(part, {}, texts);
    if (!part.is_chain()) continue;
    const auto stay = stable_rules(rules_of(same), rules_of(&part));
    if (stay.empty()) continue;
    std::vector<std::string_view> fresh;
    auto next = stay.begin();
    for (std::uint32_t i = 0; i < part.rules.size(); ++i) {
      if (next != stay.end() && next->second == i)
        ++next;
      else
        fresh.push_back(part.rules[i]);
    }
    part = with_rules(part, fresh, texts);
  }
  return out;
}

NativeTable with_notes(NativeTable listed, const NativeTable& given,
                       std::vector<std::shared_ptr<const std::string>>& texts) {
  for (NativePart& part : listed.parts) {
    const NativePart* same = part.is_chain() ? given.find(part.kind, part.name) : nullptr;
    if (same == nullptr || same->rules.size() != part.rules.size()) continue;
    auto rules = part.rules;
    bool any = false;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      if (split_note(same->rules[i]).iptables.empty()) continue;
      rules[i] = same->rules[i];
      any = true;
    }
    if (any) part = with_rules(part, rules, texts);
  }
  return listed;
}

bool same_text(const NativeTable& a, const NativeTable& b) {
  return a.family == b.family && a.name == b.name && a.facts == b.facts &&
         std::ranges::equal(a.parts, b.parts, {}, &NativePart::text, &NativePart::text);
}

std::vector<const NativeTable*> differing_tables(const NativeTables& wanted, const NativeTables& live) {
  std::vector<const NativeTable*> differing;
  for (const NativeTable& table : wanted.tables) {
    const NativeTable* same = live.find(table.family, table.name);
    if (same == nullptr || !same_text(*same, table)) differing.push_back(&table);
  }
  return differing;
}

/// One table that the wanted ruleset has, and LIVE has otherwise or not at all.
class NativeBatch::Work : public NamelessParts {
 public:
  Work(NativeBatch& of, Batch& batch, const NativeTable& wanted, const NativeTable* live)
      : of_(of), batch_(batch), wanted_(wanted), live_(live) {}

  /// Deletes a table, with all that is in it.
  static void drop(NativeBatch& of, Batch& batch, const NativeTable& table) {
    BatchMessage message = batch.start(NFT_MSG_DELTABLE, number_of(table.family));
    message.text(NFTA_TABLE_NAME, table.name);
    of.about_.emplace(batch.add(message), format("table {}", table.title()));
  }

  Status make() {
    raw_ = TRY(read_raw_table(of_.there_, wanted_.family, wanted_.name));
    // One that LIVE has, and that could not be read, is refused: rules behind its own would be another table.
    add(copy_of(batch_, NFT_MSG_NEWTABLE, wanted_.family, raw_.table,
                {NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_USERDATA}, NLM_F_CREATE | NLM_F_EXCL),
        "the table");
    for (const NativePart& part : wanted_.parts)
      if (part.is_chain()) TRY(make_chain(part));
    for (const RawObject& object : raw_.objects)
      add(copy_of(batch_, NFT_MSG_NEWOBJ, wanted_.family, object,
                  {NFTA_OBJ_TABLE, NFTA_OBJ_NAME, NFTA_OBJ_TYPE, NFTA_OBJ_DATA, NFTA_OBJ_USERDATA}),
          object.text(NFTA_OBJ_NAME));
    for (const RawObject& object : raw_.flowtables)
      add(copy_of(batch_, NFT_MSG_NEWFLOWTABLE, wanted_.family, object,
                  {NFTA_FLOWTABLE_TABLE, NFTA_FLOWTABLE_NAME, NFTA_FLOWTABLE_HOOK, NFTA_FLOWTABLE_FLAGS}),
          object.text(NFTA_FLOWTABLE_NAME));
    for (const NativePart& part : wanted_.parts)
      if (part.has_elements()) TRY(make_set(part));
    for (const NativePart& part : wanted_.parts)
      if (part.has_elements()) TRY(put_elements(part));
    for (const NativePart& part : wanted_.parts)
      if (part.is_chain()) TRY(put_rules(part, nullptr));
    return {};
  }

  /// In a table that stays: what goes.
  Status take_away() {
    for (const NativePart& part : live_->parts)
      if (part.is_chain()) TRY(delete_rules(part));
    for (const NativePart& part : live_->parts) {
      if (!part.has_elements()) continue;
      const NativePart* same = wanted_.find(part.kind, part.name);
      if (same == nullptr) {
        BatchMessage message = batch_.start(NFT_MSG_DELSET, number_of(live_->family));
        message.text(NFTA_SET_TABLE, live_->name);
        message.text(NFTA_SET_NAME, std::string(part.name));
        add(message, part.name);
      }
    }
    return {};
  }

  Status put_in_place() {
    raw_ = TRY(read_raw_table(of_.there_, wanted_.family, wanted_.name));
    for (const NativePart& part : wanted_.parts) {
      if (!part.is_chain()) continue;
      const NativePart* same = live_->find(part.kind, part.name);
      if (same == nullptr)
        TRY(make_chain(part));
      else if (same->policy() != part.policy())
        set_policy(part);
    }
    for (const NativePart& part : wanted_.parts)
      if (part.has_elements() && live_->find(part.kind, part.name) == nullptr) TRY(make_set(part));
    for (const NativePart& part : wanted_.parts) {
      if (!part.has_elements()) continue;
      const NativePart* same = live_->find(part.kind, part.name);
      if (same == nullptr)
        TRY(put_elements(part));
      else if (same->elements != part.elements && !part.is_dynamic())
        TRY(change_elements(part));
    }
    for (const NativePart& part : wanted_.parts)
      if (part.is_chain()) TRY(put_rules(part, live_->find(part.kind, part.name)));
    for (const NativePart& part : live_->parts)
      if (part.is_chain() && wanted_.find(part.kind, part.name) == nullptr) {
        BatchMessage message = about_chain(NFT_MSG_DELCHAIN, std::string(part.name));
        add(message, part.name);
      }
    return {};
  }

  Result<std::optional<std::uint32_t>> number_of_set(const std::string& name) override {
    const auto raw = raw_.sets.find(name);
    if (raw == raw_.sets.end() || (raw->second.number(NFTA_SET_FLAGS) & NFT_SET_ANONYMOUS) == 0)
      return std::optional<std::uint32_t>{};
    const std::uint32_t number = of_.next_number_++;
    add_set(raw->second, name_in_transaction(name), number);
    auto elements = TRY(read_raw_elements(of_.there_, wanted_.family, wanted_.name, name));
    const bool is_meter = (raw->second.number(NFTA_SET_FLAGS) & NFT_SET_EVAL) != 0;  // packets fill it
    if (!is_meter) TRY(add_elements(NFT_MSG_NEWSETELEM, name_in_transaction(name), number, elements));
    return std::optional(number);
  }

  Result<std::optional<std::uint32_t>> number_of_chain(const std::string& name) override {
    const auto raw = raw_.chains.find(name);
    if (raw == raw_.chains.end() || (raw->second.number(NFTA_CHAIN_FLAGS) & NFT_CHAIN_BINDING) == 0)
      return std::optional<std::uint32_t>{};
    const std::uint32_t number = of_.next_number_++;
    BatchMessage message = batch_.start(NFT_MSG_NEWCHAIN, number_of(wanted_.family), NLM_F_CREATE);
    message.text(NFTA_CHAIN_TABLE, wanted_.name);
    message.number(NFTA_CHAIN_ID, number);
    message.number(NFTA_CHAIN_FLAGS, NFT_CHAIN_BINDING);
    add(message, name);
    const auto rules = TRY(read_raw_rules(of_.there_, wanted_.family, wanted_.name, name));
    for (const HandledRule& rule : rules) {
      const std::string expressions = TRY(with_numbers(rule.rule.expressions, *this));
      BatchMessage inner =
          batch_.start(NFT_MSG_NEWRULE, number_of(wanted_.family), NLM_F_CREATE | NLM_F_APPEND);
      inner.text(NFTA_RULE_TABLE, wanted_.name);
      inner.number(NFTA_RULE_CHAIN_ID, number);
      finish_rule(inner, expressions, rule.rule.userdata);
      add(inner, name);
    }
    return std::optional(number);
  }

 private:
  std::uint32_t add(BatchMessage message, std::string_view part) {
    const std::uint32_t number = batch_.add(message);
    of_.about_.emplace(number, format("table {}: {}", escape(wanted_.title()), escape(part)));
    return number;
  }

  BatchMessage about_chain(std::uint16_t type, const std::string& chain, std::uint16_t flags = 0) {
    BatchMessage message = batch_.start(type, number_of(wanted_.family), flags);
    message.text(NFTA_CHAIN_TABLE, wanted_.name);
    message.text(NFTA_CHAIN_NAME, chain);
    return message;
  }

  static Error not_staged(std::string_view kind, std::string_view name) {
    return Error{.kind = ErrorKind::kernel, .message = format("{} {} was not staged", kind, escape(name))};
  }

  Status make_chain(const NativePart& part) {
    const auto raw = raw_.chains.find(std::string(part.name));
    if (raw == raw_.chains.end()) return not_staged("chain", part.name);
    BatchMessage message = copy_of(batch_, NFT_MSG_NEWCHAIN, wanted_.family, raw->second,
                                   {NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY,
                                    NFTA_CHAIN_TYPE, NFTA_CHAIN_USERDATA});
    if ((raw->second.number(NFTA_CHAIN_FLAGS) & NFT_CHAIN_HW_OFFLOAD) != 0)
      message.number(NFTA_CHAIN_FLAGS, NFT_CHAIN_HW_OFFLOAD);
    add(message, part.name);
    return {};
  }

  void set_policy(const NativePart& part) {
    BatchMessage message = about_chain(NFT_MSG_NEWCHAIN, std::string(part.name));
    message.number(NFTA_CHAIN_POLICY, part.policy() == "drop" ? NF_DROP : NF_ACCEPT);
    add(message, part.name);
  }

  void add_set(const RawObject& raw, const std::string& name, std::uint32_t number) {
    BatchMessage message =
        copy_of(batch_, NFT_MSG_NEWSET, wanted_.family, raw,
                {NFTA_SET_TABLE, NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN, NFTA_SET_DATA_TYPE,
                 NFTA_SET_DATA_LEN, NFTA_SET_POLICY, NFTA_SET_DESC, NFTA_SET_TIMEOUT, NFTA_SET_GC_INTERVAL,
                 NFTA_SET_USERDATA, NFTA_SET_OBJ_TYPE, NFTA_SET_EXPR, NFTA_SET_EXPRESSIONS});
    message.text(NFTA_SET_NAME, name);
    message.number(NFTA_SET_ID, number);
    add(message, name);
  }

  Status make_set(const NativePart& part) {
    const auto raw = raw_.sets.find(std::string(part.name));
    if (raw == raw_.sets.end()) return not_staged("set", part.name);
    const std::uint32_t number = of_.next_number_++;
    add_set(raw->second, raw->first, number);
    numbers_[raw->first] = number;
    return {};
  }

  Status put_elements(const NativePart& part) {
    const std::string set(part.name);
    const auto elements = TRY(read_raw_elements(of_.there_, wanted_.family, wanted_.name, set));
    return add_elements(NFT_MSG_NEWSETELEM, set, numbers_[set], elements);
  }

  /// `number` is 0 for a set that is there already.
  Status add_elements(std::uint16_t type, const std::string& set, std::uint32_t number,
                      const std::vector<RawElement>& elements) {
    for (std::size_t i = 0; i < elements.size();) {
      BatchMessage message =
          batch_.start(type, number_of(wanted_.family), type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
      message.text(NFTA_SET_ELEM_LIST_TABLE, wanted_.name);
      message.text(NFTA_SET_ELEM_LIST_SET, set);
      if (number != 0) message.number(NFTA_SET_ELEM_LIST_SET_ID, number);
      nlattr* list = message.begin(NFTA_SET_ELEM_LIST_ELEMENTS);
      for (std::size_t size = 0; i < elements.size() && size < kElementsOfMessage; ++i) {
        nlattr* nest = message.begin(NFTA_LIST_ELEM);
        for (const auto& [raw_type, bytes] : elements[i].attributes.attributes) {
          if ((raw_type & NLA_TYPE_MASK) == NFTA_SET_ELEM_EXPIRATION) continue;
          message.bytes(raw_type, bytes);
          size += bytes.size() + sizeof(nlattr);
        }
        message.end(nest);
      }
      message.end(list);
      add(message, set);
    }
    return {};
  }

  Status change_elements(const NativePart& part) {
    const std::string set(part.name);
    const auto before = TRY(read_raw_elements(of_.here_, wanted_.family, wanted_.name, set));
    const auto after = TRY(read_raw_elements(of_.there_, wanted_.family, wanted_.name, set));
    std::set<std::string> old;
    std::set<std::string> wanted;
    for (const RawElement& element : before)
      if (!element.is_running()) old.insert(element.identity());
    for (const RawElement& element : after) wanted.insert(element.identity());
    std::vector<RawElement> gone;
    std::vector<RawElement> fresh;
    for (const RawElement& element : before)
      if (!element.is_running() && !wanted.contains(element.identity())) gone.push_back(element);
    for (const RawElement& element : after)
      if (!old.contains(element.identity())) fresh.push_back(element);
    TRY(add_elements(NFT_MSG_DELSETELEM, set, 0, gone));
    return add_elements(NFT_MSG_NEWSETELEM, set, 0, fresh);
  }

  Status delete_rules(const NativePart& live) {
    const NativePart* wanted = wanted_.find(live.kind, live.name);
    const auto before = rules_of(&live);
    const auto after = rules_of(wanted);
    const auto stay = stable_rules(before, after);
    if (stay.size() == before.size() && stay.size() == after.size()) return {};
    auto handled = TRY(read_raw_rules(of_.here_, live_->family, live_->name, std::string(live.name)));
    if (handled.size() != before.size()) return error_of<messages::firewall_changed>();
    auto next = stay.begin();
    for (std::uint32_t i = 0; i < handled.size(); ++i) {
      if (next != stay.end() && next->first == i) {
        ++next;
        continue;
      }
      BatchMessage message = batch_.start(NFT_MSG_DELRULE, number_of(live_->family));
      message.text(NFTA_RULE_TABLE, live_->name);
      message.text(NFTA_RULE_CHAIN, std::string(live.name));
      message.handle(NFTA_RULE_HANDLE, handled[i].handle);
      add(message, live.name);
    }
    return {};
  }

  static void finish_rule(BatchMessage& message, const std::string& expressions,
                          const std::string& userdata) {
    message.bytes(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, expressions);
    if (!userdata.empty()) message.bytes(NFTA_RULE_USERDATA, userdata);
  }

  /// A rule with an extension of iptables: `words` are its note.
  Status put_noted_rule(const std::string& chain, std::string_view words, RawRule rule,
                        std::uint64_t behind) {
    const auto family = *iptables_family(wanted_);
    if (of_.translate_ && !TRY(of_.translate_(rule.expressions))) return {};
    Compat compat;
    if (has_extension(rule.expressions)) compat = TRY(compat_of(words, family));
    const std::uint32_t number = batch_.add_rule({family, wanted_.name, chain}, rule, compat, behind);
    of_.about_.emplace(number,
                       format("table {}: chain {}: {}", wanted_.title(), escape(chain), escape(words)));
    return {};
  }

  Status put_rules(const NativePart& part, const NativePart* live) {
    const std::string chain(part.name);
    const auto before = rules_of(live);
    const auto after = rules_of(&part);
    const auto stay = stable_rules(before, after);
    if (stay.size() == after.size()) return {};
    std::vector<HandledRule> here;
    if (!stay.empty()) here = TRY(read_raw_rules(of_.here_, wanted_.family, wanted_.name, chain));
    if (!stay.empty() && here.size() != before.size()) return error_of<messages::firewall_changed>();
    const auto there = TRY(read_raw_rules(of_.there_, wanted_.family, wanted_.name, chain));
    // All of them, or those that do not stay.
    const bool all = there.size() == after.size();
    if (!all && there.size() != after.size() - stay.size()) return not_staged("a rule of chain", chain);
    std::size_t fresh = 0;
    auto next = stay.begin();
    for (std::uint32_t i = 0; i < after.size(); ++i) {
      if (next != stay.end() && next->second == i) {
        ++next;
        continue;
      }
      const RawRule& staged = there[all ? i : fresh++].rule;
      const std::uint64_t behind = next == stay.end() ? 0 : here[next->first].handle;
      if (const auto note = split_note(after[i].words).iptables; !note.empty()) {
        TRY(put_noted_rule(chain, note, staged, behind));
        continue;
      }
      const std::string expressions = TRY(with_numbers(staged.expressions, *this));
      BatchMessage message =
          batch_.start(NFT_MSG_NEWRULE, number_of(wanted_.family),
                       static_cast<std::uint16_t>(NLM_F_CREATE | (behind == 0 ? NLM_F_APPEND : 0)));
      message.text(NFTA_RULE_TABLE, wanted_.name);
      message.text(NFTA_RULE_CHAIN, chain);
      if (behind != 0) message.handle(NFTA_RULE_POSITION, behind);
      finish_rule(message, expressions, staged.userdata);
      add(message, format("chain {} rule {}: {}", chain, i + 1, after[i].words));
    }
    return {};
  }

  NativeBatch& of_;
  Batch& batch_;
  const NativeTable& wanted_;
  const NativeTable* live_;
  RawTable raw_{};
  std::map<std::string, std::uint32_t> numbers_{};  ///< of the sets that this batch makes
};

Status NativeBatch::take_away(Batch& batch) {
  const auto is_filled_by_packets = [](const NativePart& part) {
    return part.is_dynamic() ||
           (part.has_elements() && std::ranges::any_of(part.facts, [](std::string_view fact) {
              return fact.find("timeout") != std::string_view::npos;
            }));
  };
  for (const NativeTable& table : live_.tables) {
    const NativeTable* wanted = wanted_.find(table.family, table.name);
    if (wanted == nullptr) {
      Work::drop(*this, batch, table);
    } else if (anew_ || !same_text(*wanted, table)) {
      if (in_place(table, *wanted)) {
        TRY(Work(*this, batch, *wanted, &table).take_away());
      } else {
        Work::drop(*this, batch, table);
        if (!anew_ && std::ranges::any_of(table.parts, is_filled_by_packets))
          log_warning(
              "table {} is made anew: elements that packets or a timeout brought into its sets are gone",
              escape(table.title()));
      }
    }
  }
  return {};
}

Status NativeBatch::put(Batch& batch) {
  for (const NativeTable* table : differing_tables(wanted_, anew_ ? NativeTables{} : live_)) {
    const NativeTable* live = live_.find(table->family, table->name);
    Work work(*this, batch, *table, live);
    if (live != nullptr && in_place(*live, *table))
      TRY(work.put_in_place());
    else
      TRY(work.make());
  }
  return {};
}

bool NativeBatch::in_place(const NativeTable& live, const NativeTable& wanted) const {
  return !anew_ && changes_in_place(live, wanted);
}

std::string NativeBatch::about(std::uint32_t message) const {
  const auto found = about_.find(message);
  return found == about_.end() ? std::string{} : found->second;
}

}  // namespace rewall
