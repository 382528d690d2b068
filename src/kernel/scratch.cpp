#include "kernel/scratch.h"

#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "kernel/batch.h"
#include "kernel/process.h"
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

/// Makes a built-in chain with the host's iptables.
Status make_chain(Programs& programs, const Scratch::Place& place) {
  const auto& [family, table, chain] = place;
  auto program = TRY(programs.iptables(Backend::nft, family, "restore", ErrorKind::kernel));
  const auto outcome = TRY(run(programs.command({std::move(program), "--noflush"},
                                                format("*{}\n:{} ACCEPT [0:0]\nCOMMIT\n", table, chain)),
                               ErrorKind::kernel));
  if (outcome.ok()) return {};
  return Error{.kind = ErrorKind::kernel, .message = outcome.text()};
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

Result<std::map<std::string, std::vector<RawRule>>> Scratch::take_table(
    Family family, const std::string& table, const std::vector<std::string>& chains) const {
  std::map<std::string, std::vector<RawRule>> rules;
  for (const std::string& chain : chains)
    if (const int error = list(*socket, {family, table, chain}, rules[chain]); error != 0)
      return Error{.kind = ErrorKind::kernel,
                   .message = format("nf_tables: list of staged rules: {}", errno_text(error))};
  Batch batch(0);
  auto message = batch.start(NFT_MSG_DELTABLE, number_of(family));
  message.text(NFTA_TABLE_NAME, table);
  batch.add(message);
  if (const auto refused = batch.send(*socket))
    return Error{.kind = ErrorKind::kernel,
                 .message = format("nf_tables: table {} {}: {}", short_name(family), table,
                                   errno_text(refused->error))};
  return rules;
}

Result<BaseChain> Scratch::base_chain(Programs& programs, const Place& place) const {
  const auto& [family, table, chain] = place;
  if (const auto made = TRY(read_base_chain(*socket, family, table, chain))) return *made;
  Status done;
  TRY(space.run([&] { done = make_chain(programs, place); }));
  if (const auto made = TRY(read_base_chain(*socket, family, table, chain))) return *made;
  return error_of<messages::chain_not_made>(short_name(family), table, chain,
                                            done ? "it says nothing" : done.error().message);
}

}  // namespace rewall
