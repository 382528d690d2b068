// The lines are those that tcpdump 4.99.3, conntrack 1.4.7 and Linux 6.18 printed, and lines in the format of
// nf_log_syslog.c.
#include <algorithm>
#include <catch2/catch.hpp>

#include "analysis/packet.h"

using namespace rewall;

namespace {

std::string words_of_line(const std::string& line) {
  INFO(line);
  CHECK(is_packet_line(line));
  const auto packet = read_packet(std::vector<std::string>{line});
  if (!packet) return packet.error().message;
  return packet_words(*packet);
}

std::string with(const std::string& line, const std::vector<std::string>& words) {
  std::vector<std::string> all = {line};
  all.insert(all.end(), words.begin(), words.end());
  const auto packet = read_packet(all);
  return packet ? packet_words(*packet) : packet.error().message;
}

const std::string kSyn =
    "01:48:21.432088 IP 10.9.0.2.38068 > 10.9.0.1.22: Flags [S], seq 1262618769, win 64240, options [mss "
    "1460,sackOK,TS val 3836536038 ecr 0,nop,wscale 10], length 0";
const std::string kSynWords =
    "-p tcp -s 10.9.0.2 -d 10.9.0.1 --sport 38068 --dport 22 --tcp-flags 0xff SYN --ctstate NEW";

}  // namespace

TEST_CASE("a line of tcpdump is read, with any of its times") {
  CHECK(words_of_line(kSyn) == kSynWords);
  CHECK(words_of_line(kSyn.substr(kSyn.find("IP "))) == kSynWords);
  CHECK(words_of_line("2026-11-29 " + kSyn) == kSynWords);
  CHECK(words_of_line("1795916901.432087 " + kSyn.substr(kSyn.find("IP "))) == kSynWords);
  CHECK(words_of_line(" 00:00:00.000013 " + kSyn.substr(kSyn.find("IP "))) == kSynWords);
}

TEST_CASE("flags of TCP are those of the line, and only a SYN alone tells a state") {
  CHECK(
      words_of_line("IP 10.9.0.1.22 > 10.9.0.2.38068: Flags [S.], seq 3976703989, ack 1262618770, win 65160, "
                    "length 0") ==
      "-p tcp -s 10.9.0.1 -d 10.9.0.2 --sport 22 --dport 38068 --tcp-flags 0xff SYN,ACK");
  CHECK(words_of_line("IP 10.9.0.2.38068 > 10.9.0.1.22: Flags [FP.], seq 2, ack 4, win 63, length 0") ==
        "-p tcp -s 10.9.0.2 -d 10.9.0.1 --sport 38068 --dport 22 --tcp-flags 0xff FIN,PSH,ACK");
  CHECK(words_of_line("IP 10.9.0.2.38068 > 10.9.0.1.22: Flags [none], win 63, length 0") ==
        "-p tcp -s 10.9.0.2 -d 10.9.0.1 --sport 38068 --dport 22 --tcp-flags 0xff NONE");
  CHECK(words_of_line("IP 10.9.0.2.38068 > 10.9.0.1.22: tcp 0") ==
        "-p tcp -s 10.9.0.2 -d 10.9.0.1 --sport 38068 --dport 22");
}

TEST_CASE("lines of tcpdump of other protocols are read") {
  CHECK(words_of_line("01:48:21.457075 IP 10.9.0.2.52212 > 10.9.0.1.9999: UDP, length 5") ==
        "-p udp -s 10.9.0.2 -d 10.9.0.1 --sport 52212 --dport 9999");
  CHECK(words_of_line("01:48:21.458229 IP 10.9.0.2.52212 > 10.9.0.1.53: 4660+ A? example.com. (29)") ==
        "-p udp -s 10.9.0.2 -d 10.9.0.1 --sport 52212 --dport 53");
  CHECK(words_of_line("IP 10.9.0.1 > 10.9.0.2: ICMP 10.9.0.1 udp port 9999 unreachable, length 41") ==
        "-p icmp -s 10.9.0.1 -d 10.9.0.2 --icmp-type 3 --icmp-code 3");
  CHECK(words_of_line("IP 10.9.0.1 > 10.9.0.2: ICMP 10.9.0.1 protocol 132 unreachable, length 60") ==
        "-p icmp -s 10.9.0.1 -d 10.9.0.2 --icmp-type 3 --icmp-code 2");
  CHECK(words_of_line("IP 10.9.0.1 > 10.9.0.2: ICMP echo request, id 12, seq 1, length 64") ==
        "-p icmp -s 10.9.0.1 -d 10.9.0.2 --icmp-type 8 --icmp-code 0");
  CHECK(words_of_line(
            "01:48:24.132972 IP 10.9.0.2.40000 > 10.9.0.1.22: sctp (1) [Bad chunk length 0, < size of "
            "chunk descriptor]") == "-p sctp -s 10.9.0.2 -d 10.9.0.1 --sport 40000 --dport 22");
  CHECK(words_of_line("IP 10.9.0.2.40000 > 10.9.0.1.22: DCCP DCCP-Request (service=0) ") ==
        "-p dccp -s 10.9.0.2 -d 10.9.0.1 --sport 40000 --dport 22");
  CHECK(words_of_line("IP 10.9.0.2 > 10.9.0.1: GREv0, off 0x0, seq 0, length 32: gre-proto-0x16") ==
        "-p gre -s 10.9.0.2 -d 10.9.0.1");
  CHECK(words_of_line("IP 10.9.0.2 > 10.9.0.1: ESP(spi=0x9c400016,seq=0x0), length 32") ==
        "-p esp -s 10.9.0.2 -d 10.9.0.1");
  CHECK(words_of_line("IP 10.9.0.2 > 10.9.0.1:  ip-proto-136 32") == "-p udplite -s 10.9.0.2 -d 10.9.0.1");
  CHECK(words_of_line("IP 10.9.0.2 > 10.9.0.1: ip-proto-17") == "-p udp -s 10.9.0.2 -d 10.9.0.1 -f");
}

TEST_CASE("lines of tcpdump of IPv6 are read") {
  CHECK(words_of_line("01:48:22.468372 IP6 fd09::2.59840 > fd09::1.22: Flags [S], seq 702362156, win 64800, "
                      "length 0") ==
        "-p tcp -s fd09::2 -d fd09::1 --sport 59840 --dport 22 --tcp-flags 0xff SYN --ctstate NEW");
  CHECK(words_of_line(
            "IP6 fd09::1 > fd09::2: ICMP6, destination unreachable, unreachable port, fd09::1 udp port "
            "9999, length 61") == "-p ipv6-icmp -s fd09::1 -d fd09::2 --icmp-type 1 --icmp-code 4");
  CHECK(words_of_line(
            "IP6 fe80::9861:97ff:fe50:3426 > ff02::16: HBH ICMP6, multicast listener report v2, 2 group "
            "record(s), length 48") ==
        "-p ipv6-icmp -s fe80::9861:97ff:fe50:3426 -d ff02::16 --icmp-type 143 --icmp-code 0");
  CHECK(words_of_line("IP6 fd09::2 > fd09::1: frag (0|1448) 39339 > 9998: UDP, length 3000") ==
        "-p udp -s fd09::2 -d fd09::1 --sport 39339 --dport 9998");
  CHECK(words_of_line("IP6 fd09::2 > fd09::1: frag (1448|1448)") == "-s fd09::2 -d fd09::1 -f");
}

TEST_CASE("tcpdump -v tells the header") {
  CHECK(words_of_line("IP (tos 0xc0, ttl 64, id 17406, offset 0, flags [none], proto ICMP (1), length 61)\n"
                      "    10.9.0.1 > 10.9.0.2: ICMP 10.9.0.1 udp port 9999 unreachable, length 41") ==
        "-p icmp -s 10.9.0.1 -d 10.9.0.2 --icmp-type 3 --icmp-code 3 --ttl-eq 64 --tos 0xc0 --length 61");
  CHECK(
      words_of_line("IP (tos 0x0, ttl 64, id 8319, offset 1480, flags [+], proto UDP (17), length 1500)     "
                    "10.9.0.2 > 10.9.0.1: ip-proto-17") ==
      "-p udp -s 10.9.0.2 -d 10.9.0.1 -f --ttl-eq 64 --tos 0x0 --length 1500");
  CHECK(
      words_of_line(
          "IP6 (flowlabel 0x3c707, hlim 64, next-header TCP (6) payload length: 40) fd09::2.59840 > "
          "fd09::1.22: Flags [S], cksum 0xfa44 (incorrect -> 0x4964), seq 702362156, win 64800, "
          "length 0") ==
      "-p tcp -s fd09::2 -d fd09::1 --sport 59840 --dport 22 --tcp-flags 0xff SYN --ctstate NEW --ttl-eq 64 "
      "--tos 0x0 --length 80");
  CHECK(
      words_of_line(
          "IP6 (hlim 1, next-header Options (0) payload length: 56) fe80::9861:97ff:fe50:3426 > "
          "ff02::16: HBH (rtalert: 0x0000) (padn) [icmp6 sum ok] ICMP6, multicast listener report v2, 2 "
          "group record(s) [gaddr ff02::1:ff50:3426 to_ex, 0 source(s)]") ==
      "-p ipv6-icmp -s fe80::9861:97ff:fe50:3426 -d ff02::16 --icmp-type 143 --icmp-code 0 --ttl-eq 1 --tos "
      "0x0 --length 96");
}

TEST_CASE("tcpdump -e and -i any tell the link") {
  CHECK(words_of_line("9a:61:97:50:34:26 > 72:64:d8:1d:0d:48, ethertype IPv4 (0x0800), length 74: "
                      "10.9.0.2.38068 > 10.9.0.1.22: Flags [S], seq 1262618769, win 64240, length 0") ==
        kSynWords + " --mac-source 9a:61:97:50:34:26");
  CHECK(words_of_line(
            "01:48:21.432086 va    In  IP 10.9.0.2.38068 > 10.9.0.1.22: Flags [S], seq 1262618769, win "
            "64240, length 0") ==
        "-p tcp -s 10.9.0.2 -d 10.9.0.1 --sport 38068 --dport 22 --tcp-flags 0xff SYN -i va --ctstate NEW "
        "--pkt-type unicast");
  CHECK(
      words_of_line("01:48:22.2 eth0.7  Out IP 10.9.0.1.22 > 10.9.0.2.38068: Flags [.], ack 1, length 0") ==
      "-p tcp -s 10.9.0.1 -d 10.9.0.2 --sport 22 --dport 38068 --tcp-flags 0xff ACK -o eth0.7 --hook OUTPUT");
  CHECK(words_of_line(
            "va    In  ifindex 3 9a:61:97:50:34:26 ethertype IPv4 (0x0800), length 80: 10.9.0.2.38068 > "
            "10.9.0.1.22: Flags [S], seq 1262618769, win 64240, length 0") ==
        "-p tcp -s 10.9.0.2 -d 10.9.0.1 --sport 38068 --dport 22 --tcp-flags 0xff SYN -i va --ctstate NEW "
        "--mac-source 9a:61:97:50:34:26 --pkt-type unicast");
}

TEST_CASE("a line of conntrack is the next packet of the connection") {
  CHECK(
      words_of_line(
          "tcp      6 431999 ESTABLISHED src=10.9.0.2 dst=10.9.0.1 sport=47282 dport=2222 packets=5 "
          "bytes=269 src=10.9.0.1 dst=10.9.0.2 sport=22 dport=47282 packets=4 bytes=218 [ASSURED] "
          "mark=17 use=1") ==
      "-p tcp -s 10.9.0.2 -d 10.9.0.1 --sport 47282 --dport 2222 --ctstate ESTABLISHED --ctstatus 0x2e:0x2f "
      "--ctdir ORIGINAL --ctorigsrc 10.9.0.2 --ctorigdst 10.9.0.1 --ctorigsrcport 47282 --ctorigdstport 2222 "
      "--ctreplsrc 10.9.0.1 --ctrepldst 10.9.0.2 --ctreplsrcport 22 --ctrepldstport 47282 --connmark 0x11");
  const std::string unreplied =
      "-p udp -s 10.9.0.2 -d 10.9.0.1 --sport 52212 --dport 53 --ctstate NEW --ctstatus 0x8:0x9 --ctdir "
      "ORIGINAL "
      "--ctorigsrc 10.9.0.2 --ctorigdst 10.9.0.1 --ctorigsrcport 52212 --ctorigdstport 53 --ctreplsrc "
      "10.9.0.1 "
      "--ctrepldst 10.9.0.2 --ctreplsrcport 53 --ctrepldstport 52212 --connmark 0x0";
  const std::string line =
      "udp      17 27 src=10.9.0.2 dst=10.9.0.1 sport=52212 dport=53 packets=1 bytes=57 [UNREPLIED] "
      "src=10.9.0.1 "
      "dst=10.9.0.2 sport=53 dport=52212 packets=0 bytes=0 mark=0 ";
  CHECK(words_of_line(line + "delta-time=3 use=1") == unreplied);
  CHECK(words_of_line("ipv4     2 " + line + "zone=0 delta-time=2 use=2") == unreplied);
  CHECK(words_of_line("ipv4     2 " + line +
                      "delta-time=3 [start=Sun Nov 29 01:48:21 2026] use=1 id=3654620492") == unreplied);
  CHECK(words_of_line("    [NEW] " + line) == unreplied);
}

TEST_CASE("lines of conntrack of IPv6, of ICMP and of protocols without ports are read") {
  CHECK(
      words_of_line("ipv6     10 tcp      6 59 CLOSE_WAIT src=fd09:0000:0000:0000:0000:0000:0000:0002 "
                    "dst=fd09:0000:0000:0000:0000:0000:0000:0001 sport=59840 dport=22 "
                    "src=fd09:0000:0000:0000:0000:0000:0000:0001 dst=fd09:0000:0000:0000:0000:0000:0000:0002 "
                    "sport=22 dport=59840 [ASSURED] mark=0 zone=0 use=2") ==
      "-p tcp -s fd09::2 -d fd09::1 --sport 59840 --dport 22 --ctstate ESTABLISHED --ctstatus 0xe:0xf "
      "--ctdir "
      "ORIGINAL --ctorigsrc fd09::2 --ctorigdst fd09::1 --ctorigsrcport 59840 --ctorigdstport 22 --ctreplsrc "
      "fd09::1 --ctrepldst fd09::2 --ctreplsrcport 22 --ctrepldstport 59840 --connmark 0x0");
  CHECK(
      words_of_line("icmp     1 29 src=10.9.0.2 dst=10.9.0.1 type=8 code=0 id=12 src=10.9.0.1 dst=10.9.0.2 "
                    "type=0 code=0 id=12 mark=0 use=1") ==
      "-p icmp -s 10.9.0.2 -d 10.9.0.1 --icmp-type 8 --icmp-code 0 --ctstate ESTABLISHED --ctstatus 0xa:0xb "
      "--ctdir ORIGINAL --ctorigsrc 10.9.0.2 --ctorigdst 10.9.0.1 --ctreplsrc 10.9.0.1 --ctrepldst 10.9.0.2 "
      "--connmark 0x0");
  CHECK(words_of_line("unknown  89 599 src=10.9.0.2 dst=10.9.0.1 packets=1 bytes=52 [UNREPLIED] src=10.9.0.1 "
                      "dst=10.9.0.2 packets=0 bytes=0 mark=0 delta-time=0 use=1") ==
        "-p ospf -s 10.9.0.2 -d 10.9.0.1 --ctstate NEW ! -f --ctstatus 0x8:0x9 --ctdir ORIGINAL --ctorigsrc "
        "10.9.0.2 "
        "--ctorigdst 10.9.0.1 --ctreplsrc 10.9.0.1 --ctrepldst 10.9.0.2 --connmark 0x0");
}

TEST_CASE("a line of the LOG target is read behind any prefix, and IN and OUT tell the hook") {
  const std::string log =
      "IN=eth0 OUT= MAC=52:54:00:12:34:56:9a:61:97:50:34:26:08:00 SRC=198.51.100.7 DST=203.0.113.5 LEN=60 "
      "TOS=0x00 "
      "PREC=0x00 TTL=63 ID=27349 DF PROTO=TCP SPT=40000 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 ";
  const std::string words =
      "-p tcp -s 198.51.100.7 -d 203.0.113.5 --sport 40000 --dport 22 --tcp-flags 0xff SYN -i eth0 --ctstate "
      "NEW "
      "--ttl-eq 63 --tos 0x0:0x1 --length 60 --mac-source 9a:61:97:50:34:26 --mark 0x0";
  CHECK(words_of_line(log) == words);
  CHECK(words_of_line("Nov 29 01:48:21 web1 kernel: [ 1234.567890] DROP: " + log) == words);
  CHECK(words_of_line("2026-11-29T01:48:21.123456+01:00 web1 kernel: [UFW BLOCK] " + log) == words);
  CHECK(words_of_line("<4>[1234.5] -j IN: prefix" + log) == words);
  CHECK(words_of_line("IN=eth0 OUT=docker0 PHYSIN=veth1 MAC= SRC=198.51.100.7 DST=172.17.0.2 LEN=33 TOS=0x08 "
                      "PREC=0x20 TTL=62 ID=1 PROTO=UDP SPT=40000 DPT=53 LEN=13 MARK=0x10 ") ==
        "-p udp -s 198.51.100.7 -d 172.17.0.2 --sport 40000 --dport 53 -i eth0 -o docker0 --physdev-in veth1 "
        "--ttl-eq 62 --tos 0x28:0x29 --length 33 --mark 0x10 --hook FORWARD");
  CHECK(
      words_of_line("IN= OUT=eth0 SRC=203.0.113.5 DST=198.51.100.7 LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=2 DF "
                    "PROTO=ICMP TYPE=8 CODE=0 ID=12 SEQ=1 ") ==
      "-p icmp -s 203.0.113.5 -d 198.51.100.7 --icmp-type 8 --icmp-code 0 -o eth0 --ttl-eq 64 --tos 0x0:0x1 "
      "--length 84 --mark 0x0 --hook OUTPUT");
}

TEST_CASE("what an ICMP error quotes in a line of the LOG target is not the packet") {
  CHECK(words_of_line(
            "IN=eth0 OUT= MAC= SRC=192.0.2.1 DST=203.0.113.5 LEN=88 TOS=0x00 PREC=0xC0 TTL=60 ID=3 "
            "PROTO=ICMP TYPE=3 CODE=1 [SRC=203.0.113.5 DST=192.0.2.77 LEN=60 TOS=0x00 PREC=0x00 TTL=1 "
            "ID=4 DF PROTO=TCP SPT=5555 DPT=80 WINDOW=64240 RES=0x00 SYN URGP=0 ] MARK=0x3 ") ==
        "-p icmp -s 192.0.2.1 -d 203.0.113.5 --icmp-type 3 --icmp-code 1 -i eth0 --ttl-eq 60 --tos 0xc0:0xc1 "
        "--length 88 --mark 0x3");
}

TEST_CASE("lines of the LOG target of IPv6 and of fragments are read") {
  CHECK(words_of_line(
            "IN=eth0 OUT= MAC= SRC=2001:0db8:0000:0000:0000:0000:0000:0007 "
            "DST=2001:0db8:0000:0000:0000:0000:0000:0005 LEN=80 TC=16 HOPLIMIT=64 FLOWLBL=1234 PROTO=TCP "
            "SPT=40000 DPT=22 WINDOW=64800 RES=0x00 ACK PSH URGP=0 ") ==
        "-p tcp -s 2001:db8::7 -d 2001:db8::5 --sport 40000 --dport 22 --tcp-flags 0xff PSH,ACK -i eth0 "
        "--ttl-eq "
        "64 --tos 0x10 --length 80 --mark 0x0");
  CHECK(words_of_line("IN=eth0 OUT= MAC= SRC=2001:0db8:0000:0000:0000:0000:0000:0007 "
                      "DST=2001:0db8:0000:0000:0000:0000:0000:0005 LEN=56 TC=0 HOPLIMIT=255 FLOWLBL=0 "
                      "PROTO=ICMPv6 TYPE=135 CODE=0 ") ==
        "-p ipv6-icmp -s 2001:db8::7 -d 2001:db8::5 --icmp-type 135 --icmp-code 0 -i eth0 --ttl-eq 255 --tos "
        "0x0 --length 56 --mark 0x0");
  CHECK(words_of_line(
            "IN=eth0 OUT= MAC= SRC=192.0.2.1 DST=203.0.113.5 LEN=1500 TOS=0x00 PREC=0x00 TTL=60 ID=3 MF "
            "FRAG:185 PROTO=UDP ") ==
        "-p udp -s 192.0.2.1 -d 203.0.113.5 -i eth0 -f --ttl-eq 60 --tos 0x0:0x1 --length 1500 --mark 0x0");
}

TEST_CASE("words behind a line replace what it says") {
  CHECK(with(kSyn, {"--dport", "23", "-i", "eth0", "--hook", "PREROUTING"}) ==
        "-p tcp -s 10.9.0.2 -d 10.9.0.1 --sport 38068 --dport 23 --tcp-flags 0xff SYN -i eth0 --ctstate NEW "
        "--hook PREROUTING");
  CHECK(with(kSyn, {"-6"}) == "the line is of ipv4, and the packet of ipv6");
  std::vector<std::string> words;
  for (const auto* word : {"tcp", "6", "99", "SYN_SENT", "src=10.9.0.2", "dst=10.9.0.1", "sport=1", "dport=2",
                           "[UNREPLIED]", "src=10.9.0.1", "dst=10.9.0.2", "sport=2", "dport=1", "-i", "eth0"})
    words.emplace_back(word);
  const auto packet = read_packet(words);
  REQUIRE(packet);
  CHECK((*packet)[Field::in_interface] == interfaces_of("eth0"));
  CHECK((*packet)[Field::destination_port] == NumberSet::one(2));
}

TEST_CASE("names of revisions are no lines, and lines of no packet are refused") {
  for (const auto* text : {"HEAD", "LIVE", "good", "@{2 hours ago}", "file:/tmp/a > b", "origin/hosts/web1",
                           "-", "@{2 days ago} > x", ""})
    CHECK_FALSE(is_packet_line(text));
  const auto refused = [](const std::string& line) {
    const auto packet = read_packet(std::vector<std::string>{line});
    REQUIRE_FALSE(packet);
    return packet.error().message;
  };
  CHECK(refused("IP web1.example.org.40000 > 10.9.0.1.22: Flags [S]") ==
        "'web1.example.org.40000' is not an address");
  CHECK(read_packet(std::vector<std::string>{"IP web1.40000 > 10.9.0.1.22: Flags [S]"}).error().hint ==
        "names of hosts are not looked up: use tcpdump -n");
  CHECK(refused("ARP, Request who-has 10.9.0.1 tell 10.9.0.2, length 28") ==
        "'ARP, Request who-has 10.9.0.1 tell 10.9.0.2, length 28' is no line of 'tcpdump -n', 'conntrack -L' "
        "or "
        "the kernel's LOG target that tells a packet");
}

TEST_CASE("no beginning of a line and no cut in it stops the reader") {
  const std::string log =
      "k: IN=eth0 OUT= MAC=52:54:00:12:34:56:9a:61:97:50:34:26:08:00 SRC=198.51.100.7 DST=203.0.113.5 LEN=60 "
      "TOS=0x00 PREC=0x00 TTL=63 ID=27349 DF PROTO=TCP SPT=40000 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 ";
  for (const auto& line : {kSyn, log}) {
    for (std::size_t i = 0; i <= line.size(); ++i) {
      (void)read_packet(std::vector<std::string>{line.substr(0, i)});
      (void)read_packet(std::vector<std::string>{line.substr(i)});
      (void)read_packet(
          std::vector<std::string>{line.substr(0, i) + line.substr(std::min(line.size(), i + 3))});
    }
  }
  SUCCEED();
}
