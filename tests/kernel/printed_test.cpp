#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "kernel/nftables.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

/// The words of the rules of a chain of the table filter.
std::vector<std::string> words_of(const Tables& tables, std::string_view chain = "INPUT") {
  std::vector<std::string> words;
  const Table* filter = tables.find("filter");
  const Chain* found = filter != nullptr ? filter->find(chain) : nullptr;
  if (found != nullptr)
    for (const Rule& rule : found->rules) words.emplace_back(rule.words);
  return words;
}

const Tables& captured_tables(const Capture& capture, bool v6) {
  return v6 ? capture.ruleset.v6 : capture.ruleset.v4;
}

/// Empties the namespace and loads the capture with the host's own programs.
void load_again(const Capture& capture, const std::string& backend) {
  for (const std::string family : {"iptables", "ip6tables"}) {
    const std::string program = family + "-" + backend;
    const Tables& tables = captured_tables(capture, family == "ip6tables");
    shell(program + " -F; " + program + "-restore", print_tables(tables));
  }
}

std::vector<ChainText> chains_read(Family family, const std::string& chain) {
  auto read = host_firewall()->read_chains({{ChainName{family, "filter", chain}, true}});
  REQUIRE(read);
  REQUIRE(*read);
  return (**read)[0].chains;
}

/// What read_chains() and capture() say of a chain is the same.
void check_both_roads(const Capture& capture, bool v6) {
  std::string lines;
  for (const std::string& words : words_of(captured_tables(capture, v6))) lines += "-A INPUT " + words + "\n";
  CHECK(chains_read(v6 ? Family::ipv6 : Family::ipv4, "INPUT")[0].rules == lines);
}

}  // namespace

TEST_CASE("a comment with a line break is one rule, whatever stands behind the break") {
  const std::string backend = GENERATE("nft", "legacy");
  const bool v6 = GENERATE(false, true);
  struct Comment {
    std::string typed;
    std::string recorded;
  };
  const std::vector<Comment> comments{
      {"hi\n-A INPUT -s 203.0.113.66/32 -j ACCEPT", R"("hi?-A INPUT -s 203.0.113.66/32 -j ACCEPT")"},
      {"hi\nCOMMIT\n*nat\n:PREROUTING DROP [0:0]", R"("hi?COMMIT?*nat?:PREROUTING DROP [0:0]")"},
      {"\n\n", R"("??")"},
      {"hi\n# Table `filter' is incompatible, use 'nft' tool.",
       R"("hi?# Table `filter\' is incompatible, use \'nft\' tool.")"},
      {"x\" -j ACCEPT\n-A INPUT -m comment --comment \"y",
       R"("x\" -j ACCEPT?-A INPUT -m comment --comment \"y")"},
      {"a\"b'c\\d", R"("a\"b\'c\\d")"},
      {"a\rb", "\"a\rb\""},
      {"\x1b[31mred", "\"\x1b[31mred\""},
      {"\xff\xfe", "\"\xff\xfe\""},
  };
  in_lab([&] {
    const std::string program = (v6 ? "ip6tables-" : "iptables-") + backend;
    std::vector<std::string> expected;
    for (const Comment& comment : comments) {
      const auto made = run({.words = {"/usr/sbin/" + program, "-A", "INPUT", "-m", "comment", "--comment",
                                       comment.typed, "-j", "DROP"}},
                            ErrorKind::usage);
      REQUIRE(made);
      REQUIRE(made->ok());
      expected.push_back("-m comment --comment " + comment.recorded + " -j DROP");
    }
    const auto capture = captured();
    CHECK(words_of(captured_tables(capture, v6)) == expected);
    CHECK(captured_tables(capture, v6).tables.size() == 1);
    std::vector<std::string> notes = capture.notes;
    REQUIRE(notes.size() == 5);
    CHECK(notes[1] == std::string("table ") + (v6 ? "ip6" : "ip") +
                          " filter: chain INPUT, rule 2: a line break in a comment or log prefix is recorded "
                          "as '?': \"hi?COMMIT?*nat?:PREROUTING DROP [0:0]\"");
    if (backend == "nft") check_both_roads(capture, v6);

    load_again(capture, backend);
    const auto again = captured();
    CHECK(words_of(captured_tables(again, v6)) == expected);
    CHECK(again.notes.empty());
  });
}

TEST_CASE("a comment and a prefix of nft with a line break are of one rule") {
  in_lab([] {
    shell("iptables-nft -A INPUT -j ACCEPT");
    shell("nft -f -",
          "add rule ip filter INPUT accept comment \"x\n-A INPUT -j DROP\"\n"
          "add rule ip filter INPUT log prefix \"p\nq\" group 3\n");
    const auto capture = captured();
    CHECK(words_of(capture.ruleset.v4) ==
          std::vector<std::string>{"-j ACCEPT", R"(-m comment --comment "x?-A INPUT -j DROP" -j ACCEPT)",
                                   R"(-j NFLOG --nflog-prefix "p?q" --nflog-group 3)"});
    CHECK(capture.notes.size() == 2);
    check_both_roads(capture, false);
  });
}

TEST_CASE("a name with a line break is refused with its rule, and deleting the rule helps") {
  const std::string backend = GENERATE("nft", "legacy");
  const std::string match =
      GENERATE("-m recent --set --name 'a b\nc'", "-i 'a b\nc'", "-m helper --helper 'a b\nc'");
  in_lab([&] {
    const std::string program = "iptables-" + backend;
    shell(program + " -A INPUT -j ACCEPT; " + program + " -A INPUT " + match + " -j DROP");
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.message ==
          "table ip filter: chain INPUT, rule 2: a name in it holds a line break, which iptables cannot say: "
          "'a b\\x0ac'");
    const std::string hint = "delete the rule: ";
    REQUIRE(error.hint.starts_with(hint));
    shell(error.hint.substr(hint.size()));
    CHECK(words_of(captured().ruleset.v4) == std::vector<std::string>{"-j ACCEPT"});
  });
}

TEST_CASE("numbers whose bytes look like the end of a line are no name") {
  const std::string backend = GENERATE("nft", "legacy");
  in_lab([&] {
    // 84 is 'T' and 10 a line break: bytes as at the end of "-j ACCEPT".
    const std::string program = "iptables-" + backend;
    shell(program + " -A INPUT -s 10.1.84.10 -j ACCEPT; " + program +
          " -A INPUT -p tcp --dport 21514 -j ACCEPT; " + program +
          " -A INPUT -m u32 --u32 '0=0x41540a2d' -j ACCEPT; " + program +
          " -A INPUT -p tcp -m multiport --dports 21514,11585 -j ACCEPT; " + program + " -A INPUT -j DROP");
    const auto saved = shell(program + "-save | grep ^-A | cut -d' ' -f3-");
    std::string words;
    for (const auto& rule : words_of(captured().ruleset.v4)) words += rule + "\n";
    CHECK(words == saved);
  });
}

TEST_CASE("what a rule asks of a packet is no name, and of an interface it is") {
  const Family family = GENERATE(Family::ipv4, Family::ipv6);
  in_lab([&] {
    const std::string program = family == Family::ipv4 ? "iptables-nft" : "ip6tables-nft";
    // Bytes of letters, of a blank (32) and of a line break (10).
    const std::string address = family == Family::ipv4 ? "10.32.65.66" : "2001:db8:4120:4142:430a::1";
    shell(program + " -A INPUT -s " + address + " -p tcp --dport 16672 -j ACCEPT; " + program +
          " -A INPUT ! -d " + address + " -p udp --sport 16672:16674 -j DROP; " + program + " -A INPUT -s " +
          address + " -i 'et h' -d " + address + " -j DROP; " + program +
          " -A FORWARD -o 'e\"h' -p tcp ! --dport 16672 -j DROP");
    const auto table = ask_nft_table(family, "filter").value();
    const KernelChain* input = table.find("INPUT");
    REQUIRE(input->odd.size() == 1);
    CHECK(input->odd[0].place == 2);
    CHECK(input->odd[0].names == std::vector<std::string>{"et h"});
    const KernelChain* forward = table.find("FORWARD");
    REQUIRE(forward->odd.size() == 1);
    CHECK(forward->odd[0].names == std::vector<std::string>{"e\"h"});
  });
}

TEST_CASE("a chain that iptables cannot name is refused, and the hint renames it") {
  const std::string family = GENERATE("ip", "ip6");
  const std::string json = GENERATE("a b", R"(a\nb%s)", R"(a'\t\\d)");  // as JSON writes the name
  in_lab([&] {
    shell(family + "tables-nft -A INPUT -j ACCEPT");
    shell("nft -j -f -", R"({"nftables":[{"add":{"chain":{"family":")" + family +
                             R"(","table":"filter","name":")" + json + R"("}}}]})");
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.message.starts_with("table " + family + " filter: the name of chain "));
    const std::string hint = "give it another name: ";
    REQUIRE(error.hint.starts_with(hint));
    shell(error.hint.substr(hint.size()));
    CHECK(captured_tables(captured(), family == "ip6").find("filter")->find("NEWNAME") != nullptr);
  });
}

TEST_CASE("a name that iptables-save prints as two words is recorded as one") {
  const std::string backend = GENERATE("nft", "legacy");
  std::vector<std::string> recorded{
      R"(-m recent --set --name "a b" --mask 255.255.255.255 --rsource)",
      R"(-m recent --set --name "x -j ACCEPT" --mask 255.255.255.255 --rsource -j DROP)",
      R"(-m recent --set --name "q\"r" --mask 255.255.255.255 --rsource)",
      R"(-i "et h" -j DROP)",
      R"(-m hashlimit --hashlimit-upto 5/min --hashlimit-burst 5 --hashlimit-name "h l")",
      R"(-m helper --helper "h l")",
      R"(-m comment --comment "--name a b" -m recent --set --name "a b" --mask 255.255.255.255 --rsource)",
      R"(-m physdev --physdev-in "a b")",
      R"(-j TEE --gateway 10.0.0.1 --oif "a b")",
  };
  in_lab([&] {
    std::string text = "*filter\n";
    for (const std::string& words : recorded) text += "-A INPUT " + words + "\n";
    shell("iptables-" + backend + "-restore 2>/dev/null", text + "COMMIT\n");
    // Made otherwise: without a mask, which is printed all the same.
    shell("iptables-" + backend + " -A INPUT -m recent --set --name 'a c'");
    recorded.emplace_back(R"(-m recent --set --name "a c" --mask 255.255.255.255 --rsource)");
    const auto capture = captured();
    CHECK(words_of(capture.ruleset.v4) == recorded);
    CHECK(capture.notes.empty());
    if (backend == "nft") check_both_roads(capture, false);
    load_again(capture, backend);
    CHECK(words_of(captured().ruleset.v4) == recorded);
  });
}

TEST_CASE("what is printed is not believed where the kernel has another number of rules") {
  const std::string backend = GENERATE("nft", "legacy");
  in_lab([&] {
    const std::string program = "iptables-" + backend;
    shell(program + " -N mine; " + program + " -A mine -j DROP; " + program + " -A INPUT -j ACCEPT; " +
          program + " -A INPUT -j DROP");
    OnlyPath path;
    for (const std::string other : {"iptables", "iptables-nft-save", "iptables-legacy-save", "ipset"})
      if (other != program + "-save") path.link(other);
    path.script(program + "-save", "/usr/sbin/" + program + "-save | /bin/grep -v 'A INPUT -j DROP'");
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.message ==
          "table ip filter: chain INPUT: " + program + "-save prints 1 rule, and the kernel has 2");
  });
}
