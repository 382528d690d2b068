#include "kernel/channel.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace rewall {

namespace {

int give(const nlmsghdr* message, void* answer) {
  (*static_cast<Answer*>(answer))(message);
  return MNL_CB_OK;
}

}  // namespace

Question::Question(std::uint16_t type, std::uint8_t family, std::uint16_t flags)
    : message_(mnl_nlmsg_put_header(buffer_.data())) {
  message_->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
  message_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  message_->nlmsg_seq = 1;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message_, sizeof(nfgenmsg)));
  header->nfgen_family = family;
  header->version = NFNETLINK_V0;
  header->res_id = 0;
}

void Question::add(std::uint16_t attribute, const std::string& text) {
  mnl_attr_put_strz(message_, attribute, text.c_str());
}

Channel::Channel() : socket_(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)) {
  if (socket_ && mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) socket_.reset();
}

int Channel::ask(const Question& question, const Answer& answer) {
  const nlmsghdr* message = question.message();
  if (mnl_socket_sendto(socket_.get(), message, message->nlmsg_len) < 0) return errno;
  const bool list = (message->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  const unsigned port = mnl_socket_get_portid(socket_.get());
  while (true) {
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), received_.data(), received_.size());
    if (size < 0 && errno == EINTR) continue;  // a signal; a list that changed is told by mnl_cb_run
    if (size < 0) return errno;
    const int more = mnl_cb_run(received_.data(), static_cast<std::size_t>(size), message->nlmsg_seq, port,
                                give, const_cast<Answer*>(&answer));
    if (more < 0) {
      const int error = errno;
      without_nf_tables_ = error == EINVAL || error == EOPNOTSUPP || error == ENOENT;
      return error;
    }
    if (more == 0 || !list) return 0;
  }
}

}  // namespace rewall
