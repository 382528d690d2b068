#pragma once

#include <string>

#include "core/proc.h"
#include "store/repository.h"

namespace rewall {

/// The person who runs or ran a command, and the terminal and the address they used. A value.
struct Actor {
  Person person{};
  std::string user{};
  std::string tty{};  ///< "pts/0"; empty without a terminal
  /// Where the login on the terminal comes from (utmp(5)), else the client of an ssh session as the
  /// environment names it (SSH_CONNECTION, ssh(1)), with `(perhaps)` behind it; empty without one.
  std::string address{};
  /// The value of the trailer Rewall-Actor: "user, tty, address" without the parts that are not known.
  std::string text() const;
};

/// The person behind this process: the login uid (/proc/self/loginuid, pam_loginuid(8)), else the sudo user,
/// else the owner of the terminal, else the user of this process.
Actor current_actor();

/// The person behind another process: its login uid, else its user, else nobody(). The address comes from the
/// terminal's entry in utmp(5), else from the nearest ancestor process that has SSH_CONNECTION.
Actor actor_of(const Process& process);

/// The actor for a person who is not known: name "unknown".
Actor nobody();

/// The ssh connection of this process, "CLIENT PORT SERVER PORT" (SSH_CONNECTION, ssh(1)). Where sudo removed
/// the variable, the function reads it from the nearest ancestor process that has it. Empty without an ssh
/// connection.
std::string ssh_connection();

/// A text that differs between two logins: "ssh " and the ssh connection, else "audit " and the audit session
/// (/proc/self/sessionid), else "session " and the session of processes (getsid(2)).
std::string login_session();

/// The name of this host (gethostname(2)), else "localhost".
std::string host_name();

}  // namespace rewall
