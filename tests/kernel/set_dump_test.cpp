#include "kernel/set_dump.h"

#include <catch2/catch.hpp>

#include "rules/sets.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

/// What the kernel's own listing says, without comments on it.
std::string own_words() {
  std::string text;
  const bool heard = list_sets(
      [&](const KernelSet& set) {
        CHECK(set.known);
        text += "create " + set.name + ' ' + set.type + ' ' + set.options + '\n';
      },
      [&](const KernelSet& set, const KernelMember& member) {
        INFO(member.words);
        CHECK(member.known);
        text += "add " + set.name + ' ' + std::string(member.words) + '\n';
      });
  CHECK(heard);
  return text;
}

std::string without_counters(const std::string& text) {
  return shell("sed 's/ packets [0-9]* bytes [0-9]*//'", text);
}

/// Carries out the lines that this kernel has set types for.
void try_lines(const std::string& lines) {
  for (const auto line : split_lines(lines))
    if (!line.empty()) shell("ipset restore 2>/dev/null || true", std::string(line) + '\n');
}

/// Adds a member with a comment that no `ipset restore` can say: SET ADDRESS COMMENT [TCP-PORT], as a shell
/// reads them.
void add_member(const std::string& words) {
  shell("python3 " REWALL_SOURCE_DIR "/tests/support/set_member.py " + words);
}

}  // namespace

TEST_CASE("the kernel's own listing of sets has the words of ipset save") {
  in_lab([] {
    try_lines(
        "create a hash:ip family inet timeout 0 counters comment skbinfo\n"
        "add a 192.0.2.1 timeout 0 comment \"a b\" skbmark 0x1 skbprio 1:2 skbqueue 3\n"
        "add a 192.0.2.2 skbmark 0x1/0xff\nadd a 192.0.2.3 comment \"back\\slash 'q' %s\"\n"
        "create a6 hash:ip family inet6 maxelem 70000 hashsize 64\nadd a6 2001:db8::1\nadd a6 "
        "::ffff:192.0.2.1\n"
        "create mask hash:ip netmask 24\nadd mask 192.0.2.0\n"
        "create n hash:net timeout 0 comment\nadd n 10.0.0.0/8\nadd n 10.1.0.0/16 nomatch comment \"x\"\nadd "
        "n 192.0.2.1\n"
        "create n6 hash:net family inet6\nadd n6 2001:db8::/32\nadd n6 2001:db8::1\n"
        "create ni hash:net,iface timeout 0\nadd ni 10.0.0.0/8,eth0\nadd ni 10.1.0.0/16,physdev:eth1 "
        "nomatch\n"
        "add ni 0.0.0.0/0,lo\n"
        "create nn hash:net,net\nadd nn 10.0.0.0/8,0.0.0.0/0\nadd nn 192.0.2.1,192.0.2.2\n"
        "create np hash:net,port\nadd np 10.0.0.0/8,tcp:80\nadd np 192.0.2.1,udp:53\n"
        "create npn hash:net,port,net\nadd npn 10.0.0.0/8,sctp:5,11.0.0.0/8\n"
        "create p hash:ip,port\nadd p 192.0.2.1,udplite:5\nadd p 192.0.2.1,443\n"
        "create ppp hash:ip,port,ip\nadd ppp 192.0.2.1,tcp:5,192.0.2.2\n"
        "create ppn hash:ip,port,net family inet6\nadd ppn 2001:db8::1,tcp:80,2001:db8::/32\n"
        "create m hash:ip,mark markmask 0xff\nadd m 192.0.2.1,0x55\n"
        "create mac hash:mac\nadd mac 01:02:03:04:AB:CD\n"
        "create im hash:ip,mac\nadd im 192.0.2.1,01:02:03:04:AB:CD\n"
        "create b bitmap:port range 1-100 comment\nadd b 5 comment \"five\"\n"
        "create bi bitmap:ip range 192.0.2.0/24 netmask 28\nadd bi 192.0.2.16\n"
        "create bm bitmap:ip,mac range 192.0.2.0/24\nadd bm 192.0.2.5,01:02:03:04:AB:CD\nadd bm 192.0.2.6\n"
        "create l list:set timeout 0\nadd l b\nadd l a\n");
    const std::string said = without_counters(shell("ipset save"));
    CHECK(said.find("add a 192.0.2.1") != std::string::npos);
    CHECK(own_words() == said);
    const auto digest = digest_of_kernel();
    REQUIRE(digest);
    CHECK(*digest == digest_of(parse_sets(said, "ipset").value()));
  });
}

TEST_CASE("what has no words of ours has no digest") {
  in_lab([] {
    shell("ipset create p hash:ip,port; ipset add p 192.0.2.1,icmp:echo-request");
    CHECK_FALSE(digest_of_kernel());
    shell("ipset del p 192.0.2.1,icmp:echo-request");
    CHECK(digest_of_kernel());
  });
}

TEST_CASE("temporary members and counters are no part of the digest") {
  in_lab([] {
    shell("ipset create s hash:ip timeout 0 counters; ipset add s 192.0.2.1");
    const auto digest = digest_of_kernel();
    REQUIRE(digest);
    shell("ipset add s 192.0.2.2 timeout 100; ipset add s 192.0.2.1 packets 5 bytes 6 timeout 0 -exist");
    CHECK(digest_of_kernel() == digest);
    shell("ipset add s 192.0.2.3");
    CHECK_FALSE(digest_of_kernel() == digest);
  });
}

TEST_CASE("a comment that reads as other members makes none") {
  in_lab([] {
    shell("ipset create other hash:ip; ipset create s hash:ip comment timeout 0");
    add_member("s 192.0.2.1 fine");
    // ipset refuses a quote, not a line break.
    add_member("s 192.0.2.2 \"$(printf 'bob\\nadd other 203.0.113.66\\nadd s 192.0.2.9 comment x')\"");
    const auto sets = captured().ruleset.sets;
    CHECK(sets.find("other")->members.empty());
    REQUIRE(sets.find("s")->members.size() == 2);
    CHECK(canonical_text(sets).find("comment \"bob?add other 203.0.113.66?add s 192.0.2.9 comment x\"") !=
          std::string::npos);
    CHECK(captured().notes.size() == 1);
  });
}

TEST_CASE("a set whose name no file can hold stops a capture") {
  in_lab([] {
    shell("ipset create \"$(printf 'a\\nb')\" hash:ip");
    const auto error = capture_error();
    CHECK(error.kind == ErrorKind::capture);
    CHECK(error.message == "set 'a\\x0ab': no file of sets can hold this name");
  });
}

TEST_CASE("the hint for a set whose name no file can hold gives it another") {
  const std::string name = GENERATE("a b", "q\"r", "a\nb", "it's %s");
  const bool named = GENERATE(false, true);
  in_lab([&] {
    const auto ipset = [&](std::vector<std::string> words) {
      words.insert(words.begin(), "/usr/sbin/ipset");
      const auto made = run({.words = std::move(words)}, ErrorKind::usage);
      REQUIRE(made);
      REQUIRE(made->ok());
    };
    ipset({"create", name, "hash:ip"});
    if (named) {
      const auto made = run({.words = {"/usr/sbin/iptables", "-A", "INPUT", "-m", "set", "--match-set", name,
                                       "src", "-j", "DROP"}},
                            ErrorKind::usage);
      REQUIRE(made);
      REQUIRE(made->ok());
    }
    const auto error = capture_error();
    const std::string begin =
        named ? "give it another: delete the rules that name it, then " : "give it another: ";
    REQUIRE(error.hint.starts_with(begin));
    CHECK(error.hint.find('\n') == std::string::npos);
    if (named) shell("iptables -F");
    shell(error.hint.substr(begin.size()));
    CHECK(captured().ruleset.sets.find("NEWNAME") != nullptr);
  });
}

TEST_CASE("a comment that reads as other members leaves other sets as ipset says them") {
  in_lab([] {
    shell(
        "ipset create other hash:ip,port; ipset add other 192.0.2.1,icmp:echo-request; ipset add other "
        "192.0.2.1,gre:0; ipset create s hash:ip comment");
    add_member("s 192.0.2.2 \"$(printf 'bob\\nadd other 203.0.113.66,tcp:1')\"");
    const auto sets = captured().ruleset.sets;
    const std::string text = canonical_text(sets);
    CHECK(text.find("\nadd other 192.0.2.1,gre:0\nadd other 192.0.2.1,icmp:echo-request\n") !=
          std::string::npos);
    CHECK(sets.find("s")->members.size() == 1);
    shell("ipset create both hash:ip,port comment; ipset add both 192.0.2.1,gre:0");
    add_member("both 192.0.2.2 \"$(printf 'a\\nb')\" 1");
    CHECK(capture_error().message.starts_with("set 'both': "));
  });
}
