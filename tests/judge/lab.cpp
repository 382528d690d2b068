#include "judge/lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <stdexcept>

#include "judge/attributes.h"
#include "kernel/process.h"
#include "support/scratch_namespace.h"

namespace rewall::judge {

namespace {

// What the lab sees of packets. "s": a mark of the lab's own behind a packet. "o": what the host sends by
// itself: answers of REJECT and of its sockets. "i", "p": the end of INPUT and of POSTROUTING; then "m" with
// the mark of the connection in place of the packet's. Chains of nat have every connection bound, also before
// the rules under test are there.
constexpr const char* kTable = R"(
table inet judge {
  chain early { type filter hook prerouting priority -1000; policy accept;
    meta l4proto 253 log prefix "s" group 1 drop
  }
  chain own { type filter hook output priority -1000; policy accept;
    meta skuid 0 accept
    log prefix "o" group 1 drop
  }
  chain last_in { type filter hook input priority 2000; policy accept;
    log prefix "i" group 1
    meta mark set ct mark log prefix "m" group 1
    meta nfproto ipv4 @nh,47,1 1 accept
    meta nfproto ipv6 @nh,31,1 1 accept
    drop
  }
  chain last_out { type filter hook postrouting priority 2000; policy accept;
    log prefix "p" group 1
    meta mark set ct mark log prefix "m" group 1
    oifname "lo" drop
    meta nfproto ipv4 @nh,47,1 1 accept
    meta nfproto ipv6 @nh,31,1 1 accept
    drop
  }
  chain nat_pre { type nat hook prerouting priority -99; }
  chain nat_in { type nat hook input priority 101; }
  chain nat_out { type nat hook output priority -99; }
  chain nat_post { type nat hook postrouting priority 101; }
}
)";

constexpr const char* kSettings = R"(
set -e
put() { [ ! -e "/proc/sys/net/$2" ] || echo "$1" >"/proc/sys/net/$2"; }
for c in all default lo; do
  put 0 ipv4/conf/$c/rp_filter; put 1 ipv4/conf/$c/accept_local; put 1 ipv4/conf/$c/route_localnet
  put 0 ipv4/conf/$c/send_redirects; put 0 ipv4/conf/$c/log_martians; put 1 ipv4/conf/$c/forwarding
  put 0 ipv6/conf/$c/accept_ra; put 0 ipv6/conf/$c/accept_dad; put 1 ipv6/conf/$c/addr_gen_mode
  put 1 ipv6/conf/$c/forwarding
done
put 1 ipv4/ip_forward
put 0 ipv4/icmp_ratemask; put 0 ipv4/icmp_ratelimit; put 100000000 ipv4/icmp_msgs_per_sec; put 1000000 ipv4/icmp_msgs_burst
put 0 ipv6/icmp/ratelimit; put 1 netfilter/nf_conntrack_tcp_be_liberal
ip link set lo up
)";

void put(std::string& out, const void* data, std::size_t size) {
  out.append(static_cast<const char*>(data), size);
}

Number number_of(const std::string& text, Family family) {
  std::array<std::uint8_t, 16> bits{};
  if (inet_pton(family == Family::ipv4 ? AF_INET : AF_INET6, text.c_str(), bits.data()) != 1)
    throw std::runtime_error("no address: " + text);
  return address_number(bits, family);
}

NumberRange network_of(const std::string& text, Family family) {
  const auto slash = text.find('/');
  const unsigned width = family == Family::ipv4 ? 32 : 128;
  const auto length = static_cast<unsigned>(std::stoul(text.substr(slash + 1)));
  const Number host = length == 0 ? greatest_number(width) : greatest_number(width - length);
  const Number first = number_of(text.substr(0, slash), family) & ~host;
  return {first, first | host};
}

void configure_log(int fd, const std::string& attributes) {
  std::string message(sizeof(nlmsghdr) + sizeof(nfgenmsg), '\0');
  message += attributes;
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(message.size());
  header.nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  nfgenmsg group{.nfgen_family = AF_UNSPEC, .version = 0, .res_id = htons(1)};
  std::memcpy(message.data(), &header, sizeof header);
  std::memcpy(message.data() + sizeof header, &group, sizeof group);
  if (::send(fd, message.data(), message.size(), 0) < 0) throw std::runtime_error("no log");
  std::array<char, 4096> answer{};
  if (::recv(fd, answer.data(), answer.size(), 0) < static_cast<ssize_t>(sizeof(nlmsghdr) + sizeof(int)))
    throw std::runtime_error("no log");
  int code = 0;
  std::memcpy(&code, answer.data() + sizeof(nlmsghdr), sizeof code);
  if (code != 0) throw std::runtime_error(std::string("no log: ") + std::strerror(-code));
}

std::string attribute(std::uint16_t type, const std::string& data) {
  std::string out;
  const std::array<std::uint16_t, 2> head{static_cast<std::uint16_t>(4 + data.size()), type};
  put(out, head.data(), 4);
  out += data;
  while (out.size() % 4 != 0) out += '\0';
  return out;
}

std::string big(Number value, unsigned bytes) {
  std::string out;
  for (unsigned i = bytes; i-- > 0;) out += static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i)));
  return out;
}

std::string frame_of(const Link& link, const Shot& shot, const std::string& bytes) {
  std::string out;
  switch (shot.packet_type) {
    case 1:
      out.assign(6, '\xff');
      break;
    case 2:
      out = shot.family == Family::ipv4 ? std::string("\x01\x00\x5e\x00\x00\x01", 6)
                                        : std::string("\x33\x33\x00\x00\x00\x01", 6);
      break;
    default:
      put(out, link.mac.data(), 6);
  }
  if (link.far < 0)
    out += std::string(6, '\0');
  else
    put(out, shot.mac.data(), 6);
  out += shot.family == Family::ipv4 ? std::string("\x08\x00", 2) : std::string("\x86\xdd", 2);
  return out + bytes;
}

std::string sentinel(const Link& link) {
  Shot shot{.family = Family::ipv4, .source = 0x0a000001, .destination = 0x0a000002, .protocol = 253};
  const std::string bytes = bytes_of(shot);
  return frame_of(link, shot, bytes);
}

int packet_socket(int index) {
  const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw std::runtime_error("no packet socket");
  const int on = 1;
  // linux/if_packet.h
  ::setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  ::setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(0x0003);
  address.sll_ifindex = index;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("no packet socket");
  return fd;
}

int raw_socket(int family) {
  const int fd = ::socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) throw std::runtime_error("no raw socket");
  const int on = 1;
  if (family == AF_INET)
    ::setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof on);
  else
    ::setsockopt(fd, IPPROTO_IPV6, 36 /* IPV6_HDRINCL of linux/in6.h */, &on, sizeof on);
  ::setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  return fd;
}

/// Keeps the thread on its processor: what it puts on a wire is then received in the order in which it was
/// sent.
class SameProcessor {
 public:
  SameProcessor() {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
  SameProcessor(const SameProcessor&) = delete;
  SameProcessor& operator=(const SameProcessor&) = delete;
  ~SameProcessor() { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

void drain(int fd) {
  std::array<char, 4096> rest{};
  while (::recv(fd, rest.data(), rest.size(), MSG_DONTWAIT) > 0) {
  }
}

/// Network of a namespace as ip(8) takes it.
struct NamespaceFile {
  explicit NamespaceFile(const ScratchNamespace& of) {
    const auto ran = of.run([&] { fd = ::open("/proc/thread-self/ns/net", O_RDONLY); });
    if (!ran || fd < 0) throw std::runtime_error("no namespace");
  }
  NamespaceFile(const NamespaceFile&) = delete;
  NamespaceFile& operator=(const NamespaceFile&) = delete;
  ~NamespaceFile() { ::close(fd); }
  std::string path() const { return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd); }
  int fd = -1;
};

}  // namespace

Lab::Lab() : client_(scratch_namespace()), firewall_(scratch_namespace()), server_(scratch_namespace()) {
  make_links();
  open_sockets();
}

Lab::~Lab() {
  for (const auto& link : links_)
    if (link.far >= 0) ::close(link.far);
  for (const int fd : {log_, raw4_, raw6_, loop_})
    if (fd >= 0) ::close(fd);
}

void Lab::inside(const std::function<void()>& work) const {
  if (const auto ran = firewall_.run(work); !ran) throw std::runtime_error(ran.error().message);
}

std::optional<std::string> Lab::program(std::vector<std::string> words, std::string input) {
  std::optional<std::string> out;
  inside([&] {
    if (words[0][0] != '/') words[0] = find_program(words[0]);
    auto ran = run({.words = words,
                    .input = std::move(input),
                    .environment = {"XTABLES_LOCKFILE=/run/rewall-judge-" + std::to_string(::getpid())}},
                   ErrorKind::kernel);
    if (!ran)
      error = ran.error().message;
    else if (!ran->ok())
      error = words[0] + ": " + ran->text() + "\n" + ran->err;
    else
      out = std::move(ran->out);
  });
  return out;
}

void Lab::make_links() {
  links_ = {{.name = "lo"},
            {.name = "eth0", .v4 = "10.1.0.1/16", .v6 = "2001:db8:1::1/64"},
            {.name = "eth1", .group = 7, .v4 = "10.2.0.1/16", .v6 = "2001:db8:2::1/64"},
            {.name = "wan0", .group = 9, .v4 = "198.51.100.1/24", .v6 = "2001:db8:3::1/48"},
            {.name = "tun1", .v4 = "192.168.7.1/24", .v6 = "fd00:7::1/64"}};
  const auto must = [&](const std::string& script) {
    if (!program({"/bin/sh", "-ec", script})) throw std::runtime_error(error);
  };
  must(kSettings);
  const NamespaceFile client(client_);
  const NamespaceFile server(server_);
  for (std::size_t i = 1; i < links_.size(); ++i) {
    auto& link = links_[i];
    link.mac = {2, 0, 0, 0, 1, static_cast<std::uint8_t>(i)};
    const auto& far = i % 2 == 1 ? client : server;
    must("ip link add " + link.name + " address 02:00:00:00:01:0" + std::to_string(i) +
         " type veth peer name far" + std::to_string(i) + " netns " + far.path() + "\nip link set " +
         link.name + " arp off group " + std::to_string(link.group) + " up\nip addr add " + link.v4 +
         " dev " + link.name + "\nip -6 addr add " + link.v6 + " dev " + link.name + " nodad");
  }
  for (const auto* space : {&client_, &server_}) {
    const auto ran = space->run([&] {
      (void)run({.words = {"/bin/sh", "-c",
                           "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; for i in 1 2 3 4; do ip link "
                           "set far$i up 2>/dev/null; done; true"}},
                ErrorKind::kernel);
    });
    if (!ran) throw std::runtime_error(ran.error().message);
  }
  must("ip route add default dev wan0; ip -6 route add default dev wan0");
  if (!program({"nft", "-f", "-"}, kTable)) throw std::runtime_error(error);
  facts_.known = true;
  facts_.interfaces.push_back(
      {.name = "lo", .v4 = {number_of("127.0.0.1", Family::ipv4)}, .v6 = {number_of("::1", Family::ipv6)}});
  for (std::size_t i = 1; i < links_.size(); ++i) {
    const auto& link = links_[i];
    const auto address = [](const std::string& text) { return text.substr(0, text.find('/')); };
    facts_.interfaces.push_back({.name = link.name,
                                 .group = link.group,
                                 .v4 = {number_of(address(link.v4), Family::ipv4)},
                                 .v6 = {number_of(address(link.v6), Family::ipv6)},
                                 .v4_networks = {network_of(link.v4, Family::ipv4)},
                                 .v6_networks = {network_of(link.v6, Family::ipv6)}});
  }
}

void Lab::open_sockets() {
  first_facts_ = facts_;
  inside([&] {
    for (auto& link : links_) link.index = static_cast<int>(if_nametoindex(link.name.c_str()));
    raw4_ = raw_socket(AF_INET);
    raw6_ = raw_socket(AF_INET6);
    loop_ = packet_socket(links_[0].index);
    log_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    const nfulnl_msg_config_cmd bind{.command = NFULNL_CFG_CMD_BIND};
    const nfulnl_msg_config_mode mode{.copy_range = htonl(200), .copy_mode = NFULNL_COPY_PACKET, ._pad = 0};
    const int buffer = 4 << 20;
    ::setsockopt(log_, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    configure_log(log_,
                  attribute(NFULA_CFG_CMD, std::string(reinterpret_cast<const char*>(&bind), sizeof bind)));
    configure_log(log_,
                  attribute(NFULA_CFG_MODE, std::string(reinterpret_cast<const char*>(&mode), sizeof mode)) +
                      attribute(NFULA_CFG_QTHRESH, big(1, 4)));
    conntrack_ = std::make_unique<NetlinkSocket>();
    counts4_ = std::make_unique<Counts>(Family::ipv4);
    counts6_ = std::make_unique<Counts>(Family::ipv6);
  });
  for (std::size_t i = 1; i < links_.size(); ++i) {
    const auto ran = (i % 2 == 1 ? client_ : server_).run([&] {
      const auto name = "far" + std::to_string(i);
      links_[i].far = packet_socket(static_cast<int>(if_nametoindex(name.c_str())));
    });
    if (!ran) throw std::runtime_error(ran.error().message);
  }
}

std::string Lab::route(Number destination, Family family) const {
  if (facts_.local(family).contains(destination)) return "lo";
  if (family == Family::ipv4 && destination >> 24 == 127) return "lo";
  Number narrowest = greatest_number(128);
  std::string out = links_[3].name;
  for (const auto& interface : facts_.interfaces)
    for (const auto& network : family == Family::ipv4 ? interface.v4_networks : interface.v6_networks)
      if (destination >= network.first && destination <= network.last &&
          network.last - network.first < narrowest) {
        narrowest = network.last - network.first;
        out = interface.name;
      }
  return out;
}

void Lab::learn(bool nft, bool legacy) {
  counts4_->learn(nft, legacy);
  counts6_->learn(nft, legacy);
}

void Lab::send(const Link& link, const std::string& frame) const {
  const int fd = link.far < 0 ? loop_ : link.far;
  if (::send(fd, frame.data(), frame.size(), 0) < 0)
    throw std::runtime_error(std::string("cannot send: ") + std::strerror(errno));
}

void Lab::collect(Outcome& outcome, const Shot& shot) {
  std::array<char, 8192> buffer{};
  bool done = shot.in.empty();
  for (;;) {
    if (!done) {
      pollfd wait{.fd = log_, .events = POLLIN, .revents = 0};
      if (::poll(&wait, 1, 5000) <= 0) throw std::runtime_error("a packet got lost");
    }
    const auto size = ::recv(log_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN && done) return;
    if (size < 0 && errno != EAGAIN)
      throw std::runtime_error(std::string("the log: ") + std::strerror(errno));
    if (size < 0) continue;
    for_each_message({buffer.data(), static_cast<std::size_t>(size)}, [&](const nlmsghdr* message) {
      if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET)) return;
      std::string_view prefix;
      std::string_view payload;
      std::uint32_t mark = 0;
      std::uint32_t out = 0;
      for_each_attribute(inside_of(message), [&](const nlattr* part) {
        const auto* data = static_cast<const char*>(mnl_attr_get_payload(part));
        switch (mnl_attr_get_type(part)) {
          case NFULA_PREFIX:
            prefix = data;
            break;
          case NFULA_PAYLOAD:
            payload = {data, mnl_attr_get_payload_len(part)};
            break;
          case NFULA_MARK:
            mark = ntohl(mnl_attr_get_u32(part));
            break;
          case NFULA_IFINDEX_OUTDEV:
            out = ntohl(mnl_attr_get_u32(part));
            break;
          default:
            break;
        }
      });
      if (prefix == "s") {
        done = true;
        return;
      }
      const auto seen = read_bytes(payload);
      if (!seen) return;
      if (prefix == "m") {
        if (outcome.arrived && seen->tag == shot.tag) outcome.connection_mark = mark;
      } else if (prefix == "o") {
        // Not what TEE made of the packet.
        if (seen->tag != shot.tag || seen->protocol != shot.protocol) outcome.answers.push_back(*seen);
      } else if (seen->tag == shot.tag && !outcome.arrived) {
        outcome.arrived = *seen;
        outcome.at = prefix == "i" ? Hook::input : Hook::postrouting;
        outcome.mark = mark;
        for (const auto& link : links_)
          if (link.index == static_cast<int>(out)) outcome.out = link.name;
      }
    });
  }
}

Outcome Lab::shoot(Shot& shot, bool count) {
  Outcome outcome;
  const auto bytes = bytes_of(shot);
  if (shot.in.empty()) {
    const int fd = shot.family == Family::ipv4 ? raw4_ : raw6_;
    ::setsockopt(fd, SOL_SOCKET, SO_MARK, &shot.mark, sizeof shot.mark);
    sockaddr_in to4{};
    sockaddr_in6 to6{};
    to4.sin_family = AF_INET;
    to6.sin6_family = AF_INET6;
    const auto address = big(shot.destination, shot.family == Family::ipv4 ? 4 : 16);
    std::memcpy(
        shot.family == Family::ipv4 ? static_cast<void*>(&to4.sin_addr) : static_cast<void*>(&to6.sin6_addr),
        address.data(), address.size());
    const auto* to = shot.family == Family::ipv4 ? reinterpret_cast<const sockaddr*>(&to4)
                                                 : reinterpret_cast<const sockaddr*>(&to6);
    // A packet that OUTPUT drops is EPERM.
    if (::sendto(fd, bytes.data(), bytes.size(), 0, to,
                 shot.family == Family::ipv4 ? sizeof to4 : sizeof to6) < 0 &&
        errno != EPERM && errno != ENOBUFS && errno != EHOSTUNREACH && errno != ECONNREFUSED &&
        errno != EACCES)
      throw std::runtime_error(std::string("cannot send: ") + std::strerror(errno) + ": " + words_of(shot));
  } else {
    for (const auto& link : links_)
      if (link.name == shot.in) {
        const SameProcessor here;
        const auto parts = shot.in_fragments ? fragments_of(bytes) : std::vector<std::string>{bytes};
        for (const auto& part : parts) send(link, frame_of(link, shot, part));
        send(link, sentinel(link));
      }
  }
  collect(outcome, shot);
  if (shot.go && outcome.at == Hook::postrouting)
    for (const auto& link : links_) {
      if (link.far < 0 || link.name != outcome.out) continue;
      std::array<char, 2048> frame{};
      const auto size = ::recv(link.far, frame.data(), frame.size(), MSG_DONTWAIT);
      if (size > 14) outcome.far = read_bytes({frame.data() + 14, static_cast<std::size_t>(size) - 14});
      drain(link.far);
    }
  if (count) outcome.counted = (shot.family == Family::ipv4 ? counts4_ : counts6_)->since();
  return outcome;
}

void Lab::connection_request(const Shot& shot, std::uint16_t type, std::uint16_t flags,
                             std::optional<std::uint32_t> mark) {
  const bool four = shot.family == Family::ipv4;
  const auto& of = shot.connection;
  std::string ip = attribute(four ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, big(of.source, four ? 4 : 16)) +
                   attribute(four ? CTA_IP_V4_DST : CTA_IP_V6_DST, big(of.destination, four ? 4 : 16));
  std::string proto = attribute(CTA_PROTO_NUM, std::string(1, static_cast<char>(of.protocol)));
  if (is_icmp(of.protocol, shot.family)) {
    proto += attribute(four ? CTA_PROTO_ICMP_ID : CTA_PROTO_ICMPV6_ID, big(of.source_port, 2));
    proto += attribute(four ? CTA_PROTO_ICMP_TYPE : CTA_PROTO_ICMPV6_TYPE,
                       std::string(1, static_cast<char>(four ? 8 : 128)));
    proto += attribute(four ? CTA_PROTO_ICMP_CODE : CTA_PROTO_ICMPV6_CODE, std::string(1, '\0'));
  } else {
    proto += attribute(CTA_PROTO_SRC_PORT, big(of.source_port, 2)) +
             attribute(CTA_PROTO_DST_PORT, big(of.destination_port, 2));
  }
  constexpr std::uint16_t kNested = 0x8000;
  std::string body = attribute(kNested | CTA_TUPLE_ORIG, attribute(kNested | CTA_TUPLE_IP, ip) +
                                                             attribute(kNested | CTA_TUPLE_PROTO, proto));
  if (mark)
    body +=
        attribute(CTA_MARK, big(*mark, 4)) + attribute(CTA_STATUS, big(seen_reply | assured | confirmed, 4));
  std::string message(sizeof(nlmsghdr) + sizeof(nfgenmsg), '\0');
  message += body;
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(message.size());
  header.nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  nfgenmsg family{
      .nfgen_family = static_cast<std::uint8_t>(four ? AF_INET : AF_INET6), .version = 0, .res_id = 0};
  std::memcpy(message.data(), &header, sizeof header);
  std::memcpy(message.data() + sizeof header, &family, sizeof family);
  const int fd = conntrack_->fd();
  std::array<char, 4096> answer{};
  int code = 0;
  if (::send(fd, message.data(), message.size(), 0) < 0 || ::recv(fd, answer.data(), answer.size(), 0) < 20)
    throw std::runtime_error("no connection tracking");
  std::memcpy(&code, answer.data() + sizeof(nlmsghdr), sizeof code);
  if (code != 0 && code != -ENOENT)
    throw std::runtime_error(std::string("connection tracking: ") + std::strerror(-code));
}

void Lab::set_mark(const Shot& shot, std::uint32_t mark) {
  connection_request(shot, IPCTNL_MSG_CT_NEW, 0, mark);
}

void Lab::forget(const Shot& shot) {
  connection_request(shot, IPCTNL_MSG_CT_DELETE, 0, {});
}

void Lab::rename(std::size_t link, const std::string& name) {
  if (!program({"ip", "link", "set", links_[link].name, "name", name})) throw std::runtime_error(error);
  links_[link].name = name;
  facts_.interfaces[link].name = name;
}

void Lab::add_address(std::size_t link, Number address, Family family) {
  const std::string text = address_text(address, family) + (family == Family::ipv4 ? "/32" : "/128");
  const std::string four = family == Family::ipv4 ? "-4" : "-6";
  if (!program({"ip", four, "addr", "add", text, "dev", links_[link].name, "noprefixroute"})) return;
  undo_.push_back({"ip", four, "addr", "del", text, "dev", links_[link].name});
  auto& interface = facts_.interfaces[link];
  (family == Family::ipv4 ? interface.v4 : interface.v6).push_back(address);
}

void Lab::add_network(std::size_t link, NumberRange network, unsigned length, Family family) {
  const std::string text = address_text(network.first, family) + "/" + std::to_string(length);
  const std::string four = family == Family::ipv4 ? "-4" : "-6";
  if (!program({"ip", four, "route", "add", text, "dev", links_[link].name})) return;
  undo_.push_back({"ip", four, "route", "del", text, "dev", links_[link].name});
  auto& interface = facts_.interfaces[link];
  (family == Family::ipv4 ? interface.v4_networks : interface.v6_networks).push_back(network);
}

void Lab::forget_places() {
  for (auto i = undo_.size(); i-- > 0;)
    if (!program(undo_[i])) throw std::runtime_error(error);
  undo_.clear();
  for (std::size_t i = 0; i < facts_.interfaces.size(); ++i) {
    const auto& name = facts_.interfaces[i].name;
    auto first = first_facts_.interfaces[i];
    first.name = name;
    facts_.interfaces[i] = first;
  }
}

}  // namespace rewall::judge
