#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "kernel/process.h"

namespace rewall {

/// One run of the system's git(1), for work that needs the network or that libgit2 lacks. Lives until
/// run_git() returns.
struct GitWork {
  std::vector<std::string> words{};                  ///< the arguments after "git -C REPOSITORY"
  std::string input{};                               ///< standard input
  std::vector<std::string> environment{};            ///< "NAME=value", besides git_environment()
  std::function<void(std::string_view)> progress{};  ///< gets standard error while git runs
  std::uint64_t biggest_file = 0;  ///< bytes, the largest file that git may write; 0: no limit
  std::uint64_t most_memory = 0;   ///< bytes, for git and each program that it starts; 0: no limit
  std::size_t most_output = 0;     ///< bytes of standard output that are kept; 0: all
  bool gives_way = false;          ///< runs at low priority
  bool as_service = false;         ///< without the variables and the HOME of whoever started this process
  bool with_hooks = false;    ///< the user's hooks (githooks(5)) run: for a push, where people expect them
  bool ends_with_us = false;  ///< when this process is killed, git removes its locks and ends too
  std::chrono::milliseconds deadline{std::chrono::seconds{60}};
};

/// The variables of this process's environment that git and gpg read when they sign ("NAME=value"): agents
/// and paths of settings. They hold no secrets.
std::vector<std::string> signing_environment();

/// The same variables and those that ssh and curl read. A proxy among them may hold a password.
std::vector<std::string> git_environment();

/// What to do about trouble in the host's own git files, from the words of git: a line of a configuration
/// file that git cannot read, a lock file that a killed git left, a hook that refuses. Empty for any other
/// trouble.
std::string own_trouble_hint(std::string_view said);

/// Runs git in a repository, with the user's own git and ssh configuration, agent, credential helpers and
/// proxies. git never asks a question, never packs on its own, syncs the files that it writes, and gives them
/// mode 0600. Kind repository: git is not installed or could not be started. The caller checks the exit
/// status and the deadline in the Outcome.
Result<Outcome> run_git(const std::filesystem::path& repository, GitWork work);

}  // namespace rewall
