// A restore that is killed before any of its system calls leaves the old or the new ruleset, at the latest
// when the next rewall has run. Tried are the calls that have an effect outside the process, which are few:
// what a process that is gone leaves behind is what those did that it had made, so that to kill it before one
// of them is to kill it anywhere since the one before, and to kill it before each is to try every state that
// it can leave. REWALL_KILL=effects does that for every pair (./dev kill); else it is every one of them while
// the journal is there for the smallest pair, and a part of them for the others.
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/text.h"
#include "kernel/process.h"
#include "kill/tracer.h"
#include "support/scratch_namespace.h"
#include "support/temporary_folder.h"

using namespace rewall;

namespace {

namespace fs = std::filesystem;

const fs::path kDumps = REWALL_SOURCE_DIR "/../shared/corpus/dumps";

/// A ruleset as files hold it; empty texts say nothing of their family or of sets.
struct State {
  std::string v4{};
  std::string v6{};
  std::string sets{};
  std::string nft{};  ///< a table inet fw, and perhaps ip filter
};

struct Pair {
  std::string name{};
  State one{};
  State other{};
  /// The kernel takes all of it as one (backend nft, no sets): not even for a moment is there a mix.
  bool atomic = false;
  bool exact = false;      ///< foreign parts change too
  std::size_t points = 0;  ///< how many are tried; 0: on the way to `other` all while the journal is there
};

std::string filter(const std::string& policies, const std::string& rules) {
  const auto words = split(policies, ' ');
  std::string text = "*filter\n";
  const std::vector<std::string> chains{"INPUT", "FORWARD", "OUTPUT"};
  for (std::size_t i = 0; i < chains.size(); ++i)
    text += ":" + chains[i] + " " + std::string(words[i]) + " [0:0]\n";
  return text + rules + "COMMIT\n";
}

std::string dump(const std::string& name) {
  const auto text = read_file(kDumps / name);
  REQUIRE(text);
  return *text;
}

/// Works in a network namespace of its own with one backend's programs.
class Field {
 public:
  explicit Field(std::string backend, bool native = false)
      : backend_(std::move(backend)), native_(native), namespace_(scratch_namespace()) {}

  void run_inside(const std::function<void()>& work) const {
    if (const auto ran = namespace_.run(work); !ran) FAIL(ran.error().message);
  }

  std::string shell(const std::string& script, int status = 0) const {
    const std::string setup = "set -e; cd " + shell_quote(folder_.path().string()) + "; b=" + backend_ +
                              "; rewall() { " + shell_quote(REWALL_PROGRAM) +
                              " -C repo \"$@\"; }; export ASAN_OPTIONS=detect_leaks=0; ";
    auto outcome = run({.words = {"/bin/bash", "-c", setup + script}}, ErrorKind::usage);
    REQUIRE(outcome);
    INFO(script << "\n" << outcome->out << outcome->err);
    REQUIRE(outcome->status == status);
    return outcome->out;
  }

  /// What the host's own programs say, without comments, counters and tables that hold nothing, in one order.
  std::string live() const {
    const auto native = native_ ? shell("nft -s list table inet fw; nft -s list chain ip filter INPUT") : "";
    return shell("ipset save | sed 's/ initval [^ ]*//' | sort") + tables("iptables") + tables("ip6tables") +
           native;
  }

  void write(const std::string& name, const State& state) const {
    fs::create_directory(folder_.path() / name);
    const auto put = [&](const char* file, const std::string& text) {
      if (!text.empty()) REQUIRE(write_file(folder_.path() / name / file, text, 0600, Sync::no));
    };
    put("rules.v4", state.v4);
    put("rules.v6", state.v6);
    put("ipset", state.sets);
    put("rules.nft", state.nft);
  }

  void load(const State& state) const {
    write("loaded", state);
    shell(
        "cd loaded; test ! -e ipset || ipset restore <ipset; test ! -e rules.v4 || iptables-$b-restore "
        "<rules.v4; "
        "test ! -e rules.v6 || ip6tables-$b-restore <rules.v6; test ! -e rules.nft || nft -f rules.nft; cd "
        "..; "
        "rm -r loaded");
  }

  std::string repository() const { return (folder_.path() / "repo").string(); }
  bool has_journal() const { return fs::exists(repository() + "/.git/rewall/journal"); }

 private:
  std::string tables(const std::string& program) const {
    std::vector<std::string> all;
    std::string table;
    bool empty = true;
    const std::string text = shell(program + "-$b-save");
    for (const std::string_view line : split_lines(text)) {
      if (line.starts_with('#')) continue;
      if (line.starts_with('*')) empty = true;
      const bool chain = line.starts_with(':');
      if (line.starts_with("-A") || (chain && line.find(" ACCEPT [") == std::string_view::npos))
        empty = false;
      table += std::string(chain ? line.substr(0, line.find('[')) : line) + "\n";
      if (line != "COMMIT") continue;
      if (!empty) all.push_back(program + " " + table);
      table.clear();
    }
    std::ranges::sort(all);
    return join(all, "");
  }

  std::string backend_;
  bool native_;
  ScratchNamespace namespace_;
  TemporaryFolder folder_{};
};

/// What a ruleset is in a namespace that never held anything else.
std::string truth(const std::string& backend, const State& state) {
  const Field field(backend, !state.nft.empty());
  std::string text;
  field.run_inside([&] {
    field.load(state);
    text = field.live();
  });
  return text;
}

struct Tally {
  std::size_t points = 0;
  std::size_t mixes = 0;   ///< met right after the kill, where the kernel takes table by table
  std::size_t halves = 0;  ///< met after the next rewall
};

/// The two rulesets of a pair, by the tag that names them.
class Duel {
 public:
  Duel(const std::string& backend, const Pair& pair)
      : pair_(pair),
        texts_{{"one", truth(backend, pair.one)}, {"other", truth(backend, pair.other)}},
        field_(backend, !pair.one.nft.empty()) {
    REQUIRE(texts_.at("one") != texts_.at("other"));
  }

  Tally fight() {
    field_.run_inside([&] {
      prepare();
      kill_everywhere();
      field_.shell("git -C repo fsck --strict; test -z \"$(git -C repo status --porcelain)\"");
    });
    return tally_;
  }

 private:
  /// Where to kill, on the way to a ruleset.
  using Points = std::vector<std::size_t>;

  void prepare() {
    field_.load(pair_.one);
    field_.shell("rewall init; rewall tag one");
    field_.write("wanted", with_all_parts(pair_.other));
    field_.shell(restore_line() + " file:wanted; rewall tag other");
    REQUIRE(field_.live() == texts_.at("other"));
  }

  /// A folder speaks only of the files that it has.
  static State with_all_parts(State state) {
    if (state.v4.empty()) state.v4 = filter("ACCEPT ACCEPT ACCEPT", "");
    if (state.v6.empty()) state.v6 = filter("ACCEPT ACCEPT ACCEPT", "");
    if (state.sets.empty()) state.sets = "\n";
    return state;
  }

  std::vector<std::string> restore_words(const std::string& tag) const {
    std::vector<std::string> words{REWALL_PROGRAM, "-C", field_.repository(), "restore", tag};
    if (pair_.exact) words.emplace_back("--exact");
    return words;
  }
  std::string restore_line() const { return pair_.exact ? "rewall restore --exact" : "rewall restore"; }

  /// A whole run: which calls there are, counted from 1 by their effects, and which of them are tried.
  Points plan(const std::string& tag) {
    Points window;
    Points sent;      // in the window: before and after a batch for nf_tables
    Points programs;  // in the window: after the start of a program
    Points outside;
    bool inside = false;
    std::size_t n = 0;
    const auto traced = trace(restore_words(tag), [&](const Call& call) {
      ++n;
      const bool of_journal = call.path.find("/.git/rewall/journal") != std::string::npos;
      if (of_journal && call.number == SYS_openat && call.path.find("journal.") != std::string::npos)
        inside = true;
      (inside ? window : outside).push_back(n);
      if (inside && call.number == SYS_sendmsg) sent.insert(sent.end(), {n, n + 1});
      if (inside && starts_program(call)) programs.push_back(n + 1);
      if (of_journal && call.number == SYS_unlink) inside = false;
      return true;
    });
    REQUIRE(traced.status == 0);
    REQUIRE(field_.live() == texts_.at(tag));
    REQUIRE(window.size() > 20);
    const bool all = every_effect();
    if (!all && (pair_.points != 0 || tag == "one")) {
      const std::size_t points = std::max(pair_.points, kInside);
      window = spread(window, points);
      programs = spread(programs, points);
      window.insert(window.end(), sent.begin(), sent.end());
      window.insert(window.end(), programs.begin(), programs.end());
    }
    const Points rest = all ? outside : spread(outside, kOutside);
    window.insert(window.end(), rest.begin(), rest.end());
    std::ranges::sort(window, std::greater<>());
    window.erase(std::unique(window.begin(), window.end()), window.end());
    return window;
  }

  static bool starts_program(const Call& call) {
    constexpr std::array<long, 3> kStarts{SYS_clone, SYS_clone3, SYS_vfork};
    return std::ranges::find(kStarts, call.number) != kStarts.end();
  }

  static bool every_effect() {
    const char* asked = std::getenv("REWALL_KILL");
    return asked != nullptr && std::string_view(asked) == "effects";
  }

  static Points spread(const Points& points, std::size_t count) {
    Points some;
    for (std::size_t i = 0; i < count && !points.empty(); ++i)
      some.push_back(points[i * points.size() / count]);
    some.erase(std::unique(some.begin(), some.end()), some.end());
    return some;
  }

  void kill_everywhere() {
    std::map<std::string, Points> left;
    left["one"] = plan("one");
    left["other"] = plan("other");
    std::string now = "other";
    while (true) {
      std::string to = now == "one" ? "other" : "one";
      if (left[to].empty()) {
        if (left[now].empty()) return;
        field_.shell(restore_line() + " " + to);  // all that is left is to be tried from there
        now = std::exchange(to, now);
      }
      const std::size_t point = left[to].back();
      left[to].pop_back();
      now = kill_at(to, point);
    }
  }

  /// The name of the ruleset that is LIVE; empty when it is neither.
  std::string which() const {
    const std::string live = field_.live();
    for (const auto& [name, text] : texts_) {
      if (live == text) return name;
    }
    UNSCOPED_INFO(live);
    return "";
  }

  std::string kill_at(const std::string& to, std::size_t point) {
    INFO(pair_.name << ": the restore of '" << to << "' killed before its system call with effect number "
                    << point);
    std::size_t n = 0;
    const auto traced = trace(restore_words(to), [&](const Call&) { return ++n < point; });
    // Where the threads went another way that was its end.
    if (traced.killed) ++tally_.points;
    if (which().empty()) {
      ++tally_.mixes;
      CHECK_FALSE(pair_.atomic);
    }
    field_.shell("rewall status");
    const std::string now = which();
    if (now.empty()) ++tally_.halves;
    REQUIRE_FALSE(now.empty());
    REQUIRE_FALSE(field_.has_journal());
    return now;
  }

  static constexpr std::size_t kInside = 6;
  static constexpr std::size_t kOutside = 5;

  Pair pair_;
  std::map<std::string, std::string> texts_;
  Field field_;
  Tally tally_{};
};

State guide() {
  const Field field("nft");
  State state;
  field.run_inside([&] {
    field.shell("sh " REWALL_SOURCE_DIR "/tests/guide-firewall.sh");
    state.v4 = field.shell("iptables-nft-save");
  });
  return state;
}

std::string drop_members(const std::string& set) {
  return "-A INPUT -m set --match-set " + set + " src -j DROP\n";
}

std::vector<Pair> pairs(const std::string& backend) {
  const bool nft = backend == "nft";
  const std::string open = filter("ACCEPT ACCEPT ACCEPT", "");
  std::vector<Pair> all{
      {.name = "policies",
       .one = {.v4 = filter("DROP DROP ACCEPT", "")},
       .other = {.v4 = filter("ACCEPT DROP DROP", "")},
       .atomic = nft},
      {.name = "the guide's firewall and an open one",
       .one = guide(),
       .other = {.v4 = open},
       .atomic = nft,
       .points = 5},
      {.name = "both families",
       .one = {.v4 = filter("DROP ACCEPT ACCEPT", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"),
               .v6 = filter("DROP ACCEPT ACCEPT", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n")},
       .other = {.v4 = filter("DROP DROP ACCEPT", "-A INPUT -p udp -m udp --dport 53 -j ACCEPT\n"),
                 .v6 = filter("DROP DROP ACCEPT", "-A INPUT -p udp -m udp --dport 53 -j ACCEPT\n")},
       .atomic = nft,
       .points = 5},
      {.name = "sets whose members and types change",
       .one = {.v4 = filter("ACCEPT ACCEPT ACCEPT", drop_members("bad") + drop_members("odd")),
               .sets = "create bad hash:ip family inet hashsize 1024 maxelem 65536\nadd bad 192.0.2.1\nadd "
                       "bad 192.0.2.2\n"
                       "create odd hash:ip family inet hashsize 1024 maxelem 65536\nadd odd 198.51.100.1\n"},
       .other = {.v4 = filter("DROP ACCEPT ACCEPT", drop_members("odd") + drop_members("bad")),
                 .sets =
                     "create bad hash:ip family inet hashsize 1024 maxelem 65536\nadd bad 192.0.2.3\n"
                     "create odd hash:net family inet hashsize 1024 maxelem 65536\nadd odd 198.51.100.0/24\n"
                     "create new hash:net family inet hashsize 1024 maxelem 65536\nadd new 203.0.113.0/24\n"},
       .points = 5},
  };
  if (nft) {
    const auto fw = [](const std::string& port) {
      return "table inet fw {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2." + port +
             " }\n\t}\n\n\tchain in {\n\t\ttype filter hook input priority filter; policy accept;\n\t\ttcp "
             "dport " +
             port + " ip saddr @s accept\n\t}\n}\n";
    };
    all.push_back(
        {.name = "tables of iptables and of nft at once",
         .one = {.v4 = filter("DROP ACCEPT ACCEPT", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"),
                 .nft = fw("22")},
         .other = {.v4 = filter("ACCEPT ACCEPT ACCEPT", "-A INPUT -p udp -m udp --dport 53 -j DROP\n"),
                   .nft = fw("80")},
         .atomic = true,
         .points = 5});
    all.push_back(
        {.name = "a table in the words of iptables and in those of nft",
         .one = {.v4 = filter("DROP ACCEPT ACCEPT",
                              "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
                              "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"),
                 .nft = fw("22")},
         .other = {.nft = "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority filter; "
                          "policy accept;\n\t\ttcp dport 22 counter accept\n\t\tct state new drop\n\t}\n}\n" +
                          fw("80")},
         .atomic = true,
         .points = 5});
  }
  if (!fs::exists(kDumps)) {
    WARN("no corpus beside the project: without its dumps");
    return all;
  }
  const std::string kDocker =
      "moby__daemon__libnetwork__drivers__bridge__internal__iptabler__testdata__TestIptabler__";
  all.push_back({.name = "tables of firehol and of neutron",
                 .one = {.v4 = dump("firehol__tests__firehol__basics__router46.aud4"),
                         .v6 = dump("firehol__tests__firehol__basics__router46.aud6")},
                 .other = {.v4 = dump("calincru__neutron-root-controller.converted")},
                 .atomic = nft,
                 .points = 5});
  all.push_back(
      {.name = "two states of docker",
       .one = {.v4 = dump(kDocker + "hairpin=false,internal=false,icc=false,masq=true,snat=true,gwm=nat,bi"),
               .v6 = dump(kDocker + "hairpin=true,internal=false,icc=false,masq=true,snat=true,gwm=nat,bin")},
       .other = {.v4 = dump(kDocker +
                            "hairpin=false,internal=false,icc=true,masq=false,snat=false,gwm=nat-u~2"),
                 .v6 =
                     dump(kDocker + "hairpin=true,internal=false,icc=false,masq=false,snat=true,gwm=routed")},
       .atomic = nft,
       .exact = true,
       .points = 5});
  return all;
}

void fight_all(const std::string& backend) {
  Tally all;
  const char* only = std::getenv("REWALL_KILL_ONLY");
  for (const auto& pair : pairs(backend)) {
    if (only != nullptr && pair.name.find(only) == std::string::npos) continue;
    const auto tally = Duel(backend, pair).fight();
    std::cout << backend << ", " << pair.name << ": killed at " << tally.points << " points, " << tally.mixes
              << " mixes before the next rewall, " << tally.halves << " halves after it" << std::endl;
    all.points += tally.points;
    all.halves += tally.halves;
  }
  std::cout << backend << ": " << all.points << " points, " << all.halves << " halves" << std::endl;
  if (only == nullptr) CHECK(all.points > 120);
  CHECK(all.halves == 0);
}

}  // namespace

TEST_CASE("a restore killed at any system call leaves the old or the new ruleset: nft", "[nft]") {
  fight_all("nft");
}

TEST_CASE("a restore killed at any system call leaves the old or the new ruleset: legacy", "[legacy]") {
  fight_all("legacy");
}
