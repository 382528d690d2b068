#include "rules/native_tables.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {

/// As nft 1.0.6 prints it.
constexpr std::string_view kText = R"(table ip nat64 {
	comment "one table"
	flags dormant

	counter seen {
		comment "packets"
	}
}
table inet f2b-table {
	set addr-set-sshd {
		type ipv4_addr
		flags interval
		elements = { 192.0.2.1, 198.51.100.0/24,
			     203.0.113.7 comment "a, b" }
	}

	map ports {
		type inet_service : verdict
		elements = { 22 : accept, 80 : jump web }
	}

	chain f2b-chain {
		type filter hook input priority filter - 1; policy accept;
		tcp dport { 22, 80 } ip saddr @addr-set-sshd reject with icmp port-unreachable
		log prefix "a; b {" accept
	}

	chain web {
	}
}
)";

NativeTables read(std::string_view text) {
  auto tables = parse_native(std::string(text), "rules.nft");
  REQUIRE(tables);
  return *std::move(tables);
}

std::string error_of_text(std::string_view text) {
  const auto tables = parse_native(std::string(text), "rules.nft");
  REQUIRE_FALSE(tables);
  return tables.error().message;
}

std::string in_chain(std::string_view line) {
  return "table ip t {\n\tchain c {\n\t\t" + std::string(line) + "\n\t}\n}\n";
}

}  // namespace

TEST_CASE("a listing of nft is read and comes back as it was") {
  const auto tables = read(kText);
  CHECK(print_native(tables) == kText);
  REQUIRE(tables.tables.size() == 2);
  CHECK(tables.tables[0].facts.size() == 2);
  const NativeTable* table = tables.find("inet f2b-table");
  REQUIRE(table != nullptr);
  const NativePart* set = table->find("set", "addr-set-sshd");
  REQUIRE(set != nullptr);
  CHECK(set->elements ==
        std::vector<std::string_view>{"192.0.2.1", "198.51.100.0/24", "203.0.113.7 comment \"a, b\""});
  CHECK(element_key(set->elements[2]) == "203.0.113.7");
  const NativePart* map = table->find("map", "ports");
  REQUIRE(map != nullptr);
  CHECK(element_key(map->elements[1]) == "80");
  const NativePart* chain = table->find("chain", "f2b-chain");
  REQUIRE(chain != nullptr);
  CHECK(chain->hook() == "type filter hook input priority filter - 1");
  CHECK(chain->policy() == "accept");
  CHECK(chain->rules.size() == 2);
  CHECK(table->find("chain", "web")->rules.empty());
}

TEST_CASE("a set is printed with other elements") {
  auto tables = read(kText);
  const NativePart& set = *tables.find("inet f2b-table")->find("set", "addr-set-sshd");
  const auto less = with_elements(set, {set.elements[1]}, tables.texts);
  CHECK(less.text ==
        "\tset addr-set-sshd {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 198.51.100.0/24 "
        "}\n\t}\n");
  CHECK(with_elements(set, {}, tables.texts).text ==
        "\tset addr-set-sshd {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t}\n");
}

TEST_CASE("text that nft would take for a command is no table") {
  CHECK(error_of_text("include \"/etc/passwd\"\n").starts_with("rules.nft:1: "));
  CHECK(error_of_text("flush ruleset\n").starts_with("rules.nft:1: "));
  CHECK(error_of_text(in_chain("include \"/etc/passwd\"")).starts_with("rules.nft:3: "));
  CHECK(error_of_text(in_chain("accept; include \"/etc/passwd\"")).starts_with("rules.nft:3: "));
  CHECK(error_of_text(in_chain("ip saddr $hosts accept")).starts_with("rules.nft:3: "));
  CHECK(error_of_text(in_chain("accept # more")).starts_with("rules.nft:3: "));
  CHECK(error_of_text(in_chain("accept }")).starts_with("rules.nft:3: "));
  CHECK(error_of_text(in_chain("jump {\n\t\t\tdefine a = b\n\t\t}")).starts_with("rules.nft:"));
  CHECK(error_of_text(in_chain("xt match \"owner\"")).find("no words") != std::string::npos);
  CHECK(error_of_text("table ip t {\n\tset s {\n\t\ttype ipv4_addr; include \"x\"\n\t}\n}\n")
            .starts_with("rules.nft:3: "));
  // A set is written anew with each element at the beginning of a line.
  for (const std::string element :
       {"1.1.1.1,\n\t\t\t     redefine a = b", "1.1.1.1, redefine, 2.2.2.2", "1.1.1.1\n2.2.2.2"})
    CHECK(error_of_text("table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { " + element +
                        " }\n\t}\n}\n")
              .starts_with("rules.nft:"));
  CHECK(error_of_text("table ip t {\n}\ntable ip t {\n}\n")
            .starts_with("rules.nft:3: table ip t is there twice"));
  CHECK(error_of_text("table ip t {\n\tchain {\n\t}\n}\n").starts_with("rules.nft:2: "));
  CHECK(error_of_text("table ip t {\n").starts_with("rules.nft:1: "));
  CHECK(error_of_text("table ip t {\n\tchain c {\n\t}\n").find("no end") != std::string::npos);
  CHECK(error_of_text("table ip t {\n\tchain c {\n\t}\n\tchain c {\n\t}\n}\n").find("twice") !=
        std::string::npos);
}
