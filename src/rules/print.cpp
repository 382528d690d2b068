#include "rules/print.h"

#include <algorithm>
#include <charconv>

namespace rewall {
namespace {

struct KernelTable {
  std::string_view name;
  std::vector<std::string> chains;
};

// In the order of a canonical text; the chains in the order of the hooks, as iptables-save prints them.
const std::vector<KernelTable>& kernel_tables() {
  static const std::vector<KernelTable> tables = {
      {"raw", {"PREROUTING", "OUTPUT"}},
      {"mangle", {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}},
      {"nat", {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"}},
      {"filter", {"INPUT", "FORWARD", "OUTPUT"}},
      {"security", {"INPUT", "FORWARD", "OUTPUT"}},
  };
  return tables;
}

const KernelTable* kernel_table(std::string_view name) {
  const auto& tables = kernel_tables();
  const auto found = std::ranges::find(tables, name, &KernelTable::name);
  return found == tables.end() ? nullptr : &*found;
}

void append_number(std::string& out, std::uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

void append_counters(std::string& out, const Counters& counters) {
  out += '[';
  append_number(out, counters.packets);
  out += ':';
  append_number(out, counters.bytes);
  out += ']';
}

void append_chain(std::string& out, std::string_view name, std::string_view policy) {
  out += ':';
  out += name;
  out += ' ';
  out += policy;
}

void append_rule(std::string& out, std::string_view chain, std::string_view words) {
  out += "-A ";
  out += chain;
  if (!words.empty()) {
    out += ' ';
    out += words;
  }
  out += '\n';
}

std::size_t room_for(const Table& table) {
  std::size_t bytes = 64;
  for (const auto& chain : table.chains) {
    bytes += chain.name.size() + 64;
    for (const auto& rule : chain.rules) bytes += rule.words.size() + chain.name.size() + 5;
  }
  return bytes;
}

void append_canonical(std::string& out, const Table& table, bool counted = false) {
  const auto append_chain_counters = [&](const Chain* chain) {
    out += ' ';
    append_counters(out, counted && chain != nullptr ? chain->counters.value_or(Counters{}) : Counters{});
    out += '\n';
  };
  out.reserve(out.size() + room_for(table));
  const auto built_in = built_in_chains(table.name);
  std::vector<const Chain*> chains;
  out += '*' + table.name + '\n';
  for (const auto& name : built_in) {
    const auto* chain = table.find(name);
    append_chain(out, name, chain != nullptr ? chain->policy : "ACCEPT");
    append_chain_counters(chain);
    if (chain != nullptr) chains.push_back(chain);
  }
  const auto kernels = static_cast<std::ptrdiff_t>(chains.size());
  for (const auto& chain : table.chains) {
    if (std::ranges::find(built_in, chain.name) == built_in.end()) chains.push_back(&chain);
  }
  std::ranges::stable_sort(chains.begin() + kernels, chains.end(), {}, &Chain::name);
  for (auto chain = chains.begin() + kernels; chain != chains.end(); ++chain) {
    append_chain(out, (*chain)->name, (*chain)->policy);
    append_chain_counters(*chain);
  }
  for (const auto* chain : chains) {
    for (const auto& rule : chain->rules) {
      if (counted) {
        append_counters(out, rule.counters.value_or(Counters{}));
        out += ' ';
      }
      append_rule(out, chain->name, rule.words);
    }
  }
  out += "COMMIT\n";
}

}  // namespace

std::string print_tables(const Tables& tables) {
  std::string out;
  for (const auto& table : tables.tables) {
    out.reserve(out.size() + room_for(table));
    out += '*' + table.name + '\n';
    for (const auto& chain : table.chains) {
      append_chain(out, chain.name, chain.policy);
      if (chain.counters) {
        out += ' ';
        append_counters(out, *chain.counters);
      }
      out += '\n';
    }
    for (const auto& chain : table.chains) {
      for (const auto& rule : chain.rules) {
        if (rule.counters) {
          append_counters(out, *rule.counters);
          out += ' ';
        }
        append_rule(out, chain.name, rule.words);
      }
    }
    out += "COMMIT\n";
  }
  return out;
}

std::string canonical_text(const Table& table) {
  std::string out;
  append_canonical(out, table);
  return out;
}

std::string counted_text(const Table& table) {
  std::string out;
  append_canonical(out, table, true);
  return out;
}

std::string canonical_text(const Tables& tables) {
  std::vector<const Table*> wanted;
  for (const auto& table : tables.tables) {
    if (!is_empty(table)) wanted.push_back(&table);
  }
  std::ranges::stable_sort(wanted, {}, [](const Table* table) { return table_rank(table->name); });
  std::string out;
  for (const auto* table : wanted) append_canonical(out, *table);
  return out;
}

std::vector<std::string> built_in_chains(std::string_view table) {
  const auto* known = kernel_table(table);
  return known == nullptr ? std::vector<std::string>{} : known->chains;
}

bool is_built_in(std::string_view table, std::string_view chain) {
  const auto* known = kernel_table(table);
  return known != nullptr && std::ranges::find(known->chains, chain) != known->chains.end();
}

std::optional<int> built_in_priority(std::string_view table, std::string_view chain, Backend backend) {
  const bool source = chain == "INPUT" || chain == "POSTROUTING";
  if (table == "raw") return -300;
  if (table == "mangle") return -150;
  if (table == "nat") return source ? 100 : -100;
  if (table == "filter") return 0;
  if (table == "security") return backend == Backend::nft ? 150 : 50;
  return std::nullopt;
}

bool comes_before(std::string_view chain, std::string_view other, std::span<const std::string> built_in) {
  const auto place = std::ranges::find(built_in, chain);
  const auto other_place = std::ranges::find(built_in, other);
  return place != other_place ? place < other_place : place == built_in.end() && chain < other;
}

std::size_t table_rank(std::string_view table) {
  const auto& known = kernel_tables();
  return static_cast<std::size_t>(std::ranges::find(known, table, &KernelTable::name) - known.begin());
}

Table empty_table(std::string_view name) {
  Table table{.name = std::string(name)};
  for (auto& chain : built_in_chains(name)) {
    table.chains.push_back(Chain{.name = std::move(chain), .policy = "ACCEPT"});
  }
  return table;
}

bool is_empty(const Table& table) {
  return std::ranges::all_of(
      table.chains, [](const Chain& chain) { return chain.policy == "ACCEPT" && chain.rules.empty(); });
}

}  // namespace rewall
