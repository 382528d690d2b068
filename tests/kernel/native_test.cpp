#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <iostream>

#include "core/file.h"
#include "support/corpus.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

Capture live() {
  return captured();
}

std::string listing() {
  return print_native(live().ruleset.native.value());
}

/// Loads `wanted` where `live` is.
std::optional<Error> put(const Ruleset& wanted, const Capture& live) {
  const auto staged = host_firewall()->stage(wanted, &live.ruleset);
  if (!staged) return staged.error();
  const auto checked = host_firewall()->check(*staged, &live.ruleset, live.generation);
  if (!checked) return checked.error();
  const auto loaded = host_firewall()->load(*staged, live.ruleset, live.generation);
  if (!loaded) return loaded.error();
  return std::nullopt;
}

void bring(const Ruleset& wanted) {
  const auto refused = put(wanted, live());
  INFO((refused ? refused->message : ""));
  REQUIRE_FALSE(refused);
}

const std::string kTable = R"(table inet t {
	set s {
		type ipv4_addr
		flags interval
		elements = { 192.0.2.0/24, 198.51.100.1 }
	}

	chain c {
		type filter hook input priority filter; policy accept;
		ip saddr @s drop
		tcp dport { 22, 80 } accept
		udp dport 53 counter accept
	}
}
)";

void load(const std::string& text) {
  shell("nft -f -", text);
}

NativeTables parsed(const std::string& text) {
  auto tables = parse_native(text, "test");
  INFO((tables ? "" : tables.error().message));
  REQUIRE(tables);
  return *std::move(tables);
}

}  // namespace

TEST_CASE(
    "native tables of the nftables project come back as they were, with an iptables ruleset in one "
    "generation") {
  const auto folder = corpus() / "nft";
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto text = read_file(entry.path());
    REQUIRE(text);
    INFO(entry.path().filename().string());
    // Its tables of iptables' names belong to iptables.
    if (text->find("table ip filter") != std::string::npos || text->find("table ip nat") != std::string::npos)
      continue;
    ++count;
    in_lab([&] {
      load(*text);
      shell("iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT");
      const auto first = live();
      CHECK(first.notes == std::vector<std::string>{});
      const std::string before = shell("nft -s list ruleset");
      shell("nft flush ruleset");
      const auto empty = live();
      REQUIRE(empty.ruleset.native);
      CHECK(empty.ruleset.native->empty());
      const auto refused = put(first.ruleset, empty);
      INFO((refused ? refused->message : ""));
      CHECK_FALSE(refused);
      if (refused) return;
      const auto again = live();
      CHECK(again.generation->number == empty.generation->number + 1);
      CHECK(print_native(*again.ruleset.native) == print_native(*first.ruleset.native));
      CHECK(canonical_text(again.ruleset.v4) == canonical_text(first.ruleset.v4));
      // And away again, in one step.
      const auto gone = put(empty.ruleset, again);
      INFO((gone ? gone->message : ""));
      REQUIRE_FALSE(gone);
      CHECK(shell("nft list tables").find("table ip filter") == 0);
    });
  }
  CHECK(count > 55);
}
