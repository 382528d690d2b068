// A restore on the nft backend is one step: whoever reads all rules sees the old or the new ones, and no
// packet that both accept is dropped.
#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <functional>
#include <iostream>
#include <thread>
#include <vector>

#include "core/file.h"
#include "kernel/firewall.h"
#include "kernel/netlink_attributes.h"
#include "kernel/netlink_socket.h"
#include "kernel/nftables.h"
#include "rules/rules_file.h"
#include "support/host.h"

using namespace rewall;

namespace {

constexpr int kFlips = 200;
// The others are loaded by the library, which is all of a restore that touches the firewall, many times as
// often in the same time.
constexpr int kByProgram = 40;
constexpr int kFillers = 12;  // a chain: all rules together are more than one answer of the kernel can hold
constexpr std::uint16_t kPort = 4001;

/// Four tables of one family. Every rule but one a chain bears the era's mark, so none of them can stay, and
/// the marked ones are at other places in the other era.
///
/// A packet to kPort walks OUTPUT and INPUT. In both eras it is accepted in the user chain that the era's
/// base chain leads to, and any other pair of a base chain and a user chain drops it: each era's unused user
/// chain drops all, and the policy is DROP. (A mix of the OUTPUT of one era and the INPUT of the other proves
/// nothing: the kernel does not promise that a packet meets one generation in two hooks, so both accept it.)
std::string tables_of_era(const std::string& era) {
  const bool old = era == "old";
  const std::string mark = " -m comment --comment era-" + era;
  std::string text;
  const auto fill = [&](const std::string& chain) {
    for (int i = 0; i < kFillers; ++i)
      text += "-A " + chain + " -p tcp -m tcp --dport " + std::to_string(old ? 100 + i : 300 - i) + mark +
              " -j ACCEPT\n";
  };
  const auto stays = [&](const std::string& chain) { text += "-A " + chain + " -p sctp -j ACCEPT\n"; };
  const auto walk = [&](const std::string& chain) {
    const std::string used = chain + (old ? "-first" : "-second");
    const std::string unused = chain + (old ? "-second" : "-first");
    if (old) fill(chain);
    text += "-A " + chain + mark + " -j " + used + "\n";
    stays(chain);
    if (!old) fill(chain);
    if (!old) text += "-A " + used + " -p tcp" + mark + " -j DROP\n";
    text += "-A " + used + " -p udp -m udp --dport " + std::to_string(kPort) + mark + " -j ACCEPT\n";
    text += "-A " + unused + mark + " -j DROP\n";
  };
  text += "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
  fill("PREROUTING");
  stays("PREROUTING");
  text +=
      "COMMIT\n*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n"
      ":OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n";
  fill("FORWARD");
  stays("FORWARD");
  text +=
      "COMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
      ":POSTROUTING ACCEPT [0:0]\n";
  fill("POSTROUTING");
  stays("POSTROUTING");
  text +=
      "COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n"
      ":INPUT-first - [0:0]\n:INPUT-second - [0:0]\n:OUTPUT-first - [0:0]\n:OUTPUT-second - [0:0]\n";
  walk("INPUT");
  walk("OUTPUT");
  return text + "COMMIT\n";
}

/// How many rules of each kind there are.
struct Marks {
  std::size_t old_era = 0;
  std::size_t new_era = 0;
  std::size_t none = 0;
  bool operator==(const Marks&) const = default;
};

Marks marks_of(const std::string& text) {
  Marks marks;
  for (const auto line : split_lines(text)) {
    if (!line.starts_with("-A")) continue;
    ++(has(line, "era-old") ? marks.old_era : has(line, "era-new") ? marks.new_era : marks.none);
  }
  return marks;
}

/// Both families hold the same.
Marks twice(const Marks& marks) {
  return {2 * marks.old_era, 2 * marks.new_era, 2 * marks.none};
}

struct Reads {
  int old_era = 0;
  int new_era = 0;
  int thrown_away = 0;         ///< the kernel says that it was interrupted, or a transaction was on its way
  std::vector<Marks> mixed{};  ///< of both eras, or not as many rules as there are
  int error = 0;
};

void read_until(const std::atomic<bool>& done, const Marks& old_era, const Marks& new_era, Reads& reads) {
  NetlinkSocket socket;
  const NetlinkRequest all_rules(NFT_MSG_GETRULE, AF_UNSPEC, NLM_F_DUMP);
  while (!done && reads.error == 0) {
    Marks seen;
    const auto before = read_generation();
    const int error = socket.ask(all_rules, [&](const nlmsghdr* message) {
      const auto facts = attributes<NFTA_RULE_MAX + 1>(message);
      const std::string_view rule(
          static_cast<const char*>(mnl_attr_get_payload(facts[NFTA_RULE_EXPRESSIONS])),
          mnl_attr_get_payload_len(facts[NFTA_RULE_EXPRESSIONS]));
      ++(has(rule, "era-old") ? seen.old_era : has(rule, "era-new") ? seen.new_era : seen.none);
    });
    if (error == EINTR) {
      ++reads.thrown_away;
      socket = NetlinkSocket();  // what is left of the answer goes with the socket
    } else if (error != 0) {
      reads.error = error;
    } else if (seen.old_era != 0 && seen.new_era != 0) {
      reads.mixed.push_back(seen);
    } else if (before != read_generation()) {
      // Of one era, but the kernel may have counted wrong (nftables.h).
      ++reads.thrown_away;
    } else if (seen == old_era) {
      ++reads.old_era;
    } else if (seen == new_era) {
      ++reads.new_era;
    } else {
      reads.mixed.push_back(seen);
    }
  }
}

/// One datagram after the other from one end of lo to the other.
class Post {
 public:
  explicit Post(int family)
      : to_(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
        from_(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (family == AF_INET) {
      auto& address = reinterpret_cast<sockaddr_in&>(address_);
      address.sin_family = AF_INET;
      address.sin_port = htons(kPort);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size_ = sizeof address;
    } else {
      auto& address = reinterpret_cast<sockaddr_in6&>(address_);
      address.sin6_family = AF_INET6;
      address.sin6_port = htons(kPort);
      address.sin6_addr = in6addr_loopback;
      size_ = sizeof address;
    }
    // Met only by a packet that is lost: what lo delivers is there when sendto(2) is done.
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    open_ = ::setsockopt(to_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
            ::bind(to_.get(), reinterpret_cast<const sockaddr*>(&address_), size_) == 0;
  }

  bool open() const { return open_; }

  /// False when it does not arrive.
  bool deliver(std::uint32_t number) const {
    if (::sendto(from_.get(), &number, sizeof number, 0, reinterpret_cast<const sockaddr*>(&address_),
                 size_) < 0)
      return false;
    std::uint32_t got = 0;
    return ::recv(to_.get(), &got, sizeof got, 0) == sizeof got && got == number;
  }

 private:
  Fd to_;
  Fd from_;
  sockaddr_storage address_{};
  socklen_t size_ = 0;
  bool open_ = false;
};

struct Packets {
  std::uint32_t sent = 0;
  std::uint32_t lost = 0;
  bool opened = false;
};

void send_until(const std::atomic<bool>& done, Packets& packets) {
  const Post v4(AF_INET);
  const Post v6(AF_INET6);
  packets.opened = v4.open() && v6.open();
  while (packets.opened && !done) {
    for (const Post* post : {&v4, &v6})
      if (!post->deliver(++packets.sent)) ++packets.lost;
  }
}

Ruleset ruleset_of(const std::string& text) {
  Ruleset ruleset;
  ruleset.v4 = parse_tables(text, Family::ipv4, "rules.v4").value();
  ruleset.v6 = parse_tables(text, Family::ipv6, "rules.v6").value();
  return ruleset;
}

/// The two rulesets, each staged to follow the other.
class Pair {
 public:
  Pair(const std::string& one, const std::string& other)
      : staged_{stage(ruleset_of(one), ruleset_of(other)), stage(ruleset_of(other), ruleset_of(one))} {}

  /// True when it is in force as it was sent, in the next generation.
  bool flip_to(std::size_t which) const {
    const auto loaded = firewall_->load(staged_[which], staged_[1 - which].ruleset, firewall_->generation());
    return loaded && loaded->reads_back;
  }

 private:
  Staged stage(const Ruleset& wanted, const Ruleset& live) const {
    return firewall_->stage(wanted, &live).value();
  }

  std::unique_ptr<Firewall> firewall_ = host_firewall();
  std::array<Staged, 2> staged_;
};

}  // namespace

TEST_CASE("200 flips between two rulesets: no read is of both, no packet is lost") {
  const Host host;
  const std::string old_text = tables_of_era("old");
  const std::string new_text = tables_of_era("new");
  const Marks old_era = twice(marks_of(old_text));
  const Marks new_era = twice(marks_of(new_text));
  REQUIRE(old_era.old_era > 100);
  REQUIRE(old_era.none == new_era.none);
  const auto load = [&](const std::string& text) {
    REQUIRE(write_file(host.folder() / "rules", text, 0600));
    host.ok("iptables-restore <rules; ip6tables-restore <rules");
  };
  host.ok("ip link set lo up");
  load(new_text);
  host.ok("rewall init; rewall tag new");
  load(old_text);
  host.ok("rewall snapshot; rewall tag old");

  Reads reads;
  Packets packets;
  int by_program = 0;
  int by_library = 0;
  host.inside([&] {
    std::atomic<bool> done{false};
    std::vector<std::thread> others;
    // They take what time is left: each alone would fill a processor, and the flips are to be many.
    const auto start = [&](const std::function<void()>& work) {
      others.emplace_back([work] {
        const int nicer = ::nice(10);
        static_cast<void>(nicer);
        work();
      });
    };
    start([&] { read_until(done, old_era, new_era, reads); });
    start([&] { send_until(done, packets); });
    const Pair pair(old_text, new_text);
    for (int flip = 0; flip < kFlips; ++flip) {
      const bool to_new = flip % 2 == 0;
      if (flip >= kFlips - kByProgram) {
        const auto outcome =
            run({.words = {REWALL_PROGRAM, "-q", "-C", host.repository(), "restore", to_new ? "new" : "old"}},
                ErrorKind::usage);
        by_program += static_cast<int>(outcome && outcome->ok());
      } else {
        by_library += static_cast<int>(pair.flip_to(to_new ? 1 : 0));
      }
    }
    done = true;
    for (auto& other : others) other.join();
  });
  std::cout << "flip: " << by_program << " by the program and " << by_library << " by its library, "
            << reads.old_era << " + " << reads.new_era << " reads of the old and the new ruleset, "
            << reads.mixed.size() << " mixed, " << reads.thrown_away << " thrown away, " << packets.sent
            << " packets, " << packets.lost << " lost\n";
  for (const Marks& mixed : reads.mixed)
    std::cout << "  mixed: " << mixed.old_era << " old, " << mixed.new_era << " new, " << mixed.none
              << " of both\n";
  CHECK(by_program == kByProgram);
  CHECK(by_library == kFlips - kByProgram);
  CHECK(reads.error == 0);
  CHECK(reads.mixed.empty());
  CHECK(reads.old_era > 200);
  CHECK(reads.new_era > 200);
  CHECK(packets.opened);
  CHECK(packets.lost == 0);
  CHECK(packets.sent > 5000);
}
