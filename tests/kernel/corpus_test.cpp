#include "support/corpus.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <iostream>

#include "core/file.h"
#include "kernel/expressions.h"
#include "kernel/rule_list.h"
#include "rules/parse.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

struct Dump {
  std::string file{};
  Family family = Family::ipv4;
  std::string text{};
};

/// The dumps that a real iptables-restore took (manifest.tsv: file, ..., family, rules, test_status,
/// load_status).
std::vector<Dump> loadable_dumps(const std::filesystem::path& folder) {
  std::vector<Dump> dumps;
  const auto manifest = read_file(folder / "manifest.tsv");
  REQUIRE(manifest);
  for (const auto line : split_lines(*manifest)) {
    const auto fields = split(line, '\t');
    if (fields.size() < 9 || fields[8] != "0") continue;
    auto text = read_file(folder / "dumps" / fields[0]);
    REQUIRE(text);
    dumps.push_back({.file = std::string(fields[0]),
                     .family = fields[5] == "6" ? Family::ipv6 : Family::ipv4,
                     .text = *std::move(text)});
  }
  return dumps;
}

Tables& place(Ruleset& ruleset, Family family) {
  return family == Family::ipv4 ? ruleset.v4 : ruleset.v6;
}

std::string program(Family family, Backend backend) {
  return (family == Family::ipv4 ? "iptables-" : "ip6tables-") + std::string(name(backend));
}

/// What the host's own program makes of the dump in a fresh namespace; absent when this backend refuses it.
std::optional<Ruleset> first_capture(const Dump& dump, Backend backend) {
  std::optional<Ruleset> first;
  in_lab([&] {
    const auto restored =
        run({.words = {"/usr/sbin/" + program(dump.family, backend) + "-restore"}, .input = dump.text},
            ErrorKind::usage);
    if (restored && restored->ok()) first = captured().ruleset;
  });
  return first;
}

/// The protocol that a rule's expressions ask for, in the two ways that are known: `meta load l4proto`, or a
/// byte of the IPv4 header, and a comparison.
Compat asked_by(std::string_view expressions, Family family) {
  Compat asked;
  bool loaded = false;
  for_each_attribute(expressions.data(), expressions.data() + expressions.size(), [&](const nlattr* element) {
    const auto parts = attributes<NFTA_EXPR_MAX + 1>(element);
    const auto name = text(parts[NFTA_EXPR_NAME]);
    if (name == "meta") {
      const auto meta = attributes<NFTA_META_MAX + 1>(parts[NFTA_EXPR_DATA]);
      loaded = number(meta[NFTA_META_KEY]) == NFT_META_L4PROTO;
    } else if (name == "payload") {
      const auto load = attributes<NFTA_PAYLOAD_MAX + 1>(parts[NFTA_EXPR_DATA]);
      loaded = family == Family::ipv4 && number(load[NFTA_PAYLOAD_BASE]) == NFT_PAYLOAD_NETWORK_HEADER &&
               number(load[NFTA_PAYLOAD_OFFSET]) == 9 && number(load[NFTA_PAYLOAD_LEN]) == 1;
    } else if (name == "cmp" && std::exchange(loaded, false)) {
      const auto compared = attributes<NFTA_CMP_MAX + 1>(parts[NFTA_EXPR_DATA]);
      const auto data = attributes<NFTA_DATA_MAX + 1>(compared[NFTA_CMP_DATA]);
      asked.protocol = static_cast<std::uint8_t>(payload(data[NFTA_DATA_VALUE]).at(0));
      if (number(compared[NFTA_CMP_OP]) == NFT_CMP_NEQ) asked.flags = NFT_RULE_COMPAT_F_INV;
    }
  });
  return asked;
}

/// Chain by chain as watch reads them, LIVE is what the capture says.
void check_chain_by_chain(const Tables& tables) {
  std::map<ChainName, bool> names;
  for (const Table& table : tables.tables)
    for (const Chain& chain : table.chains) names[{tables.family, table.name, chain.name}] = true;
  const auto read = host_firewall()->read_chains(names);
  INFO((read ? "" : read.error().message));
  REQUIRE(read);
  REQUIRE(*read);
  for (const auto& table : **read)
    for (const ChainText& chain : table.chains) {
      const Chain* captured_chain = tables.find(table.table)->find(chain.chain);
      std::string lines;
      for (const Rule& rule : captured_chain->rules)
        lines.append("-A ").append(chain.chain).append(rule.words.empty() ? "" : " ").append(rule.words) +=
            '\n';
      CHECK(chain.rules == lines);
      CHECK(chain.policy == captured_chain->policy);
    }
}

}  // namespace

TEST_CASE("the words of every rule of the corpus name the protocol that its expressions ask for") {
  std::size_t with_protocol = 0;
  for (const Dump& dump : loadable_dumps(corpus())) {
    INFO(dump.file);
    in_lab([&] {
      const auto restored =
          run({.words = {"/usr/sbin/" + program(dump.family, Backend::nft) + "-restore"}, .input = dump.text},
              ErrorKind::usage);
      if (!restored || !restored->ok()) return;
      auto live = captured().ruleset;
      NetlinkSocket socket;
      for (const Table& table : place(live, dump.family).tables)
        for (const Chain& chain : table.chains) {
          std::size_t at = 0;
          const int error = each_rule(socket, dump.family, table.name, chain.name, [&](const auto& facts) {
            const auto expressions = payload(facts[NFTA_RULE_EXPRESSIONS]);
            const auto words = chain.rules.at(at++).words;
            const auto said = compat_of(words, dump.family);
            INFO(words);
            REQUIRE(said);
            if (!(*said == asked_by(expressions, dump.family))) FAIL_CHECK("other expressions");
            if (said->protocol != 0) ++with_protocol;
          });
          CHECK((error == 0 || chain.rules.empty()));
        }
    });
  }
  CHECK(with_protocol > 500);
}

TEST_CASE("every dump that loads is staged, loaded and read back byte for byte") {
  const Backend backend = GENERATE(Backend::nft, Backend::legacy);
  const auto folder = corpus();
  const auto dumps = loadable_dumps(folder);
  std::size_t rules = 0;
  std::vector<std::string> refused;
  for (const Dump& dump : dumps) {
    INFO(dump.file << " on " << name(backend));
    auto first = first_capture(dump, backend);
    if (!first) {
      refused.push_back(dump.file);
      continue;
    }
    const std::string text = canonical_text(place(*first, dump.family));
    in_lab([&] {
      const auto staged = host_firewall()->stage(*first, nullptr);
      INFO((staged ? "" : staged.error().message));
      REQUIRE(staged);
      const auto loaded = host_firewall()->load(*staged, {}, captured().generation);
      INFO((loaded ? "" : loaded.error().message));
      REQUIRE(loaded);
      auto now = captured().ruleset;
      CHECK(canonical_text(place(now, dump.family)) == text);
      for (const Table& table : place(now, dump.family).tables)
        for (const Chain& chain : table.chains) rules += chain.rules.size();
    });
  }
  std::cout << dumps.size() - refused.size() << " of " << dumps.size() << " dumps (" << rules
            << " rules) go round on " << name(backend) << "\n";
  for (const auto& file : refused) std::cout << "  refused by " << name(backend) << ": " << file << "\n";
  // The manifest says that nft takes them all.
  if (backend == Backend::nft) CHECK(refused.empty());
  CHECK(refused.size() < dumps.size() / 4);
}

TEST_CASE("every rule of the corpus that loads is captured as the programs print it, and restored") {
  const auto table = read_file(corpus() / "rules.tsv");
  REQUIRE(table);
  const Family family = GENERATE(Family::ipv4, Family::ipv6);
  const Backend backend = GENERATE(Backend::nft, Backend::legacy);
  Ruleset ruleset;
  std::string text_there;
  in_lab([&] {
    std::size_t loaded = 0;
    for (const auto line : split_lines(*table)) {
      const auto fields = split(line, '\t');  // file, line, family, table, chain, rule, status, saved
      if (fields.size() < 7 || fields[6] != "0" || fields[2] != (family == Family::ipv4 ? "4" : "6"))
        continue;
      // iptables 1.8.9 prints it as `-m ipcomp`, which it reads as `--ipcompspi 0`: it cannot go round.
      if (fields[5] == "-p ipcomp -m ipcomp --ipcompspi :") continue;
      std::string text = "*";
      text.append(fields[3]).append("\n-A ").append(fields[4]).append(" ").append(fields[5]).append(
          "\nCOMMIT\n");
      const auto restored =
          run({.words = {"/usr/sbin/" + program(family, backend) + "-restore", "-n"}, .input = text},
              ErrorKind::usage);
      if (restored && restored->ok()) ++loaded;  // a few are quoted twice
    }
    CHECK(loaded > 150);
    ruleset = captured().ruleset;
    CHECK(print_tables(place(ruleset, family)) == saved(program(family, backend) + "-save"));
    if (backend == Backend::nft) check_chain_by_chain(place(ruleset, family));
    text_there = canonical_text(place(ruleset, family));  // legacy prints its tables in any order
  });
  in_lab([&] {
    const auto live = captured();
    const auto staged = host_firewall()->stage(ruleset, &live.ruleset);
    INFO((staged ? "" : staged.error().message));
    REQUIRE(staged);
    const auto restored = host_firewall()->load(*staged, live.ruleset, live.generation);
    INFO((restored ? "" : restored.error().message));
    REQUIRE(restored);
    CHECK(restored->reads_back == (backend == Backend::nft));  // read back over netlink
    auto now = captured().ruleset;
    CHECK(canonical_text(place(now, family)) == text_there);
  });
}
