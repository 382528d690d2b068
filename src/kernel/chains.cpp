#include "kernel/chains.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/format.h"
#include "core/text.h"
#include "kernel/nftables.h"

namespace rewall {
namespace {

bool is_plain(std::string_view name) {
  return !name.empty() && name.find_first_of(" \t\n\"'\\#") == std::string_view::npos &&
         !name.starts_with('-');
}

// `iptables-restore --noflush` takes commands of iptables as its lines, and `-S CHAIN` is one: a program for
// all chains, where iptables needs one for each. Nothing is left to commit at the end, and none is sent
// (iptables 1.8.9, nft_action() in iptables/nft.c).
std::string question_for(const std::vector<ChainsOfTable>& tables, Family family) {
  std::string request;
  for (const auto& table : tables) {
    std::string lines;
    for (const auto& chain : table.chains)
      if (!chain.policy.empty()) lines += format("-S {}\n", chain.chain);
    if (table.family == family && !lines.empty()) request += format("*{}\n{}COMMIT\n", table.table, lines);
  }
  return request;
}

/// Takes "-P INPUT DROP" or "-N mine", and the rules: as many as the kernel has. False where the program
/// printed something else.
Result<bool> take_answer(PrintedRules& printed, ChainText& chain, const KernelTable& table) {
  const KernelChain* kernel = table.find(chain.chain);
  const std::string_view head = printed.rest().substr(0, printed.rest().find('\n'));
  if (head == "-N " + chain.chain)
    chain.policy = "-";
  else if (const auto start = "-P " + chain.chain + " "; head.starts_with(start))
    chain.policy = head.substr(start.size());
  else
    return false;
  printed.skip(std::min(head.size() + 1, printed.rest().size()));
  const auto begin = "-A " + chain.chain;
  printed.begin_copy();
  for (std::size_t place = 0; place < kernel->rules; ++place) {
    const std::string_view rest = printed.rest();
    if (!rest.starts_with(begin) || rest.find_first_of(" \n", begin.size()) != begin.size()) return false;
    TRY(printed.take(table, *kernel, place));
  }
  chain.rules = printed.end_copy();
  return true;
}

std::vector<KernelTable> kernel_of(const std::vector<ChainsOfTable>& tables) {
  std::vector<KernelTable> told;
  for (const auto& table : tables) {
    std::vector<std::string> names;
    for (const auto& chain : table.chains)
      if (!chain.policy.empty()) names.push_back(chain.chain);
    // What is not there any more is the generation's matter.
    auto asked = ask_nft_table(table.family, table.table, names);
    told.push_back(asked ? *std::move(asked) : KernelTable{.family = table.family, .name = table.table});
  }
  return told;
}

std::vector<ChainsOfTable> by_table(const std::map<ChainName, bool>& chains) {
  std::vector<ChainsOfTable> tables;
  for (const auto& [name, there] : chains) {
    if (tables.empty() || tables.back().family != name.family || tables.back().table != name.table)
      tables.push_back({.family = name.family, .table = name.table});
    // Until the program says it.
    tables.back().chains.push_back({.chain = name.chain, .policy = there ? "?" : ""});
  }
  return tables;
}

}  // namespace

Result<std::optional<std::vector<ChainsOfTable>>> read_chains(Programs& programs,
                                                              const std::map<ChainName, bool>& chains,
                                                              ChainDoubts* doubts) {
  using Nothing = std::optional<std::vector<ChainsOfTable>>;
  for (const auto& [name, there] : chains)
    if (!is_plain(name.chain)) return Nothing{};
  auto tables = by_table(chains);
  const auto told = kernel_of(tables);
  std::vector<Command> commands;
  std::vector<Family> families;
  for (const Family family : kFamilies) {
    auto request = question_for(tables, family);
    if (request.empty()) continue;
    auto program = TRY(programs.iptables(Backend::nft, family, "restore", ErrorKind::capture));
    commands.push_back(programs.command({std::move(program), "--noflush"}, std::move(request)));
    families.push_back(family);
  }
  auto outcomes = TRY(run_side_by_side(std::move(commands), ErrorKind::capture));
  for (std::size_t i = 0; i < families.size(); ++i) {
    if (!outcomes[i].ok()) return Nothing{};
    PrintedRules printed(outcomes[i].out);
    for (std::size_t at = 0; at < tables.size(); ++at)
      for (auto& chain : tables[at].chains) {
        if (tables[at].family != families[i] || chain.policy.empty()) continue;
        if (told[at].find(chain.chain) == nullptr || !TRY(take_answer(printed, chain, told[at])))
          return Nothing{};
      }
    if (!printed.rest().empty()) return Nothing{};
    if (doubts == nullptr) continue;
    std::ranges::move(printed.doubtful, std::back_inserter(doubts->rules));
    std::ranges::move(printed.notes, std::back_inserter(doubts->notes));
  }
  return std::optional(std::move(tables));
}

}  // namespace rewall
