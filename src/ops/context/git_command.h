#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "kernel/process.h"

namespace rewall {

/// Work for the system's git(1): what needs the network, and what libgit2 does not do.
struct GitWork {
  std::vector<std::string> words{};  ///< behind "git -C REPOSITORY"
  std::string input{};
  std::vector<std::string> environment{};
  std::function<void(std::string_view)> progress{};  ///< gets its standard error as it comes
  std::uint64_t biggest_file = 0;
  bool gives_way = false;     ///< to whatever else there is to do
  bool ends_with_us = false;  ///< when this process is killed, git removes its locks and ends too
  std::chrono::milliseconds deadline{std::chrono::seconds{60}};
};

/// What of this process's environment git and gpg look at when they sign ("NAME=value"): an agent, where
/// settings are. No secrets.
std::vector<std::string> signing_environment();

/// The same, and what ssh and curl look at: a proxy, which may have a password.
std::vector<std::string> git_environment();

/// Runs it in a repository. The user's own git and ssh configuration, agent, credential helpers and proxies
/// count; it never asks anything, never collects garbage by the way, syncs what it writes, and nobody else
/// can read that. Kind repository: there is no git, or it could not be started. How it ended is for the
/// caller.
Result<Outcome> run_git(const std::filesystem::path& repository, GitWork work);

}  // namespace rewall
