#pragma once

#include <string>

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

std::string host_name();

}  // namespace rewall
