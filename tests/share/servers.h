#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/host.h"
#include "support/unpacked.h"

namespace rewall {

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

/// A real sshd in the host's network namespace, with keys, configuration and users of its own, and a bare
/// repository behind it: ssh://root@127.0.0.1:2222/FOLDER/remote.git. The client's side of it is
/// `ssh_config`, which `git config core.sshCommand` of the host's repository names.
class SshServer {
 public:
  explicit SshServer(const Host& host, const std::string& listens_on = "127.0.0.1")
      : host_(host), root_(unpacked("openssh-server", "usr/sbin/sshd")) {
    host.ok(
        "ip link set lo up; git init -q --bare remote.git; ssh-keygen -qt ed25519 -N '' -f host_key; "
        "ssh-keygen -qt ed25519 -N '' -f key; cp key.pub authorized_keys; "
        "echo \"[127.0.0.1]:2222 $(cut -d' ' -f1,2 host_key.pub)\" >known_hosts; "
        // Its own users: sshd wants one to drop its rights to, and a root that may log in.
        "{ grep -v ^sshd: /etc/passwd; echo sshd:x:74:65534::/run/sshd:/usr/sbin/nologin; } >passwd; "
        "sed 's/^root:[^:]*:/root:*:/' /etc/shadow >shadow; chmod 600 shadow");
    write_text(host.folder() / "sshd_config",
               "Port 2222\nListenAddress " + listens_on +
                   "\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
                   "KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 200\nAcceptEnv "
                   "GIT_PROTOCOL\nHostKey " +
                   file("host_key") + "\nAuthorizedKeysFile " + file("authorized_keys") + "\nPidFile " +
                   file("sshd.pid") + "\n");
    configure("");
    start();
  }
  SshServer(const SshServer&) = delete;
  SshServer& operator=(const SshServer&) = delete;
  ~SshServer() { stop(); }

  std::string url() const { return "ssh://root@127.0.0.1:2222" + file("remote.git"); }
  std::string file(const std::string& name) const { return (host_.folder() / name).string(); }

  void start() const {
    const auto libraries = root_ + "usr/lib/x86_64-linux-gnu:" + root_ + "lib/x86_64-linux-gnu:" + root_ +
                           "usr/lib/aarch64-linux-gnu";
    write_text(host_.folder() / "start-sshd",
               "mount --bind passwd /etc/passwd; mount --bind shadow /etc/shadow\n"
               "mount -t tmpfs none /run; mkdir /run/sshd\n"
               "LD_LIBRARY_PATH=" +
                   libraries + " " + root_ + "usr/sbin/sshd -f sshd_config -E sshd.log\n");
    host_.ok("unshare -m sh -e ./start-sshd");
    host_.until("test -s sshd.pid", "cat sshd.log");
  }
  void stop() const { host_.sh("kill $(cat sshd.pid); rm -f sshd.pid"); }

  /// What a client that logs in gets instead of what it asks for; empty: that.
  void answers(const std::string& script) const {
    const auto key = host_.ok("cat key.pub");
    write_text(host_.folder() / "answer", "#!/bin/bash\n" + script + "\n");
    host_.ok("chmod +x answer");
    write_text(host_.folder() / "authorized_keys",
               (script.empty() ? "" : "command=\"" + file("answer") + "\" ") + key);
  }

  /// The client's ssh_config, with `more` before the usual lines.
  void configure(const std::string& more) const {
    write_text(host_.folder() / "ssh_config", more + "IdentityFile " + file("key") +
                                                  "\nIdentitiesOnly yes\nUserKnownHostsFile " +
                                                  file("known_hosts") + "\nGlobalKnownHostsFile none\n");
  }

  /// A repository with the guide's firewall, whose remote is this server.
  void make_repository() const {
    host_.load_guide_firewall();
    host_.ok("rewall init --remote " + shell_quote(url()) + "; git -C repo config core.sshCommand 'ssh -F " +
             file("ssh_config") + "'");
  }

 private:
  const Host& host_;
  std::string root_;
};

/// The branch of the host's repository, at the remote and here.
inline bool remote_has_head(const Host& host) {
  return host.ok(
             "git -C remote.git rev-parse --verify -q \"$(git -C repo symbolic-ref HEAD)\" || echo none") ==
         host.ok("git -C repo rev-parse HEAD");
}

}  // namespace rewall
