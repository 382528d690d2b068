#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "core/text.h"
#include "kernel/firewall.h"
#include "kernel/process.h"
#include "rules/print.h"
#include "support/scratch_namespace.h"
#include "support/temporary_folder.h"

namespace rewall {

/// Runs a test in a network namespace of its own.
inline void in_lab(const std::function<void()>& work) {
  if (const auto ran = scratch_namespace().run(work); !ran) FAIL(ran.error().message);
}

/// What a shell in this namespace prints; the test fails when it fails.
inline std::string shell(const std::string& script, const std::string& input = {}) {
  // iptables-legacy without -w fails while another test has the lock in /run.
  static const TemporaryFolder folder;
  static const std::string lock = "XTABLES_LOCKFILE=" + (folder.path() / "lock").string();
  const auto outcome =
      run({.words = {"/bin/sh", "-ec", script}, .input = input, .environment = {lock}}, ErrorKind::usage);
  REQUIRE(outcome);
  INFO(script << "\n" << outcome->err);
  REQUIRE(outcome->ok());
  return outcome->out;
}

/// What iptables-save prints, without its comments: the ground truth.
inline std::string saved(const std::string& program) {
  const std::string printed = shell(program);
  std::string text;
  for (const auto line : split_lines(printed))
    if (!line.starts_with('#')) text.append(line) += '\n';
  return text;
}

inline Capture captured(BackendChoice choice = BackendChoice::automatic) {
  auto capture = host_firewall()->capture(choice);
  INFO((capture ? "" : capture.error().message));
  REQUIRE(capture);
  return *std::move(capture);
}

inline Error capture_error(BackendChoice choice = BackendChoice::automatic) {
  auto capture = host_firewall(std::chrono::milliseconds(500))->capture(choice);
  REQUIRE_FALSE(capture);
  return capture.error();
}

/// A folder that is all of PATH, for as long as it lives.
class OnlyPath {
 public:
  OnlyPath() {
    if (const char* path = std::getenv("PATH")) before_ = path;
    setenv("PATH", folder().c_str(), 1);
  }
  OnlyPath(const OnlyPath&) = delete;
  OnlyPath& operator=(const OnlyPath&) = delete;
  ~OnlyPath() { setenv("PATH", before_.c_str(), 1); }
  void link(const std::string& name) { link(name, name); }
  void link(const std::string& name, const std::string& program) {
    std::filesystem::create_symlink("/usr/sbin/" + program, folder() / name);
  }
  void script(const std::string& name, const std::string& text) {
    std::ofstream(folder() / name) << "#!/bin/sh\n" << text << "\n";
    std::filesystem::permissions(folder() / name, std::filesystem::perms::owner_all);
  }
  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  TemporaryFolder folder_{};
  std::string before_{};
};

/// The firewall of the guide that started this project, by `iptables`, `ip6tables` or a variant of them.
inline std::string guide(const std::string& iptables, const std::string& ssh_from) {
  std::string script = "alias t=" + iptables + "\n" + R"(
t -A INPUT -p tcp --tcp-flags ALL NONE -j DROP
t -A INPUT -p tcp ! --syn -m state --state NEW -j DROP
t -A INPUT -p tcp --tcp-flags ALL ALL -j DROP
t -A INPUT -i lo -j ACCEPT
for port in 80 443 25 465 110 995 143 993; do t -A INPUT -p tcp -m tcp --dport $port -j ACCEPT; done
t -I INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
)";
  script += "t -A INPUT -p tcp -s " + ssh_from + " -m tcp --dport 22 -j ACCEPT\n";
  return script + "t -P OUTPUT ACCEPT\nt -P INPUT DROP\n";
}

inline void load_guide(const std::string& backend) {
  shell(guide("iptables-" + backend, "198.51.100.7"));
  shell(guide("ip6tables-" + backend, "2001:db8::7"));
}

}  // namespace rewall
