// What stands in the place of a file of state - a FIFO, a folder, garbage, another version, nothing, what
// nobody can read - stops no command that does not need the file, and hangs none.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "support/guarded_host.h"

using namespace rewall;

namespace {

/// What stands in the place; `$f` is the file.
const std::vector<std::pair<std::string, std::string>>& things() {
  static const std::vector<std::pair<std::string, std::string>> all{
      {"a FIFO", "mkfifo $f"},
      {"a folder", "mkdir $f"},
      {"garbage", "head -c 300 /dev/urandom >$f"},
      {"another version", "printf 'rewall thing 99\\nx y\\nend\\n' >$f"},
      {"nothing", ": >$f"},
      {"a link to nowhere", "ln -s /nowhere/x $f"}};
  return all;
}

/// Commands, with the exit statuses that they may have where no file of state is as it should be.
struct Command {
  std::string words{};
  std::vector<int> may{};
};

class StateHost : public GuardedHost {
 public:
  /// Puts each thing in the place of `file`, below the repository, and runs all commands.
  void check(const std::string& file, const std::vector<Command>& commands) const {
    for (const auto& [name, make] : things()) {
      std::string line = "f=repo/.git/rewall/" + file +
                         "; : >said; run() { echo \"- $*\" >>said; rm -rf $f " +
                         "$f.unusable; mkdir -p ${f%/*}; " + make + "; timeout 30 " +
                         shell_quote(REWALL_PROGRAM) + " \"$@\" </dev/null >>said 2>&1; echo $?; }";
      for (const auto& [words, may] : commands) line += "; run " + words;
      const auto statuses = ok(line);
      const auto each = split_lines(statuses);
      INFO(file << " is " << name << ":\n" << ok("cat said"));
      REQUIRE(each.size() == commands.size());
      for (std::size_t i = 0; i < each.size(); ++i) {
        INFO(commands[i].words << " ends with " << each[i]);
        CHECK(std::ranges::find(commands[i].may, std::stoi(std::string(each[i]))) != commands[i].may.end());
      }
    }
    ok("rm -rf repo/.git/rewall/" + file + "*");
  }
};

const std::vector<Command>& all_commands() {
  static const std::vector<Command> all{
      {"status", {0}},   {"log -n 1", {0}},          {"diff", {0}},
      {"snapshot", {0}}, {"restore --dry-run", {0}}, {"restore --boot", {0}},
      {"confirm", {3}}};
  return all;
}

}  // namespace

TEST_CASE("a cache of the generation or of proofs that cannot be read stops nothing") {
  const StateHost host;
  for (const char* file : {"seen", "proofs"}) host.check(file, all_commands());
}

TEST_CASE("a note of the ports that are open since good that cannot be read is made again") {
  const StateHost host;
  // Another rule than the tag has: without one nobody reads the note.
  host.ok("rewall tag good; iptables -I INPUT -p tcp --dport 8080 -j ACCEPT; rewall -q snapshot");
  host.check("opened", {{"status", {0}}, {"--json status", {0}}, {"snapshot", {0}}});
}

TEST_CASE("a queue of pushes or a note of a fetch that cannot be read stops nothing") {
  const StateHost host;
  for (const char* file : {"push", "fetched"}) host.check(file, all_commands());
}

TEST_CASE("a note of the host or of the namespace that cannot be read stops nothing") {
  const StateHost host;
  for (const char* file : {"host", "namespace"}) host.check(file, all_commands());
}

TEST_CASE("a note of the export or an environment that cannot be read stops nothing") {
  const StateHost host;
  for (const char* file : {"exported", "environment"}) host.check(file, all_commands());
}

TEST_CASE("a lock of a guard or of expiries that is no file stops nothing") {
  const StateHost host;
  for (const char* file : {"guard.lock", "expire.lock"}) host.check(file, all_commands());
}

TEST_CASE("a lock of watch or of background work that is no file stops nothing") {
  const StateHost host;
  for (const char* file : {"watch.lock", "background"}) host.check(file, all_commands());
}

TEST_CASE("a lock of the network or of gc that is no file stops nothing") {
  const StateHost host;
  for (const char* file : {"network", "gc"}) host.check(file, all_commands());
}

TEST_CASE("endings of guards that cannot be read stop nothing") {
  const StateHost host;
  for (const char* file : {"guards", "guards/0123456789abcdef.fired"}) host.check(file, all_commands());
}

TEST_CASE("endings of expiries that cannot be read stop nothing") {
  const StateHost host;
  for (const char* file : {"expiries", "expiries/0123456789abcdef.ended"}) host.check(file, all_commands());
}

TEST_CASE("a guard that cannot be read stops only what asks for it") {
  const StateHost host;
  host.check("guard", {{"status", {1}},
                       {"log -n 1", {0}},
                       {"diff", {0}},
                       {"snapshot", {0}},
                       {"restore --dry-run", {0}},
                       {"restore --boot", {0, 9}},
                       {"confirm", {5}}});
}

TEST_CASE("a journal that cannot be read is no matter where the live rules are those of HEAD") {
  const StateHost host;
  host.check("journal", all_commands());
}

TEST_CASE("the repository's lock that is no file is said, and stops reading and booting not at all") {
  const StateHost host;
  host.check("lock", {{"status", {0}}, {"log -n 1", {0}}, {"diff", {0}}, {"restore --boot", {0}}});
}

TEST_CASE("what stands in the place of files below /run/rewall stops nothing") {
  const GuardedHost host;
  // The folder is this test's own.
  const auto in_own_run = [&](const std::string& words) {
    return host.sh("unshare -m sh -c " + shell_quote("mount -t tmpfs none /run; " + words));
  };
  for (const auto& [name, make] : things()) {
    for (const auto& [words, may] : all_commands()) {
      INFO("/run/rewall is " << name << ": " << words);
      const auto said =
          in_own_run("f=/run/rewall; " + make + "; timeout 30 " + shell_quote(REWALL_PROGRAM) + " " + words);
      INFO(said.out << said.err);
      CHECK(std::ranges::find(may, said.status) != may.end());
    }
    INFO("/run/rewall is " << name << ": a guard");
    const auto guarded = in_own_run("f=/run/rewall; " + make + "; timeout 30 " + shell_quote(REWALL_PROGRAM) +
                                    " try --for 5m -- iptables -N tried && timeout 30 " +
                                    shell_quote(REWALL_PROGRAM) + " rollback");
    INFO(guarded.out << guarded.err);
    CHECK(guarded.status == 0);
  }
}
