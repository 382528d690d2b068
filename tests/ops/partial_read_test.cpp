// Restores of few rules, on a real kernel: the narrow road, and each way that leads from it to the whole one.
#include "ops/restore/partial_read.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "core/file.h"
#include "ops/restore/restore.h"
#include "support/kernel_lab.h"
#include "support/test_session.h"

using namespace rewall;

namespace {

constexpr std::size_t kChains = 24;

// As iptables-save prints it: many chains, of which INPUT alone is another one each time.
std::string text_of(const std::string& input, const std::string& more_chains = "",
                    const std::string& more_rules = "", const std::string& port = "80") {
  std::string text = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n";
  std::string rules = "-A INPUT " + input + "\n";
  for (std::size_t i = 0; i < kChains; ++i) {
    const std::string name = std::string("chain-") + static_cast<char>('a' + i);
    text += ":" + name + " - [0:0]\n";
    rules += "-A " + name + " -s 192.0.2.1/32 -j ACCEPT\n-A " + name + " -p tcp -m tcp --dport " + port +
             " -j ACCEPT\n";
  }
  return text + more_chains + rules + more_rules + "COMMIT\n";
}

void somebody(const std::string& line) {
  const auto done = run({.words = {"/bin/sh", "-ec", line}}, ErrorKind::usage);
  if (!done || !done->ok()) throw std::runtime_error(line);
}

/// The host's own, looked at; others come in at moments that a test names.
class Watched : public Firewall {
 public:
  Result<Capture> capture(BackendChoice choice) override { return real_->capture(choice); }
  Result<std::optional<std::vector<ChainsOfTable>>> read_chains(
      const std::map<ChainName, bool>& chains) override {
    return real_->read_chains(chains);
  }
  std::optional<Generation> generation() override { return real_->generation(); }
  bool legacy_tables() override { return real_->legacy_tables(); }
  void expect_stage() override { real_->expect_stage(); }

  Result<Sets> sets() override {
    if (before_sets) std::exchange(before_sets, nullptr)();
    return real_->sets();
  }

  Result<Staged> stage(const Ruleset& wanted, const Ruleset* live, const FileNames& names) override {
    staged.push_back(wanted.v4.tables.empty() ? 0 : wanted.v4.tables[0].chains.size());
    if (std::exchange(refuse_stage, false))
      return Error{.kind = ErrorKind::kernel, .message = "rules.v4:1: not without the others"};
    return real_->stage(wanted, live, names);
  }

  Status check(const Staged& ready, const Ruleset* live,
               const std::optional<Generation>& generation) override {
    return real_->check(ready, live, generation);
  }

  Result<Loaded> load(const Staged& ready, const Ruleset& live,
                      const std::optional<Generation>& generation) override {
    if (before_load) std::exchange(before_load, nullptr)();
    auto loaded = real_->load(ready, live, generation);
    if (after_load) std::exchange(after_load, nullptr)();
    if (std::exchange(lose_load, false)) return Error{.kind = ErrorKind::kernel, .message = "no answer"};
    return loaded;
  }

  Status load_anew(const Staged& ready) override { return real_->load_anew(ready); }

  std::vector<std::size_t> staged{};  ///< how many chains of the first table, each time
  std::function<void()> before_sets{};
  std::function<void()> before_load{};
  std::function<void()> after_load{};
  bool refuse_stage = false;
  bool lose_load = false;

 private:
  std::unique_ptr<Firewall> real_ = host_firewall();
};

/// The history has what was loaded, LIVE is the newest of it.
class World : public TestSession<Watched> {
 public:
  explicit World(const std::vector<std::string>& scripts) {
    session->command_line = "rewall restore HEAD~1";
    for (const auto& script : scripts) load(script);
  }

  void load(const std::string& script) {
    somebody(script);
    if (std::exchange(empty_, false)) {
      make();
    } else {
      REQUIRE(record_now(*session, {}));
    }
  }

  Result<Restored> go_back(const RestoreOptions& options = {}) {
    auto restored = restore(*session, "HEAD~1", options);
    INFO((restored ? "" : restored.error().message));
    if (restored) CHECK(file("HEAD", "rules.v4") == canonical_text(captured().ruleset.v4));
    return restored;
  }

  /// The newest plan was made of few chains, or of all.
  bool narrow() const { return !firewall->staged.empty() && firewall->staged.back() < kChains; }

 private:
  bool empty_ = true;
};

std::string loading(const std::string& text) {
  return "iptables-nft-restore <<'END'\n" + text + "END\n";
}

const std::string kOne = text_of("-s 198.51.100.1/32 -j ACCEPT");
const std::string kOther = text_of("-s 198.51.100.2/32 -j ACCEPT");

std::vector<std::string> one_and_other() {
  return {loading(kOne), loading(kOther)};
}

const std::string kOfSomebody = "-A chain-c -s 203.0.113.7/32 -j DROP\n";
const std::string kSomebody = "iptables-nft " + kOfSomebody;

// What it is with the rule of somebody at the end of chain-c.
std::string with_somebody(std::string text) {
  return text.insert(text.find("-A chain-d"), kOfSomebody);
}

}  // namespace

TEST_CASE("a restore of few rules takes apart and stages their chains alone") {
  in_lab([] {
    World world(one_and_other());
    REQUIRE(world.go_back());
    CHECK(world.narrow());
    CHECK(saved("iptables-nft-save") == kOne);
    REQUIRE(world.go_back());
    CHECK(world.narrow());
    CHECK(saved("iptables-nft-save") == kOther);
  });
}

TEST_CASE("where somebody changed LIVE it is read, recorded and restored whole") {
  in_lab([] {
    World world(one_and_other());
    somebody(kSomebody);
    REQUIRE(world.go_back());
    CHECK_FALSE(world.narrow());
    CHECK(saved("iptables-nft-save") == kOne);
    CHECK(world.file("HEAD~1", "rules.v4") == with_somebody(kOther));
  });
}

TEST_CASE("where somebody filled a set all is restored whole, and that is in the history") {
  in_lab([] {
    World world({"ipset create s hash:ip; ipset add s 192.0.2.1\n" + loading(kOne), loading(kOther)});
    SECTION("nobody did: the sets are the same") {
      REQUIRE(world.go_back());
      CHECK(world.narrow());
    }
    SECTION("somebody did") {
      somebody("ipset add s 192.0.2.9");
      REQUIRE(world.go_back());
      CHECK_FALSE(world.narrow());
      CHECK(world.file("HEAD~1", "ipset").find("192.0.2.9") != std::string::npos);
    }
    CHECK(saved("iptables-nft-save") == kOne);
    CHECK(shell("ipset save s | grep ^add") == "add s 192.0.2.1\n");
  });
}

TEST_CASE("where the legacy backend has tables all is restored whole") {
  in_lab([] {
    World world(one_and_other());
    somebody("iptables-legacy -A INPUT -s 203.0.113.7/32 -j DROP");
    REQUIRE(world.go_back());
    CHECK_FALSE(world.narrow());
    CHECK(saved("iptables-nft-save") == kOne);
    CHECK(shell("iptables-legacy-save").find("-A INPUT") == std::string::npos);
  });
}

TEST_CASE("a snapshot of both backends is restored whole") {
  in_lab([] {
    World world({"iptables-legacy -A INPUT -s 203.0.113.7/32 -j DROP\n" + loading(kOne),
                 "iptables-legacy -F; rmmod iptable_filter 2>/dev/null || true\n" + loading(kOther)});
    REQUIRE(world.go_back());
    CHECK_FALSE(world.narrow());
    CHECK(saved("iptables-nft-save") == kOne);
    CHECK(shell("iptables-legacy-save").find("-A INPUT -s 203.0.113.7/32 -j DROP") != std::string::npos);
  });
}

TEST_CASE("snapshots that share little are taken apart whole") {
  in_lab([] {
    const std::string before = text_of("-j ACCEPT", "", "", "8080");
    World world({loading(before), loading(kOther)});
    REQUIRE(world.go_back());
    CHECK_FALSE(world.narrow());
    CHECK(saved("iptables-nft-save") == before);
  });
}

TEST_CASE("where sets come or go all is restored whole") {
  in_lab([] {
    const std::string before = text_of("-m set --match-set s src -j DROP");
    World world({"ipset create s hash:ip; ipset add s 192.0.2.1\n" + loading(before),
                 loading(kOther) + "ipset destroy s"});
    REQUIRE(world.go_back());
    CHECK_FALSE(world.narrow());
    CHECK(saved("iptables-nft-save") == before);
    CHECK(shell("ipset save s | grep ^add") == "add s 192.0.2.1\n");
  });
}

TEST_CASE("what an owner's interfaces tell of is restored whole, and is kept") {
  in_lab([] {
    const std::string docker =
        "-A FORWARD -o docker0 -j DOCKER\n-A FORWARD -i docker0 ! -o docker0 -j ACCEPT\n";
    const std::string after = text_of("-s 198.51.100.2/32 -j ACCEPT", ":DOCKER - [0:0]\n", docker);
    World world({loading(kOne), loading(after)});
    REQUIRE(world.go_back());
    CHECK_FALSE(world.narrow());
    CHECK(shell("iptables-nft -S FORWARD") == "-P FORWARD ACCEPT\n" + docker);
    CHECK(shell("iptables-nft -S INPUT") == "-P INPUT DROP\n-A INPUT -s 198.51.100.1/32 -j ACCEPT\n");
  });
}

TEST_CASE("foreign parts that the differing chains tell of are kept on the narrow road") {
  in_lab([] {
    const std::string chain = ":f2b-sshd - [0:0]\n";
    const std::string jump = "-p tcp -j f2b-sshd\n-A INPUT ";
    const std::string own = "-s 198.51.100.1/32 -j ACCEPT";
    const std::string old_ban = "-A f2b-sshd -s 203.0.113.8/32 -j DROP\n";
    const std::string ban = "-A f2b-sshd -s 203.0.113.9/32 -j DROP\n";
    World world({loading(text_of(jump + own, chain, old_ban)),
                 loading(text_of(jump + "-s 198.51.100.2/32 -j ACCEPT", chain, ban))});
    REQUIRE(world.go_back());
    CHECK(world.narrow());
    CHECK(saved("iptables-nft-save") == text_of(jump + own, chain, ban));
  });
}

TEST_CASE("a snapshot that was changed by hand is read whole") {
  in_lab([] {
    World world({loading(kOne)});
    const auto commit = [&](const std::string& text) {
      REQUIRE(write_file(world.folder.path() / "repo/rules.v4", text, 0600, Sync::no));
      shell("cd " + world.folder.path().string() +
            "/repo; git -c user.name=x -c user.email=x@x commit -qam hand -m 'Rewall-Backend: nft'");
    };
    SECTION("comments and counters") {
      std::string text = "# by hand\n" + kOne;
      commit(text.replace(text.find("DROP [0:0]"), 10, "DROP [5:7]"));
      world.load(loading(kOther));
      REQUIRE(world.go_back());
      CHECK_FALSE(world.narrow());
      CHECK(saved("iptables-nft-save") == kOne);
    }
    SECTION("an order that only a look at all of it tells") {
      const std::string rule = "-A INPUT -s 198.51.100.1/32 -j ACCEPT\n";
      std::string text = kOne;
      commit(text.erase(text.find(rule), rule.size()).insert(text.find("COMMIT"), rule));
      world.load(loading(kOther));
      REQUIRE(world.go_back());
      CHECK(world.firewall->staged.size() == 2);
      CHECK_FALSE(world.narrow());
      CHECK(saved("iptables-nft-save") == kOne);
    }
    SECTION("what is no ruleset is told as ever, and LIVE is left alone") {
      commit("*filter\n" + kOne.substr(kOne.find("-A")));
      commit(kOther);
      world.load(loading(kOther));
      const auto refused = world.go_back();
      REQUIRE_FALSE(refused);
      const auto whole = read_revision(*world.session, "HEAD~1");
      REQUIRE_FALSE(whole);
      CHECK(refused.error().message == whole.error().message);
      CHECK(saved("iptables-nft-save") == kOther);
    }
  });
}

TEST_CASE("what somebody changes before the lock is taken is seen, and all is read") {
  in_lab([] {
    World world(one_and_other());
    world.firewall->before_sets = [] { somebody(kSomebody); };
    REQUIRE(world.go_back());
    CHECK_FALSE(world.narrow());
    CHECK(saved("iptables-nft-save") == kOne);
    CHECK(world.file("HEAD~1", "rules.v4") == with_somebody(kOther));
  });
}

TEST_CASE("what is refused of these chains alone is tried with all") {
  in_lab([] {
    World world(one_and_other());
    world.firewall->refuse_stage = true;
    REQUIRE(world.go_back());
    CHECK(world.firewall->staged.size() == 2);
    CHECK_FALSE(world.narrow());
    CHECK(saved("iptables-nft-save") == kOne);
  });
}

TEST_CASE("who is faster than a transaction of few rules is in the history, and it is planned whole") {
  in_lab([] {
    World world(one_and_other());
    world.firewall->before_load = [] { somebody(kSomebody); };
    REQUIRE(world.go_back());
    CHECK_FALSE(world.narrow());
    CHECK(saved("iptables-nft-save") == kOne);
    CHECK(world.file("HEAD~1", "rules.v4") == with_somebody(kOther));
  });
}

TEST_CASE("what somebody changes right after few rules were loaded is held against all rules") {
  in_lab([] {
    World world(one_and_other());
    SECTION("in another table: it is kept and recorded") {
      world.firewall->after_load = [] { somebody("iptables-nft -t nat -A PREROUTING -j RETURN"); };
      REQUIRE(world.go_back());
      CHECK(world.narrow());
      CHECK(shell("iptables-nft-save -t filter | grep -v '^#'") == kOne);
      CHECK(shell("iptables-nft -t nat -S PREROUTING").find("-j RETURN") != std::string::npos);
    }
    SECTION("in this one: it is in the history, and the restore plans again") {
      world.firewall->after_load = [] { somebody(kSomebody); };
      REQUIRE(world.go_back());
      CHECK(saved("iptables-nft-save") == kOne);
      CHECK(world.file("HEAD~2", "rules.v4") == with_somebody(kOne));
    }
  });
}

TEST_CASE("few rules whose load gave no answer are taken back, and all others with them stay") {
  in_lab([] {
    World world(one_and_other());
    world.firewall->lose_load = true;
    const auto restored = world.go_back();
    REQUIRE_FALSE(restored);
    CHECK(full_message(restored.error()) == "no answer; LIVE is what it was before");
    CHECK(saved("iptables-nft-save") == kOther);
  });
}

TEST_CASE("a part of a snapshot is restored from all of it") {
  in_lab([] {
    World world(one_and_other());
    REQUIRE(world.go_back({.table = "filter"}));
    CHECK(saved("iptables-nft-save") == kOne);
  });
}
