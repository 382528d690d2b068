#pragma once

#include <string>

#include "core/proc.h"
#include "store/repository.h"

namespace rewall {

/// The person behind this process and where they sit.
struct Actor {
  Person person{};
  std::string user{};
  std::string tty{};      ///< "pts/0"; empty without a terminal
  std::string address{};  ///< where an ssh session comes from (SSH_CONNECTION, ssh(1)); empty otherwise
  /// The trailer's words: "user, tty, address", those that are known.
  std::string text() const;
};

/// Login uid (/proc/self/loginuid, pam_loginuid(8)), else the sudo user, else the tty's owner, else this
/// process's user.
Actor current_actor();

/// The person behind another process, by what is known of it: login uid, else its user; nobody() where that
/// is not known. Where they come from by what was noted of the terminal (utmp(5)), else by the processes
/// above.
Actor actor_of(const Process& process);

/// Who is not known.
Actor nobody();

/// The ssh connection that this process hangs on, as SSH_CONNECTION has it (ssh(1)): "CLIENT PORT SERVER
/// PORT". Where sudo took the variable away, that of the nearest process above which has it. Empty without
/// one.
std::string ssh_connection();

/// What tells this login from another: the ssh connection, else the audit session
/// (/proc/self/sessionid), else the session of processes (getsid(2)).
std::string login_session();

std::string host_name();

}  // namespace rewall
