#include "rules/meaning.h"

#include <catch2/catch.hpp>
#include <map>

#include "rules/rules_file.h"
#include "support/corpus.h"

using namespace rewall;

namespace {

constexpr Family kFour = Family::ipv4;
constexpr Family kSix = Family::ipv6;

bool same(std::string_view a, std::string_view b, Family family = kFour) {
  return meaning(a, family).key == meaning(b, family).key;
}

// "-A INPUT words" without its first two words.
std::string without_chain(const Row& row) {
  const auto& saved = row.at("saved");
  const auto begin = std::string("-A " + row.at("chain")).size();
  return saved.size() > begin ? saved.substr(begin + 1) : std::string{};
}

}  // namespace

TEST_CASE("a rule means the same before and after the kernel had it, for every row of the corpus") {
  const auto folder = corpus();
  int pairs = 0;
  for (const auto& row : rows(folder / "rules.tsv")) {
    if (row.at("status") != "0") continue;
    ++pairs;
    INFO(row.at("file") << ':' << row.at("line") << ' ' << row.at("rule"));
    const auto written = meaning(row.at("rule"), family_of(row));
    const auto saved = meaning(without_chain(row), family_of(row));
    CHECK(written.key == saved.key);
    CHECK(written.comment == saved.comment);
  }
  REQUIRE(pairs == 474);
}

TEST_CASE("rules that the kernel keeps apart are apart, but for the place of a comment") {
  const auto folder = corpus();
  // A comment is no part of the meaning, wherever it stands.
  const std::pair<std::string, std::string> equal_by_comment = {
      "-p tcp -m tcp --dport 22 -m comment --comment foo",
      "-p tcp -m comment --comment foo -m tcp --dport 22"};
  std::map<std::pair<Family, std::string>, std::string> by_key;
  for (const auto& row : rows(folder / "rules.tsv")) {
    if (row.at("status") != "0") continue;
    const auto words = without_chain(row);
    const auto place =
        by_key.emplace(std::pair(family_of(row), meaning(words, family_of(row)).key), words).first;
    if (place->second == words || std::pair(place->second, words) == equal_by_comment) continue;
    FAIL_CHECK(place->second << " == " << words);
  }
  CHECK(by_key.size() > 300);
}

TEST_CASE("spellings of one rule are the same") {
  const auto [a, b] = GENERATE(table<std::string, std::string>({
      {"-s 0.0.0.0/0 -j DROP", "-j DROP"},
      {"-s 10.1.2.3/8", "-s 10.0.0.0/255.0.0.0"},
      {"-s 10.1.2.3/255.0.255.0", "-s 10.0.2.0/255.0.255.0"},
      {"-s 10/8", "-s 10.0.0.0/8"},
      {"-d 10.0.0.1", "-d 10.0.0.1/32"},
      {"-i + -o +", ""},
      {"-p 6", "-p TCP"},
      {"-p all -j DROP", "-j DROP"},
      {"--protocol tcp --source 1.2.3.4 --jump DROP", "-s 1.2.3.4 -p tcp -j DROP"},
      {"-p tcp --dport 22 -j ACCEPT", "-p tcp -m tcp --dport 22 -j ACCEPT"},
      {"-p tcp --dport ssh", "-p tcp -m tcp --dport 22"},
      {"-p tcp --dpor 22", "-p tcp --destination-port 22"},
      {"-p tcp --dport=22 -jDROP", "-p tcp --dport 22 -j DROP"},
      {"-p tcp -m multiport --dports 22", "-p tcp --dport 22"},
      {"-p tcp -m multiport --dports 81,80", "-p tcp --dport 80:81"},
      {"-p tcp -m multiport --dport 80,81", "-p tcp --dport 80:81"},
      {"-p tcp ! --dport 22", "-p tcp -m multiport --dports 0:21,23:65535"},
      {"-p tcp --dport ! 22", "-p tcp ! --dport 22"},
      {"-s ! 1.2.3.4 -p ! tcp -i ! eth0", "! -s 1.2.3.4 ! -p tcp ! -i eth0"},
      {"-p tcp --syn", "-p tcp --tcp-flags SYN,RST,ACK,FIN SYN"},
      {"-p tcp ! --syn", "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN"},
      {"-p tcp --tcp-flags ! SYN,RST SYN", "-p tcp ! --tcp-flags SYN,RST SYN"},
      {"-p tcp --tcp-flags ALL NONE", "-p tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE"},
      {"-m state --state NEW", "-m conntrack --ctstate NEW"},
      {"-m state --state RELATED,ESTABLISHED", "-m conntrack --ctstate ESTABLISHED,RELATED"},
      {"-m state --state ! NEW", "-m conntrack ! --ctstate NEW"},
      {"-p icmp --icmp-type echo-request", "-p icmp -m icmp --icmp-type 8"},
      {"-p icmp --icmp-type 3/4", "-p icmp --icmp-type fragmentation-needed"},
      {"-p icmp --icmp-type any", "-p icmp --icmp-type 255"},
      {"-j REJECT", "-j REJECT --reject-with icmp-port-unreachable"},
      {"-j REJECT --reject-with host-prohib", "-j REJECT --reject-with icmp-host-prohibited"},
      {"-j LOG --log-level warning", "-j LOG"},
      {"-j LOG --log-level debug --log-prefix x", "-j LOG --log-prefix \"x\" --log-level 7"},
      {"-j NOTRACK", "-j CT --notrack"},
      {"-j MARK --set-mark 5", "-j MARK --set-xmark 0x5/0xffffffff"},
      {"-j MARK --set-mark 0x5/0x1", "-j MARK --set-xmark 0x5/0x5"},
      {"-j MARK --and-mark 0xf", "-j MARK --set-xmark 0x0/0xfffffff0"},
      {"-j MARK --or-mark 0xf", "-j MARK --set-xmark 0xf/0xf"},
      {"-j MARK --xor-mark 0xf", "-j MARK --set-xmark 0xf/0x0"},
      {"-j CONNMARK --save-mark --mask 0xff", "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff"},
      {"-m limit", "-m limit --limit 3/hour --limit-burst 5"},
      {"-m limit --limit 60/minute", "-m limit --limit 1/s"},
      {"-m recent --update --seconds 60", "-m recent --update --seconds 60 --name DEFAULT --rsource"},
      {"-m connlimit ! --connlimit-above 3", "-m connlimit --connlimit-upto 3 --connlimit-mask 32"},
      {"-m statistic --mode random --probability 0.5",
       "-m statistic --mode random --probability 0.50000000000"},
      {"-m string --algo bm --string AB", "-m string --algo bm --hex-string \"|41 42|\" --to 65535"},
      {"-m mac --mac-source 00:aa:0b:1:2:3", "-m mac --mac-source 00:AA:0B:01:02:03"},
      {"-m dscp --dscp-class EF", "-m dscp --dscp 0x2e"},
      {"-m tos --tos Minimize-Delay", "-m tos --tos 0x10/0x3f"},
      {"-m ttl --ttl 5", "-m ttl --ttl-eq 5"},
      {"-m set --set bad src", "-m set --match-set bad src"},
      {"-m iprange --src-range 1.1.1.1", "-m iprange --src-range 1.1.1.1-1.1.1.1"},
      {"-m addrtype --src-type local,unicast", "-m addrtype --src-type UNICAST,LOCAL"},
      {"-m mark --mark 5", "-m mark --mark 0x5/0xffffffff"},
      {"-p tcp -j DNAT --to 1.2.3.4:http", "-p tcp -j DNAT --to-destination 1.2.3.4:80"},
      {"-p tcp -j REDIRECT --to-port 80-80", "-p tcp -j REDIRECT --to-ports 80"},
      {"-j NETMAP --to 10.1.2.3/24", "-j NETMAP --to 10.1.2.0/24"},
      // Each pair is what was loaded and what iptables-save 1.8.9 printed.
      {"-m connbytes --connbytes 10: --connbytes-dir both --connbytes-mode bytes",
       "-m connbytes --connbytes 10 --connbytes-mode bytes --connbytes-dir both"},
      {"-m connlimit --connlimit-upto 3 --connlimit-mask 255.255.0.0",
       "-m connlimit --connlimit-upto 3 --connlimit-mask 16 --connlimit-saddr"},
      {"-m hashlimit --hashlimit 90/min --hashlimit-name x --hashlimit-srcmask 32 "
       "--hashlimit-htable-gcinterval 1000",
       "-m hashlimit --hashlimit-upto 90/min --hashlimit-burst 5 --hashlimit-name x"},
      {"-m hashlimit --hashlimit-above 1024kb/s --hashlimit-name x",
       "-m hashlimit --hashlimit-above 1mb/s --hashlimit-name x"},
      {"-m time ! --weekdays Mon",
       "-m time --weekdays Tue,Wed,Thu,Fri,Sat,Sun --datestop 2038-01-19T03:14:07"},
      {"-m time --timestart 08:00 --monthdays 5,1",
       "-m time --timestart 08:00:00 --timestop 23:59:59 --monthdays 1,5 --datestop 2038-01-19T03:14:07"},
      {"-m time --datestart 2030-01 --datestop 2031-01-01",
       "-m time --datestart 2030-01-01T00:00:00 --datestop 2031-01-01T00:00:00"},
      {"-m realm --realm 5", "-m realm --realm 0x5"},
      {"-m u32 --u32 \"0>>22&0x3C@12>>26&0x3C=0:10,20\"",
       "-m u32 --u32 \"0x0>>0x16&0x3c@0xc>>0x1a&0x3c=0x0:0xa,0x14\""},
      {"-m policy --dir out --pol ipsec --proto esp --reqid 5",
       "-m policy --dir out --pol ipsec --reqid 5 --proto esp"},
      {"-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 0x10",
       "-m cluster --cluster-local-nodemask 0x00000001 --cluster-total-nodes 2 --cluster-hash-seed "
       "0x00000010"},
      {"-p sctp --chunk-types any INIT,DATA", "-p sctp -m sctp --chunk-types any DATA,INIT"},
      {"-p tcp -j TPROXY --on-port 80",
       "-p tcp -j TPROXY --on-port 80 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0"},
      {"-j CT --zone 0x5", "-j CT --zone 5"},
      {"-j NFQUEUE", "-j NFQUEUE --queue-num 0"},
      {"-j TOS --set-tos Minimize-Delay", "-j TOS --set-tos 0x10/0x3f"},
      {"-j DSCP --set-dscp-class CS1", "-j DSCP --set-dscp 0x08"},
      {"-m owner --uid-owner root", "-m owner --uid-owner 0"},
      {"-m comment --comment \"a b\" -j DROP", "-j DROP"},
      {"-c 5 6 -j DROP", "-j DROP"},
      {"-p udp --dport 53 -m mark --mark 1", "-m mark --mark 1 -p udp -m udp --dport 53"},
      {"-m mark --mark 1 -m limit --limit 1/s", "-m mark --mark 0x1 -m limit --limit 1/sec --limit-burst 5"},
      {"-m foo --bar \"x\" --baz y z", "-m foo --bar x --baz y z"},
  }));
  INFO(a << "  ==  " << b);
  CHECK(meaning(a, kFour).key == meaning(b, kFour).key);
}

TEST_CASE("spellings of one IPv6 rule are the same") {
  CHECK(same("-s ::/0 -p icmpv6 --icmpv6-type ping", "-p ipv6-icmp -m icmp6 --icmpv6-type 128", kSix));
  CHECK(same("-s 2001:DB8:0::1/64", "-s 2001:db8::/64", kSix));
  CHECK(same("-j REJECT", "-j REJECT --reject-with icmp6-port-unreachable", kSix));
  CHECK(same("-p tcp -j DNAT --to [2001:db8:0::1]:ssh", "-p tcp -j DNAT --to-destination [2001:db8::1]:22",
             kSix));
}

TEST_CASE("rules that a packet can tell apart are not the same") {
  const auto [a, b] = GENERATE(table<std::string, std::string>({
      {"-s 10.0.0.0/255.0.255.0", "-s 10.0.0.0/255.255.0.0"},
      {"-s 10.0.0.1", "-d 10.0.0.1"},
      {"! -s 0.0.0.0/0", ""},
      {"-s 010.0.0.1", "-s 10.0.0.1"},
      {"-p udp", "-p udp -m udp"},
      {"-p tcp --dport 22", "-p tcp --sport 22"},
      {"-p tcp --dport 22", "-p udp --dport 22"},
      {"-p tcp -m multiport --ports 22", "-p tcp --dport 22"},
      {"-p tcp --dport 80:82", "-p tcp -m multiport --dports 80,82"},
      {"-j chain", "-g chain"},
      {"-j chain", "-j Chain"},
      {"-i eth+", "-i eth0"},
      {"-m conntrack --ctstate NEW", "-m conntrack ! --ctstate NEW"},
      {"-m limit --limit 1/s -m mark --mark 1", "-m mark --mark 1 -m limit --limit 1/s"},
      {"-p tcp -m limit --limit 1/s -m tcp --dport 22", "-p tcp -m tcp --dport 22 -m limit --limit 1/s"},
      {"-m foo -m mark --mark 1", "-m mark --mark 1 -m foo"},
      // These write: the mark, the set's counters, whatever the program of BPF keeps.
      {"-m socket --restore-skmark -m mark --mark 1", "-m mark --mark 1 -m socket --restore-skmark"},
      {"-m set --match-set a src -m mark --mark 1", "-m mark --mark 1 -m set --match-set a src"},
      {"-m bpf --object-pinned /x -m mark --mark 1", "-m mark --mark 1 -m bpf --object-pinned /x"},
      {"-m recent --rcheck -m mark --mark 1", "-m mark --mark 1 -m recent --rcheck"},
      {"-m foo --bar 1", "-m foo --bar 01"},
      {"-m limit --limit 1/s", "-m limit --limit 1/s -m limit --limit 1/s"},
      {"-j LOG --log-prefix a", "-j LOG --log-prefix b"},
      {"-m string --algo bm --string a", "-m string --algo bm --string A"},
      {"-m set --match-set a src", "-m set --match-set a dst"},
      {"-m policy --dir in --pol ipsec --strict --proto esp --next --proto ah",
       "-m policy --dir in --pol ipsec --strict --proto ah --next --proto esp"},
      {"-m comment --comment \"--dport 22\" -p tcp", "-p tcp --dport 22"},
  }));
  INFO(a << "  !=  " << b);
  CHECK(meaning(a, kFour).key != meaning(b, kFour).key);
}

TEST_CASE("matches that write nothing may stand in any order") {
  CHECK(same("-m socket --transparent -m mark --mark 1", "-m mark --mark 1 -m socket --transparent"));
  CHECK(same("-m set --match-set a src ! --update-counters -m mark --mark 1",
             "-m mark --mark 1 -m set ! --update-counters --match-set a src"));
  CHECK(same("-m bpf --bytecode \"1,6 0 0 0\" -m mark --mark 1",
             "-m mark --mark 1 -m bpf --bytecode \"1,6 0 0 0,\""));
}

TEST_CASE("a comment is kept beside the meaning") {
  CHECK(meaning("-m comment --comment \"a \\\"b\\\" c\" -j DROP", kFour).comment == "a \"b\" c");
  CHECK(meaning("-m comment --comment x -j DROP", kFour) != meaning("-m comment --comment y -j DROP", kFour));
}

TEST_CASE("a rule that cannot be taken apart means its words") {
  CHECK(same("-m comment --comment \"x", "-m comment --comment \"x"));
  CHECK_FALSE(same("-m comment --comment \"x", "-m comment --comment \"y"));
}

TEST_CASE("the parts of a rule have the words of the rule and keys of their meaning") {
  const auto all = named_parts(
      "! -s 10.0.0.1 -p tcp -m tcp --dport ssh -m comment --comment x -j REJECT --reject-with tcp-rst",
      kFour);
  std::vector<std::pair<std::string, std::string>> shown;
  for (const auto& part : all) shown.emplace_back(part.name, part.value);
  const std::vector<std::pair<std::string, std::string>> wanted = {{"! -s", "10.0.0.1"},
                                                                   {"-p", "tcp"},
                                                                   {"--dport", "ssh"},
                                                                   {"-j", "REJECT"},
                                                                   {"--reject-with", "tcp-rst"}};
  CHECK(shown == wanted);
  const auto spelled =
      named_parts("! -s 10.0.0.1/32 -p 6 --dport 22 -j REJECT --reject-with tcp-reset", kFour);
  REQUIRE(spelled.size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(spelled[i].key == all[i].key);
}

TEST_CASE("a part that comes twice has one name") {
  const auto all = named_parts("-m rt -m hbh -m foo --bar 1 --bar 2", kSix);
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "-m");
  CHECK(all[0].value == "rt hbh foo");
  CHECK(all[1].value == "1 2");
}

TEST_CASE("the target of a rule is the chain it leads to") {
  CHECK(target_of("-p tcp -j web", kFour) == "web");
  CHECK(target_of("-g web", kFour) == "web");
  CHECK(target_of("-m comment --comment \"-j web\"", kFour).empty());
}

TEST_CASE("rules are disjoint when no packet can match both") {
  const auto [a, b] = GENERATE(table<std::string, std::string>({
      {"-s 10.0.0.0/8", "-s 11.0.0.1"},
      {"-d 10.0.0.0/8", "! -d 10.0.0.0/7"},
      {"-p tcp", "-p udp"},
      {"-p tcp", "! -p 6"},
      {"-i eth0", "-i lo"},
      {"-i eth0", "! -i eth+"},
      {"-o eth+", "-o wlan+"},
      {"-p tcp --dport 22", "-p tcp -m multiport --dports 80,443"},
      {"-p tcp --sport 22", "-p tcp ! --sport 20:30"},
      {"-m state --state NEW", "-m conntrack --ctstate ESTABLISHED,RELATED"},
      {"-m state --state NEW", "-m conntrack ! --ctstate NEW,INVALID"},
      {"-p icmp --icmp-type 8", "-p icmp --icmp-type echo-reply"},
  }));
  INFO(a << " | " << b);
  CHECK(disjoint(a, b, kFour));
  CHECK(disjoint(b, a, kFour));
}

TEST_CASE("rules that a packet may match both are not disjoint") {
  const auto [a, b] = GENERATE(table<std::string, std::string>({
      {"", ""},
      {"-s 10.0.0.0/8", "-s 10.1.0.0/16"},
      {"-s 10.0.0.0/255.0.0.255", "-s 10.1.0.0/16"},
      {"-s 10.0.0.0/8", "-d 11.0.0.0/8"},
      {"-s 10.0.0.0/8", "! -s 10.1.0.0/16"},
      {"-i eth+", "-i eth0"},
      {"-i eth0", "-o eth1"},
      {"-p tcp --dport 22", "-p tcp --sport 80"},
      {"-p tcp --dport 22", "-m mark --mark 1"},
      {"-s host.example", "-s 10.0.0.1"},
      {"-m conntrack --ctstate DNAT", "-m conntrack --ctstate NEW"},
      {"-p icmp --icmp-type any", "-p icmp --icmp-type 8"},
      {"-m foo --dport 22", "-m foo --dport 23"},
  }));
  INFO(a << " | " << b);
  CHECK_FALSE(disjoint(a, b, kFour));
}

TEST_CASE("rules that are apart, or say the same, can change places") {
  CHECK(interchangeable("-p tcp --dport 22 -j ACCEPT", "-p tcp --dport 80 -j DROP", kFour));
  CHECK(interchangeable("-s 10.0.0.1 -j one", "-s 10.0.0.2 -j two", kFour));
  CHECK(interchangeable("-p tcp --dport 22 -j ACCEPT", "-s 10.0.0.1 -j ACCEPT", kFour));
  CHECK(interchangeable("-m state --state NEW -j DROP", "-m state --state INVALID -j ACCEPT", kFour));
  CHECK(interchangeable("-s 10.0.0.1 -j REJECT", "-j REJECT --reject-with icmp-port-unreachable", kFour));
}

TEST_CASE("rules whose order may matter cannot change places") {
  const auto [a, b] = GENERATE(table<std::string, std::string>({
      {"-p tcp --dport 22 -j ACCEPT", "-s 10.0.0.1 -j DROP"},
      {"-j one", "-j two"},
      {"-j one", "-j one"},
      {"-m limit --limit 1/s -j ACCEPT", "-s 10.0.0.1 -j ACCEPT"},
      {"-s 10.0.0.1 -j REJECT", "-j REJECT --reject-with icmp-host-prohibited"},
      {"-m socket --restore-skmark -j ACCEPT", "-m mark --mark 1 -j ACCEPT"},
      {"-m set --match-set a src -j DROP", "-m set --match-set b src -j DROP"},
      {"-m mark --mark 1 -j MARK --set-mark 2", "-m mark --mark 2 -j ACCEPT"},
      {"-m conntrack --ctstate NEW -j NOTRACK", "-m conntrack --ctstate UNTRACKED -j ACCEPT"},
      {"-j LOG", "-j ACCEPT"},
      {"-j MARK --set-mark 1", "-j MARK --set-mark 2"},
      {"-m foo -p tcp -m tcp --dport 22 -j ACCEPT", "-m foo -p tcp -m tcp --dport 80 -j DROP"},
  }));
  INFO(a << " | " << b);
  CHECK_FALSE(interchangeable(a, b, kFour));
}

TEST_CASE("a text of meanings is the same for every spelling, and shows the rest") {
  const auto text = [](const std::string& rules, Family family = kFour) {
    const auto file = "*filter\n:INPUT DROP [1:2]\n:x - [0:0]\n" + rules + "COMMIT\n";
    return meaning_text(parse_tables(file, family, "x").value());
  };
  CHECK(text("-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -m comment --comment \"a b\" -j x\n-A "
             "INPUT -j "
             "LOG\n-A INPUT\n") ==
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:x - [0:0]\n-A INPUT -p "
        "tcp conntrack --ctstate NEW --dport 22 -j x  # \"a b\"\n-A INPUT -j LOG; --log-level 4\n-A "
        "INPUT\nCOMMIT\n");
  CHECK(text("-A INPUT -m conntrack --ctstate NEW -p 6 --dport ssh -j x\n") ==
        text("-A INPUT -p tcp -m state --state NEW -m multiport --dports 22 -j x\n"));
  CHECK(text("-A INPUT -p ipv6-icmp -m limit --limit 3/min -j x\n", kSix)
            .find("-p ipv6-icmp -m limit; --limit ") != std::string::npos);
  CHECK(text("-A INPUT -j LOG --log-prefix \"a; b\"\n") != text("-A INPUT -j LOG --log-prefix \"a b\"\n"));
  CHECK(meaning_text(Tables{}).empty());
}
