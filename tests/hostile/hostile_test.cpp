// A remote that means harm: what it may send, held against every command that reads from it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>

#include "kinds.h"
#include "measured.h"
#include "support/host.h"
#include "support/release.h"

namespace rewall {
namespace {

constexpr std::size_t kMostMemory = 300U << 20U;
constexpr std::size_t kProgram = 40U << 20U;  // what it takes for small snapshots

// C0 but for tabs and line ends, DEL, C1, and what turns the direction of a text.
bool is_clean(std::string_view text) {
  return escape(text).size() == text.size() + 3 * static_cast<std::size_t>(std::ranges::count(text, '\n')) ||
         text.empty();
}

/// A host with a history of two snapshots and a remote that has it; each kind begins with it as it is.
class Attacked {
 public:
  Attacked() {
    host_.load_guide_firewall();
    host_.ok(
        "git init -q --bare remote.git; rewall init --remote $PWD/remote.git; iptables -N mine; rewall "
        "snapshot; rewall tag good HEAD~1; rewall push; mv repo clean; mv remote.git clean.git");
    victim_ = {.host = line("git -C clean symbolic-ref --short HEAD | cut -d/ -f2"),
               .first = line("git -C clean rev-parse HEAD~1"),
               .head = line("git -C clean rev-parse HEAD")};
  }

  void meet(const Kind& kind) {
    INFO(kind.name);
    kind_ = kind.name;
    share_ = kind.is_whole ? 1 : static_cast<std::size_t>(scale());
    host_.ok("rm -rf repo remote.git; cp -a clean repo; cp -a clean.git remote.git");
    if (!kind.memory.empty()) host_.ok("rewall config fetch.memory " + kind.memory);
    RemoteMaker remote(host_.folder() / "remote.git");
    kind.make(remote, victim_);
    said_.clear();
    const auto before = state();
    const auto there = "origin/hosts/" + kind.branch;
    const auto fetched = run({"fetch", "--json"});
    if (kind.fetch >= 0) CHECK(fetched == kind.fetch);
    run({"fleet", "status"});
    run({"fleet", "list"});
    run({"fleet", "diff", victim_.host, kind.branch});
    run({"log", "-n", "50", there});
    run({"show", there});
    const auto diff = run({"diff", "HEAD", there});
    if (kind.diff >= 0) CHECK(diff == kind.diff);
    run({"restore", "--dry-run", there});
    run({"verify", there});
    const auto cloned = run({"-C", "new", "clone", remote.folder().string(), "--host", kind.branch});
    if (kind.clone >= 0) CHECK(cloned == kind.clone);
    if (cloned == 0) run({"-C", "new", "restore", "--dry-run", "HEAD"});
    host_.ok("rm -rf new");
    CHECK(state() == before);
    if (!kind.says.empty()) CHECK_THAT(said_, Catch::Contains(kind.says));
  }

 private:
  std::string line(const std::string& command) const { return std::string(trim(host_.ok(command))); }

  // All that nobody may change but a person.
  std::string state() const {
    return host_.rules() +
           host_.ok(
               "git -C repo for-each-ref refs/heads refs/tags; cat repo/.git/HEAD repo/.git/config; "
               "git -C repo status --porcelain; cat repo/rules.v4; ls; ls -A repo; ls /tmp | grep evil || "
               "true");
  }

  int run(std::vector<std::string> words) {
    INFO(join(words, " "));
    words.insert(words.begin(), REWALL_PROGRAM);
    Measured measured;
    host_.inside([&] {
      // To look for leaks is no work of the program's, and fails where a thread ends meanwhile.
      measured = measure(words, host_.folder().string(),
                         {"REWALL_REPO=" + host_.repository(), "TERM=dumb", "ASAN_OPTIONS=detect_leaks=0"});
    });
    host_.ok("rm measured.out measured.err");
    if (std::getenv("HOSTILE_FIGURES") != nullptr)
      std::cerr << measured.status << "  " << (measured.peak >> 20U) << " MiB  " << measured.cpu.count()
                << " ms  " << kind_ << ": " << join(words, " ").substr(sizeof REWALL_PROGRAM) << "\n";
    INFO(measured.out.substr(0, 2000) << measured.err.substr(0, 2000));
    CHECK((measured.status <= 5 || measured.status == 7));
    CHECK(is_clean(measured.out));
    CHECK(is_clean(measured.err));
    CHECK(measured.cpu <= std::chrono::seconds(is_sanitized() ? 100 : 10));
    if (!is_sanitized()) CHECK(measured.peak <= kProgram + (kMostMemory - kProgram) / share_);
    said_ += measured.out + measured.err;
    return measured.status;
  }

  Host host_{};
  Victim victim_{};
  std::string kind_{};
  std::size_t share_ = 1;  // of the memory: the kind is so many times smaller than it may be
  std::string said_{};
};

// Each test case takes its share: with one kind it takes about a second.
void meet_share(const std::vector<Kind>& kinds, std::size_t share, std::size_t of) {
  Attacked attacked;
  for (std::size_t i = share; i < kinds.size(); i += of) {
    const char* only = std::getenv("HOSTILE_ONLY");
    if (only == nullptr || has(kinds[i].name, only)) attacked.meet(kinds[i]);
  }
}

}  // namespace

#define SHARE(what, n, of)                                                               \
  TEST_CASE(#what " of a hostile remote do no harm: part " #n " of " #of, "[hostile]") { \
    meet_share(kinds_of_##what(), (n)-1, of);                                            \
  }
SHARE(objects, 1, 4)
SHARE(objects, 2, 4)
SHARE(objects, 3, 4)
SHARE(objects, 4, 4)
SHARE(names, 1, 3)
SHARE(names, 2, 3)
SHARE(names, 3, 3)
SHARE(histories, 1, 4)
SHARE(histories, 2, 4)
SHARE(histories, 3, 4)
SHARE(histories, 4, 4)
SHARE(rules, 1, 10)
SHARE(rules, 2, 10)
SHARE(rules, 3, 10)
SHARE(rules, 4, 10)
SHARE(rules, 5, 10)
SHARE(rules, 6, 10)
SHARE(rules, 7, 10)
SHARE(rules, 8, 10)
SHARE(rules, 9, 10)
SHARE(rules, 10, 10)
SHARE(sizes, 1, 9)
SHARE(sizes, 2, 9)
SHARE(sizes, 3, 9)
SHARE(sizes, 4, 9)
SHARE(sizes, 5, 9)
SHARE(sizes, 6, 9)
SHARE(sizes, 7, 9)
SHARE(sizes, 8, 9)
SHARE(sizes, 9, 9)

}  // namespace rewall
