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

/// What the kernel's audit says of a change of a table (type NETFILTER_CFG, linux/audit.h), with what it says
/// of the system call that made it. What it does not say is absent or empty.
struct AuditRecord {
  std::string table{};
  std::optional<Family> family{};             ///< absent for those that are not of iptables
  std::optional<std::uint32_t> generation{};  ///< of nf_tables; absent for the legacy backend
  unsigned entries = 0;                       ///< legacy: of the whole table, as the kernel counts them
  std::string operation{};                    ///< "xt_replace", "nft_register_rule", ...
  pid_t process = 0;                          ///< of the initial process namespace
  Process who{};  ///< the last of its words may be cut, at 128 bytes of all (MAX_PROCTITLE_AUDIT_LEN)
};

/// Puts records together from the kernel's messages: one event has several, of one serial number.
class AuditParser {
 public:
  /// `type` and text of one message. A record, once all of its event is there.
  std::vector<AuditRecord> take(unsigned type, std::string_view text);

 private:
  struct Event {
    std::vector<AuditRecord> tables{};
    Process call{};
  };
  std::map<std::string, Event, std::less<>> open_{};
};

/// The kernel's audit trail, read beside whoever else reads it (AUDIT_NLGRP_READLOG, CAP_AUDIT_READ). It
/// covers all network namespaces.
class AuditTrail {
 public:
  /// Absent where the kernel does not let us. It is told to none but listeners in the initial network
  /// namespace: from another one that of the outermost ancestor is entered for it, where that is allowed.
  static std::optional<AuditTrail> open();
  int fd() const { return socket_.get(); }

  /// All that wait; what the socket could not hold is lost.
  std::vector<AuditRecord> read();

 private:
  explicit AuditTrail(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
  AuditParser parser_{};
  std::vector<char> received_ = std::vector<char>(1 << 16);
};

/// Whether the kernel writes an audit trail at all (`auditctl -s`, enabled); absent where it does not tell.
std::optional<bool> audit_enabled();

}  // namespace rewall
