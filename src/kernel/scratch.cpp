#include "kernel/scratch.h"

#include <utility>

#include "kernel/rule_list.h"

namespace rewall {

namespace {

int list(NetlinkSocket& socket, const Scratch::Place& place, std::vector<RawRule>& rules) {
  const auto& [family, table, chain] = place;
  return each_rule(socket, family, table, chain, [&](const auto& facts) {
    rules.push_back({.expressions = std::string(payload(facts[NFTA_RULE_EXPRESSIONS])),
                     .userdata = std::string(payload(facts[NFTA_RULE_USERDATA]))});
  });
}

}  // namespace

Result<std::shared_ptr<Scratch>> Scratch::make() {
  auto scratch = std::make_shared<Scratch>(TRY(ScratchNamespace::create()));
  TRY(scratch->space.run([&] {
    scratch->socket = std::make_unique<NetlinkSocket>();
    scratch->numbers = std::make_unique<SetNumbers>();
  }));
  return scratch;
}

int Scratch::take_rules(const Place& place, std::vector<RawRule>& rules) const {
  if (auto ahead = listed.extract(place)) {
    rules = std::move(ahead.mapped());
    return 0;
  }
  return list(*socket, place, rules);
}

void Scratch::list_rules() {
  for (const auto& [place, wanted] : positions) {
    std::vector<RawRule> rules;
    rules.reserve(wanted.size());
    if (list(*socket, place, rules) == 0) listed.emplace(place, std::move(rules));
  }
}

}  // namespace rewall
