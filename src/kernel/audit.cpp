#include "kernel/audit.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <utility>

#include "core/format.h"
#include "core/parallel.h"
#include "core/proc.h"
#include "core/text.h"
#include "kernel/netlink_socket.h"

namespace rewall {
namespace {

// Room for some ten thousand changes, by whom ever: the trail is that of all network namespaces.
constexpr int kAuditBuffer = 32 << 20;
constexpr std::size_t kOpenEvents = 1024;
// Of one event. A transaction may name any number of tables; who made it is the same in each record.
constexpr std::size_t kMostTables = 64;

template <class Number>
std::optional<Number> read_as(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// `key=value` and `key="value"`, as the kernel's audit_log_format() and audit_log_untrustedstring() print
/// them: the latter in hexadecimal where it holds a blank, a quote or a byte that is no ASCII.
std::map<std::string_view, std::string_view> fields_of(std::string_view text) {
  std::map<std::string_view, std::string_view> fields;
  for (const auto word : split(text, ' '))
    if (const auto equal = word.find('='); equal != std::string_view::npos)
      fields.emplace(word.substr(0, equal), word.substr(equal + 1));
  return fields;
}

std::string from_hexadecimal(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 2 <= text.size(); i += 2) {
    unsigned char byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc{} || end != text.data() + i + 2) return {};
    out += static_cast<char>(byte);
  }
  return out;
}

std::string untrusted(std::string_view value) {
  if (value.size() >= 2 && value.starts_with('"')) return std::string(value.substr(1, value.size() - 2));
  return from_hexadecimal(value);
}

std::string tty_of(std::string_view name) {
  if (name == "(none)") return {};
  return name.starts_with("pts") ? "pts/" + std::string(name.substr(3)) : std::string(name);
}

/// "table=filter:2 family=2 entries=5 op=nft_register_rule pid=7 comm="iptables"" (audit_log_nfcfg in
/// kernel/auditsc.c). The name of a table stands there as it is, and may say anything: what the kernel says
/// itself comes behind it. The generation follows the name of a table of nf_tables.
AuditRecord table_record(std::string_view text) {
  constexpr std::string_view kTable = "table=";
  const auto end = text.rfind(" family=");
  if (!text.starts_with(kTable) || end == std::string_view::npos) return {};
  const auto fields = fields_of(text.substr(end + 1));
  const auto value = [&](std::string_view key) {
    const auto found = fields.find(key);
    return found == fields.end() ? std::string_view{} : found->second;
  };
  AuditRecord record;
  const auto table = text.substr(kTable.size(), end - kTable.size());
  const auto colon = table.rfind(':');
  record.table = table.substr(0, colon);
  if (colon != std::string_view::npos) record.generation = read_as<std::uint32_t>(table.substr(colon + 1));
  if (value("family") == "2") record.family = Family::ipv4;
  if (value("family") == "10") record.family = Family::ipv6;
  record.entries = read_as<unsigned>(value("entries")).value_or(0);
  record.operation = value("op");
  record.process = read_as<pid_t>(value("pid")).value_or(0);
  record.who.name = untrusted(value("comm"));
  return record;
}

void add_call(Process& call, std::string_view text) {
  for (const auto& [key, value] : fields_of(text)) {
    if (key == "ppid") call.parent = read_as<pid_t>(value).value_or(0);
    if (key == "auid") call.login = user_number(value);
    if (key == "uid") call.user = user_number(value);
    if (key == "tty") call.tty = tty_of(value);
  }
}

/// A socket of the network namespace of our outermost ancestor that has another one and lets us in.
Fd open_outside() {
  const auto own = network_of(::getpid());
  std::vector<pid_t> ancestors;
  for (pid_t process = ::getppid(); process > 0; process = parent_of(process)) ancestors.push_back(process);
  std::ranges::reverse(ancestors);
  for (const pid_t process : ancestors) {
    if (network_of(process) == own) return {};
    const Fd place(::open(format("/proc/{}/ns/net", process).c_str(), O_RDONLY | O_CLOEXEC));
    if (!place) continue;
    Fd socket;
    auto inside = start_thread("audit", [&] {
      if (::setns(place.get(), CLONE_NEWNET) == 0)
        socket = open_listener(NETLINK_AUDIT, AUDIT_NLGRP_READLOG, kAuditBuffer);
    });
    if (inside) inside->join();
    if (socket) return socket;
  }
  return {};
}

}  // namespace

std::vector<AuditRecord> AuditParser::take(unsigned type, std::string_view text) {
  // "audit(1795569300.398:21): table=filter ..."
  const auto begin = text.find("audit(");
  const auto end = text.find("): ");
  if (begin != 0 || end == std::string_view::npos) return {};
  const auto serial = text.substr(6, end - 6);
  text.remove_prefix(end + 3);
  auto event = open_.find(serial);
  if (event == open_.end()) {
    if (type != AUDIT_NETFILTER_CFG) return {};
    // Where system calls are not audited (`auditctl -a task,never`) nothing ends an event.
    while (open_.size() >= kOpenEvents) open_.erase(open_.begin());
    event = open_.emplace(serial, Event{}).first;
  }
  auto& [tables, call] = event->second;
  if (type == AUDIT_NETFILTER_CFG && tables.size() < kMostTables) {
    auto record = table_record(text);
    const auto is_same = [&](const AuditRecord& other) {
      return other.generation == record.generation && other.family == record.family &&
             other.table == record.table && other.process == record.process;
    };
    if (std::ranges::none_of(tables, is_same)) tables.push_back(std::move(record));
  }
  if (type == AUDIT_SYSCALL) add_call(call, text);
  if (type == AUDIT_PROCTITLE && text.starts_with("proctitle="))
    call.words = command_words(untrusted(trim(text.substr(10))));
  if (type != AUDIT_EOE) return {};
  for (auto& record : tables) {
    call.name = record.who.name;
    record.who = call;
  }
  auto records = std::move(tables);
  open_.erase(event);
  return records;
}

std::vector<AuditRecord> AuditParser::take(std::string_view received) {
  nlmsghdr header{};
  if (received.size() < sizeof header) return {};
  std::memcpy(&header, received.data(), sizeof header);
  // nlmsg_len is of the text alone or of all, from one version of the kernel to another.
  const auto text = received.substr(sizeof header);
  return take(header.nlmsg_type, text.substr(0, text.find('\0')));
}

std::optional<AuditTrail> AuditTrail::open() {
  auto socket = open_outside();
  if (!socket) socket = open_listener(NETLINK_AUDIT, AUDIT_NLGRP_READLOG, kAuditBuffer);
  if (!socket) return std::nullopt;
  return AuditTrail(std::move(socket));
}

AuditTrail::News AuditTrail::read() {
  News news;
  for (;;) {
    const ssize_t size = receive_from_kernel(socket_.get(), received_.data(), received_.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == ENOBUFS) {
      news.lost = true;
      continue;
    }
    if (size < 0) return news;
    for (auto& record : parser_.take({received_.data(), static_cast<std::size_t>(size)}))
      news.records.push_back(std::move(record));
  }
}

std::optional<AuditState> audit_state() {
  const Fd socket = open_listener(NETLINK_AUDIT, 0, kAuditBuffer);
  if (!socket) return std::nullopt;
  nlmsghdr request{};
  request.nlmsg_len = sizeof request;
  request.nlmsg_type = AUDIT_GET;
  request.nlmsg_flags = NLM_F_REQUEST;
  if (::send(socket.get(), &request, sizeof request, 0) < 0) return std::nullopt;
  pollfd ready{.fd = socket.get(), .events = POLLIN, .revents = 0};
  std::array<char, 1024> answer;
  if (::poll(&ready, 1, 1000) <= 0) return std::nullopt;
  const ssize_t size = receive_from_kernel(socket.get(), answer.data(), answer.size(), MSG_DONTWAIT);
  nlmsghdr header{};
  audit_status status{};
  if (size < static_cast<ssize_t>(sizeof header + offsetof(audit_status, backlog))) return std::nullopt;
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.nlmsg_type != AUDIT_GET) return std::nullopt;
  std::memcpy(&status, answer.data() + sizeof header,
              std::min(sizeof status, static_cast<std::size_t>(size) - sizeof header));
  return AuditState{.enabled = status.enabled != 0, .lost = status.lost};
}

}  // namespace rewall
