#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <string>
#include <vector>

#include "core/file.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

Result<Capture> captured_with(const std::filesystem::path& proofs) {
  return host_firewall(std::chrono::seconds(60), proofs)->capture(BackendChoice::automatic);
}

}  // namespace

TEST_CASE("a rule of iptables that has no known shape is read, and comes back") {
  in_lab([] {
    shell(
        "iptables-nft -t raw -A PREROUTING -p icmp -j TRACE; ip6tables-nft -t raw -A OUTPUT -p tcp -j TRACE; "
        "ipset create s hash:ip; iptables-nft -t raw -N own; iptables-nft -t raw -A own -j TRACE; "
        "iptables-nft -t raw -A PREROUTING -m set --match-set s src -j TRACE");
    const auto capture = captured();
    CHECK(print_tables(capture.ruleset.v4) == saved("iptables-nft-save"));
    CHECK(print_tables(capture.ruleset.v6) == saved("ip6tables-nft-save"));
    const std::string before = saved("iptables-nft-save");
    shell("iptables-nft -t raw -F; ip6tables-nft -t raw -F");
    const auto live = captured();
    const auto staged = host_firewall()->stage(capture.ruleset, &live.ruleset);
    REQUIRE(staged);
    REQUIRE(host_firewall()->load(*staged, live.ruleset, live.generation));
    CHECK(saved("iptables-nft-save") == before);
    const auto chains = host_firewall()->read_chains({{ChainName{Family::ipv4, "raw", "PREROUTING"}, true}});
    REQUIRE(chains);
    REQUIRE(*chains);
    CHECK((**chains)[0].chains[0].rules ==
          "-A PREROUTING -p icmp -j TRACE\n-A PREROUTING -m set --match-set s src -j TRACE\n");
  });
}

TEST_CASE("a rule of nft among those of iptables is told by its number") {
  in_lab([] {
    shell(
        "iptables-nft -t raw -A OUTPUT -p tcp -j TRACE; iptables-nft -t raw -A OUTPUT -p udp -j TRACE; nft "
        "add "
        "rule ip raw OUTPUT tcp dport '{ 22, 80 }' accept; iptables-nft -t raw -A OUTPUT -p icmp -j TRACE");
    CHECK(
        captured().in_nft_words.at("ip raw").ends_with("chain OUTPUT, rule 3: tcp dport { 22, 80 } accept"));
    // Then the table has to be read whole.
    const auto chains = host_firewall()->read_chains({{ChainName{Family::ipv4, "raw", "OUTPUT"}, true}});
    REQUIRE(chains);
    CHECK_FALSE(*chains);
  });
}

TEST_CASE("what was proved once is not proved again, but by another iptables") {
  in_lab([] {
    shell("iptables-nft -t raw -A PREROUTING -p icmp -j TRACE");
    const TemporaryFolder folder;
    const auto proofs = folder.path() / "proofs";
    REQUIRE(captured_with(proofs));
    CHECK(std::filesystem::exists(proofs));

    // Without the program to load it, nothing can be proved.
    OnlyPath path;
    for (const std::string program : {"iptables-nft-save", "ip6tables-nft-save", "ipset"}) path.link(program);
    path.link("iptables");
    REQUIRE(captured_with(proofs));
    CHECK_FALSE(captured_with({}));
    std::filesystem::remove(path.folder() / "iptables");
    path.script("iptables", "echo 'iptables v9.9.9 (nf_tables)'");
    CHECK_FALSE(captured_with(proofs));
  });
}

TEST_CASE("a file of proofs that cannot be read or written costs time alone") {
  in_lab([] {
    shell("iptables-nft -t raw -A PREROUTING -p icmp -j TRACE");
    const TemporaryFolder folder;
    std::ofstream(folder.path() / "proofs") << "rewall proofs 1 of another\n= 00\n";
    CHECK(captured_with(folder.path() / "proofs"));
    CHECK(captured_with(folder.path() / "none" / "proofs"));
  });
}

namespace {

struct Said {
  std::string rule;
  bool whole = true;
  std::string by_newer{};  ///< iptables 1.8.11 says it by this
};

/// The numbers, from 1, of the rules of INPUT that a note says cannot be restored.
std::vector<std::size_t> noted(const Capture& capture, const std::string& family) {
  std::vector<std::size_t> places;
  const std::string before = "table " + family + " filter: chain INPUT, rule ";
  for (const std::string& note : capture.notes) {
    INFO(note);
    REQUIRE(note.starts_with(before));
    CHECK(note.find(": it cannot be restored: iptables-restore ") != std::string::npos);
    places.push_back(std::stoul(note.substr(before.size())));
  }
  return places;
}

}  // namespace

TEST_CASE("a rule of which iptables-save does not say all is recorded with a warning") {
  const std::string backend = GENERATE("nft", "legacy");
  const std::string rates = "-m rateest --rateest e --rateest-lt --rateest-bps ";
  const std::string limit = "-m hashlimit --hashlimit-name h --hashlimit-mode srcip --hashlimit-above ";
  const std::string bytes = "-m connbytes --connbytes-dir both --connbytes-mode bytes --connbytes ";
  std::vector<Said> rules{{"-p ah -m ah ! --ahspi :", false, "! --ahspi"},
                          {"-p ah -m ah ! --ahspi 5", true},
                          {"-p ah -m ah", true},
                          {"-p esp -m esp ! --espspi :", false, "! --espspi"},
                          {"-p esp -m esp --espspi 5:7", true},
                          {"-p ipcomp -m ipcomp --ipcompspi :", false},
                          {rates + "1234567", false},
                          {rates + "1000kbit", true},
                          {limit + "15b/s", false},
                          {limit + "513b/s", true},
                          {limit + "5/sec", true},
                          {bytes + ":0", false},
                          {bytes + "5:10", true},
                          {"-s 10.0.0.1 -j ACCEPT", true}};
  if (backend == "legacy")
    for (const Said& said :
         {Said{"! -i +", false, "! -i"}, Said{"! -i eth0", true},
          Said{"-p tcp -m tcp ! --sport :", false, "! --sport"}, Said{"-p tcp -m tcp ! --sport 5", true},
          Said{"-p udp -m udp ! --dport :", false, "! --dport"}})
      rules.push_back(said);
  in_lab([&] {
    const std::string program = "iptables-" + backend;
    shell(program +
          " -t mangle -A OUTPUT -j RATEEST --rateest-name e --rateest-interval 250ms "
          "--rateest-ewmalog 500ms");
    std::vector<std::size_t> expected;
    for (const Said& said : rules) {
      shell(program + " -A INPUT " + said.rule);
      const std::string printed = shell(program + " -S INPUT | tail -n 1");
      const bool newer = !said.by_newer.empty() && printed.find(said.by_newer) != std::string::npos;
      if (!said.whole && !newer) expected.push_back(static_cast<std::size_t>(&said - rules.data()) + 1);
    }
    const TemporaryFolder folder;
    for (int time = 0; time < 2; ++time) {
      const auto capture = captured_with(folder.path() / "proofs");
      REQUIRE(capture);
      auto places = noted(*capture, "ip");
      std::ranges::sort(places);
      CHECK(places == expected);
    }
  });
}
