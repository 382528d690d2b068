#include "kernel/listening_sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "core/file.h"
#include "core/proc.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

class Listener {
 public:
  Listener(int type, const std::string& address, std::uint16_t port, bool only_v6 = false) {
    const bool v6 = address.find(':') != std::string::npos;
    fd_ = Fd(::socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
    REQUIRE(fd_);
    const int one = only_v6 ? 1 : 0;
    if (v6) REQUIRE(::setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0);
    sockaddr_in6 to6{};
    to6.sin6_family = AF_INET6;
    to6.sin6_port = htons(port);
    sockaddr_in to4{};
    to4.sin_family = AF_INET;
    to4.sin_port = htons(port);
    REQUIRE(::inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(),
                        v6 ? static_cast<void*>(&to6.sin6_addr) : static_cast<void*>(&to4.sin_addr)) == 1);
    REQUIRE(::bind(fd_.get(),
                   v6 ? reinterpret_cast<const sockaddr*>(&to6) : reinterpret_cast<const sockaddr*>(&to4),
                   v6 ? sizeof to6 : sizeof to4) == 0);
    if (type == SOCK_STREAM) REQUIRE(::listen(fd_.get(), 1) == 0);
  }
  int fd() const { return fd_.get(); }

 private:
  Fd fd_{};
};

// "ipv4 6 22 0.0.0.0 PROGRAM"
std::vector<std::string> told() {
  const auto sockets = listening_sockets();
  REQUIRE(sockets);
  std::vector<std::string> out;
  for (const auto& socket : *sockets) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    ::inet_ntop(socket.family == Family::ipv6 ? AF_INET6 : AF_INET, socket.address.data(), text.data(),
                text.size());
    std::string line = std::string(name(socket.family)) + " " + std::to_string(socket.protocol) + " " +
                       std::to_string(socket.port) + " " + text.data();
    if (!socket.interface.empty()) line += "%" + socket.interface;
    for (const auto& program : socket.programs) line += " " + program;
    out.push_back(line);
  }
  return out;
}

}  // namespace

TEST_CASE("listening sockets are those of this network namespace, with their programs") {
  in_lab([] {
    shell("ip link set lo up");
    const auto me = look_at_process(::getpid())->name;
    const Listener ssh(SOCK_STREAM, "0.0.0.0", 22);
    const Listener local(SOCK_STREAM, "127.0.0.1", 5432);
    const Listener dns(SOCK_DGRAM, "127.0.0.1", 53);
    CHECK(told() == std::vector<std::string>{"ipv4 6 22 0.0.0.0 " + me, "ipv4 6 5432 127.0.0.1 " + me,
                                             "ipv4 17 53 127.0.0.1 " + me});
  });
}

TEST_CASE("a socket of IPv6 takes the packets of IPv4 too, unless it says it does not") {
  in_lab([] {
    shell("ip link set lo up");
    const auto me = look_at_process(::getpid())->name;
    const Listener both(SOCK_STREAM, "::", 80);
    const Listener six(SOCK_STREAM, "::", 81, true);
    const Listener mapped(SOCK_STREAM, "::ffff:127.0.0.1", 82);
    const Listener one(SOCK_STREAM, "::1", 83);
    CHECK(told() == std::vector<std::string>{"ipv4 6 80 0.0.0.0 " + me, "ipv4 6 82 127.0.0.1 " + me,
                                             "ipv6 6 80 :: " + me, "ipv6 6 81 :: " + me,
                                             "ipv6 6 83 ::1 " + me});
  });
}

TEST_CASE("a socket that is connected listens to nobody else") {
  in_lab([] {
    shell("ip link set lo up");
    const Listener server(SOCK_DGRAM, "127.0.0.1", 53);
    const Listener client(SOCK_DGRAM, "127.0.0.1", 5353);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(53);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(client.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    CHECK(told().size() == 1);
  });
}

TEST_CASE("a socket that is bound to an interface says so") {
  in_lab([] {
    shell("ip link set lo up");
    const Listener server(SOCK_STREAM, "0.0.0.0", 22);
    const Listener other(SOCK_DGRAM, "0.0.0.0", 67);
    REQUIRE(::setsockopt(other.fd(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
    CHECK(told()[1].starts_with("ipv4 17 67 0.0.0.0%lo"));
  });
}
