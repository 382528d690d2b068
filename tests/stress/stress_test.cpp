// Four processes run random commands side by side; some are killed or stopped in the middle, and so is the
// guard's process. What is in force afterwards, and each exit status, must be what some order of the commands
// gives (model.h).
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>

#include "core/file.h"
#include "stress/model.h"
#include "support/host.h"

using namespace rewall;
using namespace stress;

namespace {

constexpr std::size_t kProcesses = 4;
constexpr int kSteps = 2;  // of a process in a round
constexpr int kMost = 9;   // a part is 0 (nothing) to this

/// A whole number of the environment (REWALL_STRESS, the rounds; REWALL_STRESS_SEED).
unsigned number(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

// The parts: the policy and a rule of INPUT, a rule of mangle, one of IPv6, and a member of a set.
constexpr std::array<const char*, kParts> kMarks{"10.0.0.", "10.0.1.", "2001:db8::", "10.0.3."};

int part_in(const std::string& text, std::size_t part) {
  const auto at = text.find(kMarks[part]);
  return at == std::string::npos ? 0 : text[at + std::string(kMarks[part]).size()] - '0';
}

std::string filter_of(int v) {
  std::string text =
      std::string("*filter\n:INPUT ") + (v % 2 == 1 ? "DROP" : "ACCEPT") +
      " [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m set --match-set s src -j DROP\n";
  if (v != 0) text += "-A INPUT -s 10.0.0." + std::to_string(v) + "/32 -j DROP\n";
  return text + "COMMIT\n";
}
std::string mangle_of(int v) {
  std::string text =
      "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT "
      "[0:0]\n:POSTROUTING ACCEPT [0:0]\n";
  if (v != 0) text += "-A OUTPUT -d 10.0.1." + std::to_string(v) + "/32 -j ACCEPT\n";
  return text + "COMMIT\n";
}
std::string v6_of(int v) {
  std::string text = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
  if (v != 0) text += "-A FORWARD -s 2001:db8::" + std::to_string(v) + "/128 -j DROP\n";
  return text + "COMMIT\n";
}
std::string set_of(int v) {
  std::string text = "create s hash:ip family inet hashsize 1024 maxelem 65536\n";
  if (v != 0) text += "add s 10.0.3." + std::to_string(v) + "\n";
  return text;
}

std::string words_of(const Value& value) {
  std::string text;
  for (const int part : value) text += std::to_string(part);
  return text;
}

/// A command of a process, in words for a shell and in steps for the model.
struct Words {
  std::string shell{};
  Program steps{};
};

class StressHost : public Host {
 public:
  explicit StressHost(unsigned seed) : random_(seed) {
    ok("ipset create s hash:ip; iptables -A INPUT -m set --match-set s src -j DROP; rewall -q init; rewall "
       "config "
       "lock.wait 5min; rewall config watch.settle 50ms; git -C repo tag t0");
    for (int i = 1; i < kTags; ++i) {
      tags_[i] = any_value();
      write_folder("made", tags_[i]);
      ok("rewall -q restore file:made; git -C repo tag t" + std::to_string(i));
    }
  }

  void round(unsigned number) {
    watched_ = chance(2);
    const State before = read_state();
    std::vector<Program> programs;
    std::vector<std::string> scripts;
    killed_restore_ = false;
    for (std::size_t p = 0; p < kProcesses; ++p) scripts.push_back(make_script(p));
    std::string all = "rm -f code.* said.*; ";
    if (watched_)
      all += "(exec " REWALL_PROGRAM
             " watch >watch.said 2>&1 </dev/null) & for i in $(seq 400); do rewall -q --json "
             "status | grep -q '\"watch\":true' && break; sleep 0.05; done; ";
    for (std::size_t p = 0; p < kProcesses; ++p) {
      REQUIRE(write_file(folder() / ("script" + std::to_string(p)), scripts[p], 0600, Sync::no));
      all += "bash script" + std::to_string(p) + " & w" + std::to_string(p) + "=$!; ";
    }
    all += "wait $w0 $w1 $w2 $w3; " + quiet();
    const auto told = describe(number, scripts);
    INFO(told << "before: " << text_of(before));
    const auto ran = sh(all);
    INFO(ran.out << ran.err);
    REQUIRE(ran.status == 0);
    take_statuses();
    const auto look = sh("rewall -q status 2>&1");
    INFO(look.out);
    State now = read_state();
    // The guard may have fired while the state was read.
    while (due() || (now.guard && sh("test -e repo/.git/rewall/guard").status != 0)) {
      until("test ! -e repo/.git/rewall/guard", "cat repo/.git/rewall/guard; rewall status");
      now = read_state();
    }
    CHECK(sh("test -e repo/.git/rewall/journal").status == 1);
    const auto outcomes = Outcomes(programs_, watched_).from(before);
    INFO(said());
    INFO(sh("git -C repo log --format='%h %s | %(trailers:key=Rewall-Trigger,valueonly,separator=%x2C) "
            "%(trailers:key=Rewall-Restores,valueonly,separator=%x2C)' -n 20")
             .out);
    INFO("now: " << text_of(now) << possible(outcomes));
    const bool as_some = std::ranges::any_of(outcomes, [&](const State& state) {
      return state.live == now.live && state.guard.has_value() == now.guard.has_value() &&
             (!now.guard || state.history[state.guard->before].value == now.history[now.guard->before].value);
    });
    CHECK(as_some);
    CHECK(sh("git -C repo fsck --strict 2>&1").status == 0);
    states_ += outcomes.size();
    finish_round();
  }

  std::map<std::string, int> counts{};
  std::size_t states() const { return states_; }

 private:
  static constexpr int kTags = 4;

  bool chance(int of) { return random_() % of == 0; }
  int any(int most) { return static_cast<int>(random_() % (most + 1)); }
  Value any_value() {
    Value value{};
    for (int& part : value) part = any(kMost);
    return value;
  }

  void write_folder(const std::string& name, const Value& value) const {
    const auto path = folder() / name;
    std::error_code ignored;
    std::filesystem::create_directory(path, ignored);
    REQUIRE(write_file(path / "rules.v4", mangle_of(value[1]) + filter_of(value[0]), 0600, Sync::no));
    REQUIRE(write_file(path / "rules.v6", v6_of(value[2]), 0600, Sync::no));
    REQUIRE(write_file(path / "ipset", set_of(value[3]), 0600, Sync::no));
  }

  static std::set<std::size_t> all_parts() { return {0, 1, 2, 3}; }

  /// One command at random; `name` is that of files that it may need.
  Words command(const std::string& name) {
    const auto restore = [&](Does does, const std::string& guarded) -> Words {
      if (chance(2)) {
        const int tag = any(kTags - 1);
        return {"rewall -q restore --yes " + guarded + "t" + std::to_string(tag),
                {{.does = does, .parts = all_parts(), .value = tags_[tag]}}};
      }
      const Value value = any_value();
      write_folder(name, value);
      return {"rewall -q restore --yes " + guarded + "file:" + name,
              {{.does = does, .parts = all_parts(), .value = value}}};
    };
    switch (any(13)) {
      case 0:
      case 1:
        return restore(Does::restore, "");
      case 2:
      case 3:
        return restore(Does::restore_for, "--for 20h ");
      case 4: {
        const Value value = any_value();
        write_folder(name, value);
        return {"rewall -q apply " + name + "/rules.v4",
                {{.does = Does::restore, .parts = {0, 1}, .value = value}}};
      }
      case 5:
      case 6: {
        const Value value = any_value();
        return {"rewall -q try --yes --for 20h -- bash -c " + shell_quote(by_hand(1, value)),
                {{.does = Does::try_arm},
                 {.does = Does::try_run, .parts = {1}, .value = value},
                 {.does = Does::try_end}}};
      }
      case 7:
        return {"rewall -q confirm", {{.does = Does::confirm}}};
      case 8:
        return {"rewall -q rollback", {{.does = Does::rollback}}};
      case 9:
        return {"rewall -q undo", {{.does = Does::undo}}};
      case 10:
        return {"rewall -q redo", {{.does = Does::redo}}};
      case 11:
        return {"rewall -q snapshot", {{.does = Does::snapshot}}};
      case 12: {
        const Value value = any_value();
        const std::size_t part = chance(2) ? 1 : 2;
        return {"bash -c " + shell_quote(by_hand(part, value)),
                {{.does = Does::by_hand, .parts = {part}, .value = value}}};
      }
      default:
        return {
            "flock repo/.git/rewall/lock bash -c 'cd repo/.git/rewall; test ! -e guard || { sed -i "
            "\"s/^deadline .*/deadline 1/\" guard; kill -USR1 $(cut -d\" \" -f1 guard.lock) 2>/dev/null; }; "
            ":'",
            {{.does = Does::time_is_up}}};
    }
  }

  /// One transaction of one table. With -n a built-in chain keeps the rules that it has.
  static std::string by_hand(std::size_t part, const Value& value) {
    auto text = part == 1 ? mangle_of(value[1]) : v6_of(value[2]);
    const std::string last = "[0:0]\n";
    text.insert(text.rfind(last) + last.size(), part == 1 ? "-F OUTPUT\n" : "-F FORWARD\n");
    return std::string(part == 1 ? "iptables" : "ip6tables") + "-restore -n <<< " + shell_quote(text);
  }

  std::string make_script(std::size_t process) {
    std::string script = "rewall() { exec " + shell_quote(REWALL_PROGRAM) + " \"$@\"; }\n";
    if (process == 0) programs_.clear();
    Program program;
    for (int i = 0; i < kSteps; ++i) {
      const auto id = std::to_string(process) + "." + std::to_string(i);
      auto words = command("file" + id);
      const auto pause = std::to_string(any(9)) + "." + std::to_string(any(9));
      script += "sleep 0.0" + std::to_string(any(9)) + "\n(" + words.shell + ") >said." + id +
                " 2>&1 </dev/null & p=$!\n";
      const bool rewalls = words.shell.starts_with("rewall");
      const auto later = "sleep 0." + std::to_string(any(4)) + std::to_string(any(9)) + "; ";
      if (rewalls && chance(6)) {
        script += later + "kill -KILL $p 2>/dev/null\n";
        for (auto& step : words.steps) step.killed = true;
        killed_restore_ = true;
      } else if (rewalls && chance(6)) {
        script += later + "kill -STOP $p 2>/dev/null; sleep 0.2; kill -CONT $p 2>/dev/null\n";
      } else if (chance(8)) {
        const std::string signal = chance(2) ? "KILL" : "STOP";
        script += later +
                  "g=$(cut -d' ' -f1 repo/.git/rewall/guard.lock 2>/dev/null); grep -qsa guard "
                  "/proc/$g/cmdline && kill -" +
                  signal + " $g\n";
      }
      script += "wait $p; echo $? >code." + id + "\n";
      for (auto& step : words.steps) program.push_back(step);
      ++counts[words.shell.substr(0, words.shell.find(' ', words.shell.starts_with("rewall") ? 10 : 0))];
    }
    programs_.push_back(std::move(program));
    return script;
  }

  /// Waits until nothing runs here but the guard, and ends the watch.
  static std::string quiet() {
    // One process may begin another behind the list of them, and end: three times in a row.
    return R"sh(
quiet=0
for i in $(seq 1200); do
  busy=
  for d in /proc/[0-9]*; do
    [ $d/ns/net -ef /proc/self/ns/net ] && [ $d != /proc/$$ ] || continue
    c=$(tr '\0' ' ' <$d/cmdline 2>/dev/null)
    case $c in '' | *' guard '* | *'rewall watch '*) ;; *) [ -e $d ] && busy=$c ;; esac
  done
  [ -z "$busy" ] && quiet=$((quiet + 1)) || quiet=0
  [ $quiet = 3 ] && break
  sleep 0.05
done
w=$(cut -d' ' -f1 repo/.git/rewall/watch.lock 2>/dev/null)
if grep -qsa watch /proc/$w/cmdline; then
  kill -TERM $w
  for i in $(seq 600); do grep -qsa . /proc/$w/cmdline || break; sleep 0.05; done
fi
[ -z "$busy" ] || { echo "still: $busy"; exit 9; }
)sh";
  }

  void take_statuses() {
    for (std::size_t p = 0; p < kProcesses; ++p) {
      std::size_t at = 0;
      for (int i = 0; i < kSteps; ++i) {
        const auto id = std::to_string(p) + "." + std::to_string(i);
        int status = std::stoi(ok("cat code." + id));
        const auto words = sh("cat said." + id).out;  // who is killed early has none
        const bool is_try = programs_[p][at].does == Does::try_arm;
        // The guard fired while the command ran, and ended it.
        const bool ended = is_try && status == 1;
        if (ended) status = 0;
        for (std::size_t step = 0; step < (is_try ? 3U : 1U); ++step, ++at) {
          programs_[p][at].status = status;
          programs_[p][at].killed = programs_[p][at].killed && status == 137;
          programs_[p][at].gave_up = status == 3 && has(words, "kept changing");
          const auto does = programs_[p][at].does;
          programs_[p][at].may_fail = (killed_restore_ && (does == Does::by_hand || does == Does::try_run)) ||
                                      (ended && does == Does::try_run);
        }
        INFO(id << ": " << words);
        CHECK((status == 0 || status == 3 || status == 137));
        ++counts["exit status " + std::to_string(status)];
      }
    }
  }

  bool due() const { return sh("grep -qs '^deadline 1$' repo/.git/rewall/guard").status == 0; }

  /// LIVE, the history and the guard, by the kernel, git and the guard's file.
  State read_state() const {
    const auto text =
        ok("iptables-save -t filter; echo %; iptables-save -t mangle; echo %; ip6tables-save; echo %; ipset "
           "save; echo %; "
           "sed -n 's/^before //p' repo/.git/rewall/guard 2>/dev/null; echo %; "
           "for h in $(git -C repo rev-list --reverse HEAD); do echo \"#$h\"; git -C repo log -1 --format="
           "'!%(trailers:key=Rewall-Trigger,valueonly,separator=%x2C) "
           "%(trailers:key=Rewall-Restores,valueonly,separator=%x2C) "
           "%(trailers:key=Rewall-Undoes,valueonly,separator=%x2C)' "
           "$h; git -C repo show $h:rules.v4 $h:rules.v6 $h:ipset; done");
    std::vector<std::string> pieces;
    for (std::size_t from = 0; pieces.size() < 5;) {
      const auto end = text.find("%\n", from);
      pieces.push_back(text.substr(from, end - from));
      from = end + 2;
    }
    State state;
    for (std::size_t part = 0; part < kParts; ++part) state.live[part] = part_in(pieces[part], part);
    CHECK(has(pieces[0], ":INPUT DROP") == (state.live[0] % 2 == 1));
    std::vector<std::string> hashes;
    const auto index = [&](const std::string& hash) {
      return static_cast<int>(std::ranges::find(hashes, hash) - hashes.begin());
    };
    for (auto at = text.find("#", text.rfind("%\n")); at != std::string::npos;) {
      const auto end = text.find("\n#", at);
      const std::string piece = text.substr(at, end == std::string::npos ? end : end - at);
      hashes.push_back(piece.substr(1, 40));
      const auto line = piece.substr(piece.find('!') + 1, piece.find('\n', 45) - piece.find('!') - 1);
      const auto words = split(line, ' ');
      Value value{};
      for (std::size_t part = 0; part < kParts; ++part) value[part] = part_in(piece, part);
      add(state, value, std::string(words[0]), std::string(words[1]), std::string(words[2]), index);
      at = end == std::string::npos ? end : end + 1;
    }
    const std::string before(trim(pieces[4]));
    if (!before.empty()) {
      state.guards = 1;
      state.guard = Guard{.number = 1, .before = index(before)};
    }
    return state;
  }

  template <class Index>
  static void add(State& state, const Value& value, const std::string& trigger, const std::string& restores,
                  const std::string& undoes, const Index& index) {
    if (state.history.empty()) {
      state.history.push_back({.value = value, .done = {0}});
      return;
    }
    const Value live = std::exchange(state.live, value);
    if (trigger == "rollback" || trigger == "boot")
      state.commit(Kind::back, index(restores));
    else if (trigger == "undo")
      state.commit(Kind::undo, index(undoes));
    else if (trigger == "redo" && !state.history.back().undone.empty())
      state.commit(Kind::redo, state.history.back().undone.back());
    else
      state.commit(Kind::change, 0);
    state.live = live;
  }

  std::string said() const {
    return ok(
        "for f in said.*; do echo \"$f ($(cat code.${f#said.})):\"; cat $f; done; cat watch.said "
        "2>/dev/null; true");
  }

  static std::string text_of(const State& state) {
    return words_of(state.live) +
           (state.guard ? ", guard of " + words_of(state.history[state.guard->before].value) : "") + "\n";
  }
  static std::string possible(const std::vector<State>& states) {
    std::set<std::string> all;
    for (const auto& state : states) all.insert(text_of(state));
    std::string text = "possible:\n";
    for (const auto& one : all) text += "  " + one;
    return text;
  }
  static std::string describe(unsigned number, const std::vector<std::string>& scripts) {
    std::string text = "round " + std::to_string(number) + "\n";
    for (const auto& script : scripts) text += script + "--\n";
    return text;
  }

  /// Not too long a history, and now and then no guard.
  void finish_round() {
    const int end = any(3);
    if (end == 0) sh("rewall -q confirm");
    if (end == 1) sh("rewall -q rollback");
    sh("rm -rf file*");
  }

  std::mt19937 random_;
  std::array<Value, kTags> tags_{};
  std::vector<Program> programs_{};
  bool watched_ = false;
  bool killed_restore_ = false;
  std::size_t states_ = 0;
};

}  // namespace

TEST_CASE("whatever four processes do at once, what is in force is what some order of their commands gives") {
  const auto rounds = number("REWALL_STRESS", 2);
  const auto seed = number("REWALL_STRESS_SEED", 1);
  std::map<std::string, int> counts;
  std::size_t states = 0;
  // A history of its own for each few rounds.
  for (unsigned done = 0; done < rounds;) {
    StressHost host(seed * 1000 + done);
    for (unsigned i = 0; i < 10 && done < rounds; ++i) host.round(done++);
    for (const auto& [what, count] : host.counts) counts[what] += count;
    states += host.states();
  }
  std::cout << rounds << " rounds, seed " << seed << ", " << states << " states possible\n";
  for (const auto& [what, count] : counts) std::cout << "  " << count << " x " << what << "\n";
}
