#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace rewall {

/// A system call that a traced program is about to make.
struct Call {
  long number = 0;
  std::string path{};       ///< its first argument that is a path; empty where it has none
  std::uint64_t flags = 0;  ///< of openat, clone and clone3
};

/// How a traced program ended.
struct Traced {
  bool killed = false;  ///< by us
  int status = -1;      ///< exit status, where it ended by itself
};

/// Runs a program under ptrace(2) and seccomp(2), with all its threads and without the programs that it
/// starts, and shows `visit` each system call that has an effect before the kernel does it. When `visit` says
/// false the program is killed (SIGKILL, all its threads) before that call; what it started lives on, and is
/// waited for. Its output is thrown away. Only for a process without other children, and not for two threads
/// at once.
Traced trace(const std::vector<std::string>& words, const std::function<bool(const Call&)>& visit);

/// False for calls that change nothing outside the process that makes them, as far as others can see when it
/// is killed: to die before one is to die before the next. Data that is not synced yet is there all the same,
/// and what a thread does to itself or a socket is gone with it.
bool has_effect(const Call& call);

}  // namespace rewall
