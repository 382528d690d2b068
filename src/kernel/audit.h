#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/proc.h"
#include "rules/ruleset.h"

namespace rewall {

/// An audit record of a table's change (type NETFILTER_CFG, linux/audit.h), with the record of the system
/// call that made it. A field that the kernel does not report is absent or empty.
struct AuditRecord {
  std::string table{};
  std::optional<Family> family{};             ///< absent for other families than ip and ip6
  std::optional<std::uint32_t> generation{};  ///< of nf_tables; absent for the legacy backend
  unsigned entries = 0;                       ///< legacy: the number of entries of the whole table
  std::string operation{};                    ///< "xt_replace", "nft_register_rule", ...
  pid_t process = 0;                          ///< of the initial process namespace
  Process who{};  ///< its command line is cut after 128 bytes (MAX_PROCTITLE_AUDIT_LEN)
};

/// Joins the kernel's messages, which may be of any content, to records. One event has several messages, with
/// one serial number, and a record for each generation, family and table.
class AuditParser {
 public:
  /// Takes type and text of one message. Returns the records of the event that this message completes.
  std::vector<AuditRecord> take(unsigned type, std::string_view text);
  /// The same for one message as recvmsg(2) received it.
  std::vector<AuditRecord> take(std::string_view received);

 private:
  struct Event {
    std::vector<AuditRecord> tables{};
    Process call{};
  };
  std::map<std::string, Event, std::less<>> open_{};
};

/// The kernel's audit trail of all network namespaces, which several programs can read at the same time
/// (AUDIT_NLGRP_READLOG, CAP_AUDIT_READ).
class AuditTrail {
 public:
  /// Absent when the kernel refuses. The kernel sends the trail only to sockets of the initial network
  /// namespace; from another namespace this call opens the socket in that of the outermost ancestor process,
  /// if it may.
  static std::optional<AuditTrail> open();
  int fd() const { return socket_.get(); }

  struct News {
    std::vector<AuditRecord> records{};
    bool lost = false;  ///< some were lost, because the socket's buffer was full (ENOBUFS, netlink(7))
  };
  /// The records since the last call. Does not wait.
  News read();

 private:
  explicit AuditTrail(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
  AuditParser parser_{};
  std::vector<char> received_ = std::vector<char>(1 << 16);
};

/// The state of the kernel's audit (`auditctl -s`).
struct AuditState {
  bool enabled = false;    ///< the kernel writes an audit trail
  std::uint32_t lost = 0;  ///< how many messages it had no room for since the boot, or since that was reset
};
/// Absent when the kernel does not answer: without CAP_AUDIT_CONTROL, or in a container.
std::optional<AuditState> audit_state();

}  // namespace rewall
