#pragma once

#include <nlohmann/json.hpp>

#include "support/host.h"

namespace rewall {

/// A host whose history is LIVE, one rule, with `rewall watch` at work on it.
class WatchedHost : public Host {
 public:
  /// `settings`: commands before watch begins. `with`: variables and what runs it.
  explicit WatchedHost(const std::string& settings = "true", const std::string& with = "") {
    ok("iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init; rewall config watch.settle 50ms; "
       "rewall config watch.cpu 100%; rewall config watch.poll 1h; " +
       settings);
    begin(with);
  }
  WatchedHost(const WatchedHost&) = delete;
  WatchedHost& operator=(const WatchedHost&) = delete;
  ~WatchedHost() { stop("KILL"); }

  /// Started from outside of the host's network namespace, as a shell that waits for it: only from there can
  /// the audit trail be heard.
  void begin(const std::string& with = "") const {
    ok("sleep 60 >/dev/null 2>&1 </dev/null & echo $! >anchor");
    const std::string watch =
        "nsenter --net=/proc/$(cat anchor)/ns/net bash -c 'exec " REWALL_PROGRAM " watch'";
    const auto started =
        run({.words = {"/bin/bash", "-c",
                       "cd " + shell_quote(folder().string()) + "; export REWALL_REPO=$PWD/repo; (" + with +
                           " " + watch + "; :) >>watch.out 2>>watch.err </dev/null &"}},
            ErrorKind::usage);
    REQUIRE(started);
    until("rewall -q --json status | grep -q '\"watch\":true'");
    // It hears of what comes from now on.
    until("ls -l /proc/" + process() + "/fd | grep -q eventpoll");
    ok("kill $(cat anchor)");
  }

  std::string process() const {
    return std::string(trim(sh("cut -d' ' -f1 repo/.git/rewall/watch.lock").out));
  }
  void signal(const std::string& name) const { ok("kill -" + name + " " + process()); }
  void stop(const std::string& name) const {
    sh("p=$(cut -d' ' -f1 repo/.git/rewall/watch.lock) && grep -qsa watch /proc/$p/cmdline && kill -" + name +
       " $p && for i in $(seq 1200); do grep -qsa . /proc/$p/cmdline || exit 0; sleep 0.05; done; exit 1");
  }

  void until(const std::string& condition) const {
    Host::until(condition, "cat watch.out watch.err; rewall log");
  }
  /// Until the history has so many snapshots.
  void until_snapshots(int count) const {
    until("test $(git -C repo rev-list --count HEAD) -ge " + std::to_string(count));
    CHECK(snapshots() == count);
  }
  int snapshots() const { return std::stoi(ok("git -C repo rev-list --count HEAD")); }

  /// A command that changes LIVE, recorded as one snapshot; it, as `log --json` says.
  nlohmann::json change(const std::string& command) const {
    const int before = snapshots();
    ok(command);
    until_snapshots(before + 1);
    return newest();
  }
  nlohmann::json newest() const { return nlohmann::json::parse(ok("rewall log -n 1 --json"))[0]; }

  /// HEAD is what the host's own programs say.
  void is_recorded() const { CHECK(sh("rewall diff HEAD LIVE").status == 0); }
};

}  // namespace rewall
