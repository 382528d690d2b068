#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "kernel/process.h"
#include "rules/ruleset.h"

namespace rewall {

inline constexpr Backend kBackends[] = {Backend::nft, Backend::legacy};
inline constexpr Family kFamilies[] = {Family::ipv4, Family::ipv6};

/// The host's own firewall programs, by name and by what `-V` says of them (iptables(8), iptables-save(8),
/// ipset(8)).
class Programs {
 public:
  explicit Programs(std::chrono::milliseconds deadline) : deadline_(deadline) {}

  /// The path of `ACTION` (save or restore): the variant (iptables-nft-save), or the plain program where that
  /// is of this backend. The error is of kind `kind` and names the Debian package.
  Result<std::string> iptables(Backend backend, Family family, std::string_view action, ErrorKind kind);
  bool has(Backend backend);
  /// Empty when it is not installed.
  std::string ipset() const { return find_program("ipset"); }

  /// What a plain `iptables` on this host works on.
  Backend default_backend();
  /// "iptables v1.8.9 (nf_tables)"; empty when no program says it.
  std::string version(Backend backend);

  Command command(std::vector<std::string> words, std::string input = {}) const {
    return Command{.words = std::move(words), .input = std::move(input), .deadline = deadline_};
  }

 private:
  std::string find(Backend backend, Family family, std::string_view action);
  const std::string& version_of(const std::string& program);

  std::chrono::milliseconds deadline_;
  std::mutex asking_{};  ///< of versions_: they are asked for while the rules are read
  std::map<std::string, std::string> versions_{};
};

/// "iptables-nft-save" of "/usr/sbin/iptables-nft-save".
std::string base_name(const std::string& path);

/// True when this process may change the firewall of its network namespace (CAP_NET_ADMIN, capabilities(7)).
bool may_administer();
/// True when a program's words say that it was not allowed to.
bool says_not_permitted(std::string_view words);
/// The error for both; `words` are the program's, where one ran.
Error not_permitted(const std::string& what, const std::string& words = "CAP_NET_ADMIN is missing");

}  // namespace rewall
