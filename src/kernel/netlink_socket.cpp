#include "kernel/netlink_socket.h"

#include <endian.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <utility>

#include "core/file.h"
#include "kernel/firewall.h"

namespace rewall {

namespace {

int call_handler(const nlmsghdr* message, void* handle) {
  (*static_cast<MessageHandler*>(handle))(message);
  return MNL_CB_OK;
}

/// Sockets that are closed later; null while none is to be kept.
std::mutex keeping;
std::unique_ptr<std::vector<mnl_socket*>> kept;

/// A process that holds these descriptors, sorted, and no other, until the one that this returns is closed:
/// the first of them. Only what signal-safety(7) allows runs there. Invalid where there is no such process.
Fd hold_in_child(const std::vector<int>& descriptors) {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  Fd wait(ends[0]);
  Fd release(ends[1]);
  std::vector<int> held = descriptors;
  held.insert(std::ranges::upper_bound(held, wait.get()), wait.get());
  const pid_t child = _Fork();
  if (child < 0) return {};
  if (child > 0) return release;
  unsigned next = 0;
  for (const int fd : held) {
    const auto number = static_cast<unsigned>(fd);
    if (number > next) close_range(next, number - 1, 0);
    next = number + 1;
  }
  close_range(next, ~0U, 0);
  char none = 0;
  while (read(wait.get(), &none, 1) < 0 && errno == EINTR) {
  }
  _exit(0);
}

}  // namespace

SocketsKept::SocketsKept() {
  const std::scoped_lock lock(keeping);
  kept = std::make_unique<std::vector<mnl_socket*>>();
}

SocketsKept::~SocketsKept() {
  const std::scoped_lock lock(keeping);
  const auto sockets = std::exchange(kept, nullptr);
  if (sockets->empty()) return;
  std::vector<int> descriptors;
  for (const mnl_socket* socket : *sockets) descriptors.push_back(mnl_socket_get_fd(socket));
  std::ranges::sort(descriptors);
  const Fd release = hold_in_child(descriptors);
  for (mnl_socket* socket : *sockets) mnl_socket_close(socket);
}

void NetlinkSocket::Close::operator()(mnl_socket* socket) const noexcept {
  const std::scoped_lock lock(keeping);
  if (kept)
    kept->push_back(socket);
  else
    mnl_socket_close(socket);
}

nlmsghdr* put_header(void* buffer, std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                     std::uint16_t resource) {
  nlmsghdr* message = mnl_nlmsg_put_header(buffer);
  message->nlmsg_type = type;
  message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
  header->res_id = htobe16(resource);
  return message;
}

bool put_attribute(nlmsghdr* message, std::size_t room, std::uint16_t type, std::string_view bytes) {
  return bytes.size() <= UINT16_MAX - MNL_ATTR_HDRLEN &&
         mnl_attr_put_check(message, room, type, bytes.size(), bytes.data());
}

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint8_t family, std::uint16_t flags,
                               std::uint16_t subsystem)
    : message_(
          put_header(buffer_.data(), static_cast<std::uint16_t>(subsystem << 8 | type), flags, family, 0)) {
  message_->nlmsg_seq = 1;
}

void NetlinkRequest::add(std::uint16_t attribute, const std::string& text) {
  put(attribute, {text.c_str(), text.size() + 1});
}

void NetlinkRequest::add(std::uint16_t attribute, std::uint8_t number) {
  put(attribute, bytes_of(number));
}

void NetlinkRequest::add(std::uint16_t attribute, std::uint32_t number) {
  put(attribute, bytes_of(htobe32(number)));
}

void NetlinkRequest::put(std::uint16_t attribute, std::string_view bytes) {
  is_whole_ = put_attribute(message_, buffer_.size(), attribute, bytes) && is_whole_;
}

NetlinkSocket::NetlinkSocket() : socket_(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)) {
  if (socket_ && mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) socket_.reset();
}

int NetlinkSocket::ask(const NetlinkRequest& request, const MessageHandler& handle) {
  if (!request.is_whole()) return EMSGSIZE;
  const nlmsghdr* message = request.message();
  if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0) return errno;
  const bool list = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  const unsigned port = mnl_socket_get_portid(socket_.get());
  while (true) {
    const ssize_t size = receive_from_kernel(fd(), received_.data(), received_.size(), 0);
    if (size < 0 && errno == EINTR) continue;  // a signal; a list that changed is told by mnl_cb_run
    if (size < 0) return errno;
    if (!for_each_message({received_.data(), static_cast<std::size_t>(size)})) return EBADMSG;
    const int more = mnl_cb_run(received_.data(), static_cast<std::size_t>(size), message->nlmsg_seq, port,
                                call_handler, const_cast<MessageHandler*>(&handle));
    if (more < 0) {
      const int error = errno;
      without_nf_tables_ = error == EINVAL || error == EOPNOTSUPP || error == ENOENT;
      return error;
    }
    if (more == 0 || !list) return 0;
  }
}

ssize_t receive_from_kernel(int fd, void* buffer, std::size_t size, int flags) {
  while (true) {
    iovec part{.iov_base = buffer, .iov_len = size};
    sockaddr_nl sender{};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof sender;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t got = recvmsg(fd, &message, flags);
    if (got < 0 || sender.nl_pid == 0) return got;
  }
}

bool for_each_message(std::string_view received, const MessageHandler& handle) {
  while (!received.empty()) {
    const auto* message = reinterpret_cast<const nlmsghdr*>(received.data());
    if (received.size() < sizeof(nlmsghdr) || message->nlmsg_len < sizeof(nlmsghdr) ||
        message->nlmsg_len > received.size())
      return false;
    if (handle) handle(message);
    received.remove_prefix(std::min<std::size_t>(NLMSG_ALIGN(message->nlmsg_len), received.size()));
  }
  return true;
}

Fd open_listener(int protocol, int group, int buffer) {
  Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  if (group != 0 &&
      ::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
    return {};
  return socket;
}

}  // namespace rewall
