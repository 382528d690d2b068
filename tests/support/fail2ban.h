#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "support/host.h"
#include "support/unpacked.h"

namespace rewall {

/// A real fail2ban: unpacked by `./dev test` beside the tests (its package, installed, would start a
/// service), or the system's.
class Fail2ban {
 public:
  /// `action`: beside the one that bans, as a line of jail.local; rewall's own is installed then.
  explicit Fail2ban(const Host& host, const std::string& action = "",
                    const std::string& ban = "iptables-multiport")
      : host_(host) {
    const auto root = unpacked("fail2ban", "usr/bin/fail2ban-client");
    setup_ =
        root != "/" ? "export PYTHONPATH=" + shell_quote(root + "usr/lib/python3/dist-packages") + "; " : "";
    // The server goes to the root folder: its paths are whole.
    const auto path = [&host](const char* name) { return shell_quote((host.folder() / name).string()); };
    client_ = shell_quote(root + "usr/bin/fail2ban-client") + " -c " + path("conf") + " -s " +
              path("f2b.sock") + " -p " + path("f2b.pid") + " ";
    host.ok("cp -r " + shell_quote(root + "etc/fail2ban") +
            " conf; rm -f conf/jail.d/* conf/jail.local; touch log");
    std::ofstream(host.folder() / "conf/jail.local")
        << "[DEFAULT]\nbackend = polling\nusedns = no\nbantime = 1d\nbanaction = " << ban
        << "\n"
           "[sshd]\nenabled = true\nbackend = polling\nlogpath = "
        << (host.folder() / "log").string() << "\n"
        << (action.empty() ? "" : "action = %(action_)s\n  " + action + "\n");
    std::ofstream(host.folder() / "conf/fail2ban.local")
        << "[Definition]\ndbfile = None\nlogtarget = " << (host.folder() / "f2b.log").string() << "\n";
    if (!action.empty())
      host.ok("mkdir bin; ln -s " REWALL_PROGRAM
              " bin/rewall; rewall hooks install fail2ban --root $PWD; "
              "cp etc/fail2ban/action.d/rewall.conf conf/action.d/");
    setup_ += "export PATH=" + path("bin") + ":$PATH; ";
    run("start");
  }
  Fail2ban(const Fail2ban&) = delete;
  Fail2ban& operator=(const Fail2ban&) = delete;
  ~Fail2ban() { host_.sh(setup_ + client_ + "stop"); }

  void run(const std::string& words) const {
    host_.ok(setup_ + client_ + words + " || { cat f2b.log; false; }");
  }

 private:
  const Host& host_;
  std::string setup_{};
  std::string client_{};
};

}  // namespace rewall
