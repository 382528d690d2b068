#include "kernel/chains.h"

#include <algorithm>
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

std::string_view take_line(std::string_view& text) {
  const auto line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  return line;
}

// "-P INPUT DROP" or "-N mine", then its rules.
bool take_answer(std::string_view& text, ChainText& chain) {
  const auto head = take_line(text);
  if (head == "-N " + chain.chain)
    chain.policy = "-";
  else if (const auto start = "-P " + chain.chain + " "; head.starts_with(start))
    chain.policy = head.substr(start.size());
  else
    return false;
  const auto begin = "-A " + chain.chain + " ";
  const auto whole = text;
  while (text.starts_with(begin)) take_line(text);
  chain.rules = whole.substr(0, whole.size() - text.size());
  return true;
}

Status refuse_native_rules(const std::vector<ChainsOfTable>& tables) {
  for (const auto& table : tables) {
    std::vector<std::string> names;
    for (const auto& chain : table.chains)
      if (!chain.policy.empty()) names.push_back(chain.chain);
    auto native = find_native_rule(table.family, table.table, names);
    // What is not there any more is the generation's matter.
    if (!native || !*native) continue;
    return Error{.kind = ErrorKind::capture,
                 .message = format("table {} {}: chain {}: {}", short_name(table.family), table.table,
                                   (*native)->chain, (*native)->what)};
  }
  return {};
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
                                                              const std::map<ChainName, bool>& chains) {
  using Nothing = std::optional<std::vector<ChainsOfTable>>;
  for (const auto& [name, there] : chains)
    if (!is_plain(name.chain)) return Nothing{};
  auto tables = by_table(chains);
  TRY(refuse_native_rules(tables));
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
    std::string_view text = outcomes[i].out;
    for (auto& table : tables)
      for (auto& chain : table.chains)
        if (table.family == families[i] && !chain.policy.empty() && !take_answer(text, chain))
          return Nothing{};
    if (!text.empty()) return Nothing{};
  }
  return std::optional(std::move(tables));
}

}  // namespace rewall
