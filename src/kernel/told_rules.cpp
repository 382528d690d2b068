#include "kernel/told_rules.h"

#include <netinet/in.h>

#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "kernel/batch.h"
#include "kernel/chains.h"
#include "kernel/scratch.h"
#include "kernel/set_numbers.h"
#include "rules/print.h"

namespace rewall {

namespace {

// The kernel checks an extension against the protocol that it is told with the rule, and does not give the
// protocol back (expressions.h). What iptables-save prints does not depend on it: the first that fits will
// do.
constexpr std::array<std::uint32_t, 8> kProtocols = {
    0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_DCCP};

/// A rule on its way, with the names of the sets that it holds the numbers of.
struct Copy {
  const ToldRule* rule = nullptr;
  RawRule raw{};
  std::vector<std::pair<std::size_t, std::string>> sets{};  ///< by their place in the expressions
  bool made = false;
};

bool is_sayable(std::string_view name) {
  return name.find_first_of(" \t\n\v\f\r\"'\\#") == std::string_view::npos && !name.starts_with('-');
}

/// Absent for a rule that names a set which is not there any more, and for chains that iptables cannot say.
std::optional<Copy> copy_of(const ToldRule& rule, const SetNumbers& numbers) {
  Copy copy{.rule = &rule, .raw = rule.rule};
  if (!is_sayable(rule.chain.chain) || !is_sayable(chain_behind(copy.raw.expressions))) return std::nullopt;
  for (const std::size_t place : set_numbers(copy.raw.expressions)) {
    std::uint16_t number = 0;
    std::memcpy(&number, copy.raw.expressions.data() + place, sizeof number);
    auto name = numbers.name(number);
    if (!name) return std::nullopt;
    copy.sets.emplace_back(place, *std::move(name));
  }
  return copy;
}

/// Chains of the rules and those that they lead to, as input of iptables-restore.
std::string chains_text(const std::vector<Copy>& copies, Family family) {
  std::map<std::string, std::set<std::string>> tables;
  for (const Copy& copy : copies) {
    const ChainName& place = copy.rule->chain;
    if (place.family != family) continue;
    auto& chains = tables[place.table];
    chains.insert(place.chain);
    if (auto behind = chain_behind(copy.raw.expressions); !behind.empty()) chains.insert(std::move(behind));
  }
  std::string text;
  for (const auto& [table, chains] : tables) {
    text += format("*{}\n", table);
    for (const auto& chain : chains)
      text += format(":{} {} [0:0]\n", chain, is_built_in(table, chain) ? "ACCEPT" : "-");
    text += "COMMIT\n";
  }
  return text;
}

// A rule names its sets, of whatever type they are.
Status make_sets(Programs& programs, const std::vector<Copy>& copies) {
  std::set<std::string> names;
  for (const Copy& copy : copies)
    for (const auto& [place, name] : copy.sets) names.insert(name);
  if (names.empty()) return {};
  std::string text;
  for (const auto& name : names) text += format("create \"{}\" hash:ip\n", name);
  auto outcome =
      TRY(run(programs.command({programs.ipset(), "restore"}, std::move(text)), ErrorKind::kernel));
  if (outcome.ok()) return {};
  return Error{.kind = ErrorKind::kernel, .message = outcome.text()};
}

Status make_chains(Programs& programs, const std::vector<Copy>& copies) {
  for (const Family family : kFamilies) {
    auto text = chains_text(copies, family);
    if (text.empty()) continue;
    auto program = TRY(programs.iptables(Backend::nft, family, "restore", ErrorKind::kernel));
    auto outcome =
        TRY(run(programs.command({std::move(program), "--noflush"}, std::move(text)), ErrorKind::kernel));
    if (!outcome.ok()) return Error{.kind = ErrorKind::kernel, .message = outcome.text()};
  }
  return {};
}

void make_rule(Copy& copy, const NetlinkSocket& socket, const SetNumbers& numbers) {
  for (const auto& [place, name] : copy.sets) {
    const auto number = numbers.number(name);
    if (!number) return;
    std::memcpy(copy.raw.expressions.data() + place, &*number, sizeof *number);
  }
  const bool tries = has_extension(copy.raw.expressions);
  for (const std::uint32_t protocol : kProtocols) {
    Batch batch(0);
    batch.add_rule(copy.rule->chain, copy.raw, {.protocol = protocol}, 0);
    copy.made = !batch.send(socket);
    if (copy.made || !tries) return;
  }
}

/// The lines that were printed of a chain, without "-A CHAIN".
std::vector<std::string> words_in(const ChainText& chain) {
  std::vector<std::string> words;
  const auto begin = format("-A {}", chain.chain);
  for (const auto line : split_lines(chain.rules))
    if (line.starts_with(begin)) words.emplace_back(trim(line.substr(begin.size())));
  return words;
}

/// In the scratch namespace.
Status read_words(Programs& programs, const std::vector<Copy>& copies, std::vector<std::string>& words,
                  const ToldRule* first) {
  std::map<ChainName, bool> chains;
  for (const Copy& copy : copies)
    if (copy.made) chains[copy.rule->chain] = true;
  auto tables = TRY(read_chains(programs, chains));
  if (!tables) return {};
  for (const auto& table : *tables)
    for (const auto& chain : table.chains) {
      const auto printed = words_in(chain);
      std::vector<const Copy*> there;
      for (const Copy& copy : copies)
        if (copy.made && copy.rule->chain == ChainName{table.family, table.table, chain.chain})
          there.push_back(&copy);
      if (printed.size() != there.size()) continue;
      for (std::size_t i = 0; i < there.size(); ++i)
        words[static_cast<std::size_t>(there[i]->rule - first)] = printed[i];
    }
  return {};
}

}  // namespace

Result<std::vector<std::string>> words_of(Programs& programs, std::span<const ToldRule> rules) {
  std::vector<std::string> words(rules.size());
  std::vector<Copy> copies;
  const SetNumbers numbers;
  for (const ToldRule& rule : rules)
    if (auto copy = copy_of(rule, numbers)) copies.push_back(*std::move(copy));
  if (copies.empty()) return words;
  auto scratch = TRY(Scratch::make());
  Status done;
  TRY(scratch->space.run([&] {
    done = [&]() -> Status {
      TRY(make_sets(programs, copies));
      TRY(make_chains(programs, copies));
      for (Copy& copy : copies) make_rule(copy, *scratch->socket, *scratch->numbers);
      return read_words(programs, copies, words, rules.data());
    }();
  }));
  if (!done) return std::move(done).error();
  return words;
}

}  // namespace rewall
