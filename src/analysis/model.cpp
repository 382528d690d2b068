#include "analysis/model.h"

#include <algorithm>
#include <array>

#include "analysis/actions.h"
#include "analysis/model_parts.h"
#include "analysis/stations.h"

namespace rewall {
namespace {

// So many rules are read at a time.
constexpr std::size_t kGlances = 512;
// A chain with more rules, or chains in chains deeper than this, is taken for one that matters.
constexpr std::size_t kMostQuietRules = 64;
constexpr unsigned kDeepest = 16;

template <class AddressNumber>
std::vector<QuickRule<AddressNumber>>& quick_rules(Model::Parts::ChainRules& rules) {
  if constexpr (sizeof(AddressNumber) == sizeof(std::uint32_t))
    return rules.v4;
  else
    return rules.v6;
}

bool has_word(const Tables& tables, std::string_view table, std::initializer_list<std::string_view> words) {
  for (const auto& each : tables.tables) {
    if (!table.empty() && each.name != table) continue;
    for (const auto& chain : each.chains) {
      for (const auto& rule : chain.rules) {
        const auto stands = [&rule](std::string_view word) {
          return rule.words.find(word) != std::string_view::npos;
        };
        if (std::ranges::any_of(words, stands)) return true;
      }
    }
  }
  return false;
}

}  // namespace

template <class AddressNumber>
const std::vector<QuickRule<AddressNumber>>& Model::Parts::quick(std::size_t table,
                                                                 std::size_t place_of_chain,
                                                                 std::size_t place) {
  auto& done = quick_rules<AddressNumber>(rules[table].chains[place_of_chain]);
  if (place < done.size()) return done;
  const auto& all = chain(table, place_of_chain).rules;
  const auto end = std::min(all.size(), (place / kGlances + 1) * kGlances);
  done.reserve(end == all.size() ? end : std::max(end, done.capacity()));
  while (done.size() < end)
    done.push_back(glance<AddressNumber>(all[done.size()].words, *rules[table].places, patterns));
  return done;
}

template const std::vector<QuickRuleV4>& Model::Parts::quick(std::size_t, std::size_t, std::size_t);
template const std::vector<QuickRuleV6>& Model::Parts::quick(std::size_t, std::size_t, std::size_t);

const ModelRule& Model::Parts::rule(std::size_t table, std::size_t place_of_chain, std::size_t place) {
  auto& slot = rules[table].chains[place_of_chain].full[place];
  if (slot) return *slot;
  slot = std::make_unique<ModelRule>();
  slot->words = chain(table, place_of_chain).rules[place].words;
  const Surroundings around{
      .family = family, .backend = tables[table].backend, .facts = &facts, .sets = &ruleset->sets};
  const auto parsed = parse_rule(slot->words, family);
  if (!parsed) {
    slot->conditions.push_back(unknown(std::string(slot->words)));
    slot->action = RuleAction{.kind = RuleAction::Kind::unknown, .words = std::string(slot->words)};
    return *slot;
  }
  const auto find = [&](std::string_view name) -> std::optional<std::size_t> {
    const auto found = rules[table].places->find(name);
    if (found == SIZE_MAX) return std::nullopt;
    return found;
  };
  slot->conditions = read_conditions(*parsed, around);
  slot->action = read_action(parsed->target, around, find);
  if (adds_segment_size(slot->action) && !asks_for_length()) slot->action.kind = RuleAction::Kind::none;
  return *slot;
}

bool Model::Parts::matters(std::size_t table, std::size_t place_of_chain) {
  auto& known = rules[table].chains[place_of_chain].matters;
  if (!known) known = chain_matters(table, place_of_chain, 0);
  return *known;
}

bool Model::Parts::chain_matters(std::size_t table, std::size_t place_of_chain, unsigned depth) {
  const auto count = chain(table, place_of_chain).rules.size();
  if (count > kMostQuietRules || depth > kDeepest) return true;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& action = rule(table, place_of_chain, i).action;
    const bool quiet =
        action.kind == RuleAction::Kind::none || action.kind == RuleAction::Kind::leave ||
        (action.kind == RuleAction::Kind::jump && !chain_matters(table, action.chain, depth + 1));
    if (!quiet) return true;
  }
  return false;
}

const SetMembers* Model::Parts::members(std::string_view set, bool nomatch) {
  auto& all = nomatch ? nomatch_sets : sets;
  const auto known = all.find(set);
  if (known != all.end()) return known->second.get();
  const auto* found = ruleset->sets.find(set);
  auto made = found == nullptr ? nullptr : std::make_unique<SetMembers>(*found, family, nomatch);
  return all.emplace(std::string(set), std::move(made)).first->second.get();
}

bool Model::Parts::tracks() {
  if (tracking) return *tracking;
  const auto in = [&](Slot slot) {
    const auto& each = (*ruleset)[slot];
    return slot.family == family && (has_word(each, "nat", {"-j"}) ||
                                     has_word(each, "", {"conntrack", "-m state", "CONNMARK", "connmark"}));
  };
  tracking = std::ranges::any_of(Ruleset::slots(), in);
  return *tracking;
}

bool Model::Parts::asks_for_length() {
  if (!asking_for_length)
    asking_for_length = std::ranges::any_of(Ruleset::slots(), [this](Slot slot) {
      return slot.family == family && has_word((*ruleset)[slot], "", {"-m length ", "--tcp-option "});
    });
  return *asking_for_length;
}

bool Model::Parts::translates(Hook hook) {
  auto& known = translating[static_cast<std::size_t>(hook)];
  if (known) return *known;
  const bool source = hook == Hook::input || hook == Hook::postrouting;
  known = std::ranges::any_of(stations[static_cast<std::size_t>(hook)], [&](const Station& station) {
    if (!station.native.empty() || tables[station.table].name() != "nat") return false;
    if (chain(station.table, station.chain).rules.empty()) return false;
    const auto& all = (*ruleset)[tables[station.table].slot];
    return source ? has_word(all, "nat", {" SNAT", " MASQUERADE", " NETMAP"})
                  : has_word(all, "nat", {" DNAT", " REDIRECT", " NETMAP"});
  });
  return *known;
}

Model::Model(const Ruleset& ruleset, Family family, HostFacts facts) : parts_(std::make_unique<Parts>()) {
  parts_->ruleset = &ruleset;
  parts_->family = family;
  parts_->facts = std::move(facts);
  parts_->local = parts_->facts.local(family);
  parts_->arriving = parts_->local;
  if (family == Family::ipv4) {
    std::vector<NumberRange> broadcasts = {{0xffffffff, 0xffffffff}};
    for (const auto& interface : parts_->facts.interfaces)
      for (const auto& network : interface.v4_networks)
        if (network.last - network.first > 2) broadcasts.push_back({network.last, network.last});
    parts_->arriving = either(parts_->arriving, NumberSet(std::move(broadcasts)));
  }
  for (const auto slot : Ruleset::slots()) {
    if (slot.family != family) continue;
    for (const auto& table : ruleset[slot].tables) {
      parts_->tables.push_back(
          ModelTable{.slot = slot, .backend = ruleset.backend_of(slot), .table = &table});
      parts_->rules.push_back({.places = std::make_unique<ChainPlaces>(table),
                               .chains = std::vector<Parts::ChainRules>(table.chains.size())});
    }
  }
  parts_->stations = find_stations(parts_->tables, ruleset, family);
}

Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Family Model::family() const {
  return parts_->family;
}

const HostFacts& Model::facts() const {
  return parts_->facts;
}

const Ruleset& Model::ruleset() const {
  return *parts_->ruleset;
}

const std::vector<ModelTable>& Model::tables() const {
  return parts_->tables;
}

const std::vector<Station>& Model::stations(Hook hook) const {
  return parts_->stations[static_cast<std::size_t>(hook)];
}

const ModelRule& Model::rule(std::size_t table, std::size_t chain, std::size_t place) const {
  return parts_->rule(table, chain, place);
}

std::optional<std::size_t> Model::find_chain(std::size_t table, std::string_view name) const {
  const auto found = parts_->rules[table].places->find(name);
  if (found == SIZE_MAX) return std::nullopt;
  return found;
}

std::optional<bool> Model::has_member(const std::string& set, const std::vector<Field>& fields,
                                      const Packet& packet) const {
  const auto* members = parts_->members(set);
  if (members == nullptr || !members->known()) return std::nullopt;
  std::vector<Number> values;
  std::uint8_t protocol = 0;
  for (const auto field : fields) {
    if (!packet[field].is_one()) return std::nullopt;
    values.push_back(packet[field].ranges()[0].first);
  }
  if (members->has_port()) {
    const auto port = set_port(packet, fields[members->port_part()]);
    if (!port.known) return std::nullopt;
    if (!port.there || (members->is_port_map() && port.protocol != 6 && port.protocol != 17)) return false;
    values[members->port_part()] = port.number;
    protocol = port.protocol;
  }
  if (members->contains(values, protocol)) return true;
  if (members->open()) return std::nullopt;
  return false;
}

}  // namespace rewall
