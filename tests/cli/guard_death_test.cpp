// The ways in which a guard, or whoever armed it, can die, each with the smallest limits that its starter may
// hand on: either nothing is armed, and the limit is named, or the old ruleset comes back.
#include <cstdlib>

#include "support/guarded_host.h"
#include "support/release.h"

using namespace rewall;

namespace {

struct Limit {
  std::string name{};
  std::string set{};       ///< in Python
  std::string smallest{};  ///< values at which rewall itself still works, and one below
  std::string words{};     ///< that name it where it cannot be raised; empty: it hinders nothing
};

const std::vector<Limit> kLimits{
    {"NPROC", "resource.setrlimit(resource.RLIMIT_NPROC, (v, v))", "1", "(ulimit -u"},
    {"NOFILE", "resource.setrlimit(resource.RLIMIT_NOFILE, (v, v))", "24", "(ulimit -n"},
    {"FSIZE", "resource.setrlimit(resource.RLIMIT_FSIZE, (v, v))", "0", "(ulimit -f"},
    {"AS", "resource.setrlimit(resource.RLIMIT_AS, (v, v))", "100000000", "(ulimit -v"},
    {"DATA", "resource.setrlimit(resource.RLIMIT_DATA, (v, v))", "16000000", "(ulimit -d"},
    {"STACK", "resource.setrlimit(resource.RLIMIT_STACK, (v, v))", "262144", "(ulimit -s"},
    {"CORE", "resource.setrlimit(resource.RLIMIT_CORE, (v, v))", "0", ""},
    {"SIGXFSZ", "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)", "0", ""},
    {"umask", "os.umask(0o777)", "0", ""},
    {"nice", "os.nice(19)", "0", ""},
    {"oom_score_adj", "open('/proc/self/oom_score_adj', 'w').write('1000')", "0", ""}};

struct Death {
  std::string what{};
  std::string on_terminal{};  ///< what happens to rewall, which counts down (kTerminal)
  std::string then{};         ///< a shell line, with $g for the guard's process, once it is armed
  bool next = false;          ///< the next rewall does its work
  bool shell = false;         ///< the shell is what dies
};

const std::string kLose =
    "o=$(git -C repo rev-parse old:rules.v4); rm -f repo/.git/objects/${o%${o#??}}/${o#??}";

const std::vector<Death> kDeaths{{"Ctrl-C", "type:\x03"},
                                 {"SIGHUP", "signal:HUP"},
                                 {"SIGTERM", "signal:TERM"},
                                 {"SIGKILL", "signal:KILL"},
                                 {"the terminal is closed", "close"},
                                 {"the shell is killed", "signal:KILL", "", false, true},
                                 {"its process gets every signal that can be ignored", "",
                                  "for s in HUP INT QUIT TERM TSTP PIPE TTOU XFSZ; do kill -$s $g; done"},
                                 {"its process is killed", "", "kill -KILL $g", true},
                                 {"its process is stopped", "", "kill -STOP $g", true},
                                 {"the repository is damaged", "", kLose},
                                 {"the repository is gone", "", "rm -rf repo"}};

/// Arms under a limit, lets it die, and looks. `privileged`: with the right to raise limits.
void die(const GuardedHost& host, const Limit& limit, const Death& death, bool privileged) {
  INFO(limit.name << ", " << death.what << (privileged ? "" : ", without CAP_SYS_RESOURCE"));
  host.ok("rm -rf repo; cp -a whole repo");
  const auto before = host.live();
  const std::string arm =
      std::string(privileged ? "" : "setpriv --bounding-set -sys_resource --inh-caps -sys_resource ") +
      "python3 hinder.py " + limit.name + " " REWALL_PROGRAM " restore --for 10m open";
  const auto said =
      death.on_terminal.empty()
          ? host.sh(arm + " 2>&1 </dev/null")
          : host.sh("python3 terminal.py " +
                    shell_quote((death.shell ? "" : "exec ") + arm + (death.shell ? "; :" : "")) +
                    " 'Reverting in ' " + shell_quote(death.on_terminal) + " 2>&1");
  INFO(said.status << ": " << said.out);
  if (!host.armed()) {
    CHECK_FALSE(limit.words.empty());
    CHECK(has(said.out, limit.words));
    CHECK(has(said.out, "cannot be raised"));
    if (death.on_terminal.empty()) CHECK(said.status == 3);
    CHECK(host.live() == before);
    return;
  }
  const auto guard = host.guard();
  CHECK(host.live() != before);
  // It knows the deadline before its file may be gone.
  host.time_is_up(death.what == "the repository is gone" ? 3000 : 0);
  if (death.what == "the repository is gone")
    host.until("grep -q 'it_value: ([0-9],' /proc/" + guard.process + "/fdinfo/*");
  host.sh("g=" + guard.process + "; " + death.then);
  if (death.next) {
    host.until(
        "test $(awk '{ printf \"%d\", $1 * 1000 }' /proc/uptime) -gt $(sed -n 's/^deadline //p' "
        "repo/.git/rewall/guard 2>/dev/null || echo 0)");
    host.sh("rewall status");
  }
  host.nothing_left_of(guard);
  CHECK(host.live() == before);
}

void die_of(bool privileged) {
  const GuardedHost host;
  host.ok("cat >hinder.py <<'END'\nimport os, resource, signal, sys\n" + [] {
    std::string text;
    for (const auto& limit : kLimits)
      text += "def " + limit.name + "():\n    v = " + limit.smallest + "\n    " + limit.set + "\n";
    return text;
  }() + "globals()[sys.argv[1]]()\nos.execv(sys.argv[2], sys.argv[2:])\nEND\ncp -a repo whole");
  const bool all = std::getenv("REWALL_DEATHS") != nullptr;
  for (std::size_t i = 0; i < kLimits.size(); ++i) {
    // What a sanitized program needs of the memory is more than any limit gives.
    if (is_sanitized() && (kLimits[i].name == "AS" || kLimits[i].name == "DATA")) continue;
    for (std::size_t j = 0; j < kDeaths.size(); ++j)
      if (all || j == (i + (privileged ? 0 : 6)) % kDeaths.size())
        die(host, kLimits[i], kDeaths[j], privileged);
  }
}

}  // namespace

TEST_CASE("whatever becomes of a guard whose starter had the smallest limits, the old ruleset comes back") {
  die_of(true);
}

TEST_CASE("where limits cannot be raised the guard is refused with the name of one, or fires") {
  die_of(false);
}
