#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "analysis/conditions.h"
#include "analysis/model.h"
#include "analysis/quick_rules.h"
#include "analysis/set_members.h"

/// What the sources of this folder know of a model.
namespace rewall {

struct Model::Parts {
  /// The rules of a chain, as far as somebody asked for them.
  struct ChainRules {
    std::vector<QuickRuleV4> v4{};
    std::vector<QuickRuleV6> v6{};
    std::unordered_map<std::size_t, std::unique_ptr<ModelRule>> full{};
    std::optional<bool> matters{};
  };
  struct TableRules {
    std::unique_ptr<ChainPlaces> places{};
    std::vector<ChainRules> chains{};
  };

  const Ruleset* ruleset = nullptr;
  Family family = Family::ipv4;
  HostFacts facts{};
  NumberSet local{};
  NumberSet
      arriving{};  // what is routed to this host: its addresses, and the broadcast addresses of its networks
  std::vector<ModelTable> tables{};
  std::vector<TableRules> rules{};
  std::array<std::vector<Station>, 5> stations{};
  InterfacePatterns patterns{};
  std::map<std::string, std::unique_ptr<SetMembers>, std::less<>> sets{};
  std::map<std::string, std::unique_ptr<SetMembers>, std::less<>> nomatch_sets{};
  std::optional<bool> tracking{};
  std::optional<bool> asking_for_length{};
  std::array<std::optional<bool>, 5> translating{};

  const Chain& chain(std::size_t table, std::size_t place) const {
    return tables[table].table->chains[place];
  }
  /// The rules of a chain up to `place` at the least, at a glance.
  template <class AddressNumber>
  const std::vector<QuickRule<AddressNumber>>& quick(std::size_t table, std::size_t place_of_chain,
                                                     std::size_t place);
  const ModelRule& rule(std::size_t table, std::size_t place_of_chain, std::size_t place);
  /// False where it makes no difference whether a packet meets the chain: no rule of it does anything but
  /// log.
  bool matters(std::size_t table, std::size_t place_of_chain);
  /// Null for a set that the ruleset does not have. `nomatch`: for --return-nomatch.
  const SetMembers* members(std::string_view set, bool nomatch = false);
  /// Whether rules track connections.
  bool tracks();
  /// Whether rules ask for what TCPMSS can change.
  bool asks_for_length();
  /// Whether the tables nat have a rule at this hook that can translate.
  bool translates(Hook hook);

 private:
  bool chain_matters(std::size_t table, std::size_t place_of_chain, unsigned depth);
};

}  // namespace rewall
