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

/// Finds the host's firewall programs, by their names and by the versions that they print (iptables(8),
/// iptables-save(8), ipset(8)). Several threads may use an object.
class Programs {
 public:
  explicit Programs(std::chrono::milliseconds deadline) : deadline_(deadline) {}

  /// The path of iptables-save or ip6tables-restore, for example: the variant of the backend
  /// (iptables-nft-save), else the plain program if it is of that backend. `action` is "save" or "restore".
  /// The error, of kind `kind`, names the Debian package.
  Result<std::string> iptables(Backend backend, Family family, std::string_view action, ErrorKind kind);
  bool has(Backend backend);
  /// The path of ipset; empty when it is not installed.
  std::string ipset() const { return find_program("ipset"); }
  /// The path of nft; empty when it is not installed.
  std::string nft() const { return find_program("nft"); }

  /// The backend of the plain `iptables` of this host.
  Backend default_backend();
  /// The version of the backend's iptables, "iptables v1.8.9 (nf_tables)"; empty when none is installed.
  std::string version(Backend backend);

  Command command(std::vector<std::string> words, std::string input = {}) const {
    return Command{.words = std::move(words),
                   .input = std::move(input),
                   .environment = {kLargePages},
                   .deadline = deadline_};
  }

 private:
  /// For malloc(3) of glibc 2.35 and later: a program that holds 50,000 rules touches 12,000 pages of 4 KiB,
  /// which takes a third of its time (core/memory.h). Others pass it over.
  static constexpr const char* kLargePages =
      "GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.top_pad=16777216";

  std::string find(Backend backend, Family family, std::string_view action);
  const std::string& version_of(const std::string& program);

  std::chrono::milliseconds deadline_;
  std::mutex asking_{};  ///< guards versions_
  std::map<std::string, std::string> versions_{};
};

/// "iptables-nft-save" of "/usr/sbin/iptables-nft-save".
std::string base_name(const std::string& path);

/// True when this process may change the firewall of its network namespace (CAP_NET_ADMIN, capabilities(7)).
bool may_administer();

/// True with CAP_NET_RAW, without which iptables asks for no set.
bool may_open_raw_sockets();
/// True when a program's standard error says that it lacks a permission.
bool says_not_permitted(std::string_view words);
inline constexpr std::string_view kNoCapability = "CAP_NET_ADMIN is missing";
/// The error, of kind permission, for either case; `words` are the program's if one ran. Of a process that
/// has CAP_NET_ADMIN it does not say that it lacks it.
Error not_permitted(const std::string& what, std::string_view words = kNoCapability);
/// The same of a change that the kernel refused: kind kernel with CAP_NET_ADMIN, as another ruleset may be
/// taken.
Error change_not_permitted(const std::string& what, std::string_view words = kNoCapability);

}  // namespace rewall
