#include "ops/restore/journal.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>

#include "core/file.h"
#include "ops/host/status.h"
#include "ops/restore/recovery.h"
#include "ops/restore/restore.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules_file.h"
#include "support/forked_process.h"
#include "support/test_session.h"

using namespace rewall;

namespace {

// What the program does before a command begins.
Status begin(Session& session, bool looks = false) {
  auto recovered = recover_interrupted_restore(session);
  if (!recovered && !looks) session.withhold_repository(recovered.error());
  return recovered;
}

std::string table_text(const std::string& table, const std::string& rule) {
  const bool nat = table == "nat";
  return "*" + table + "\n" +
         (nat ? ":PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT "
                "[0:0]\n"
              : ":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n") +
         "-A " + (nat ? "PREROUTING " : "INPUT ") + rule + "\nCOMMIT\n";
}

Ruleset rules(const std::string& filter, const std::string& nat, const std::string& sets = "") {
  return {
      .v4 = parse_tables(table_text("nat", nat) + table_text("filter", filter), Family::ipv4, "v4").value(),
      .sets = parse_sets(std::string(sets), "ipset").value()};
}

/// What SIGKILL is to a restore: everything ends, nothing is tidied up. No std::exception, so that nobody
/// catches it.
struct Killed {};

/// Dies in its first load, which leaves `left`.
struct Dying : FakeFirewall {
  using FakeFirewall::FakeFirewall;
  Result<Loaded> load(const Staged& staged, const Ruleset& live_then,
                      const std::optional<Generation>& at) override {
    if (!dying) return FakeFirewall::load(staged, live_then, at);
    dying = false;
    change(left);
    throw Killed();
  }
  // Under the repository's lock; the journal is not begun yet.
  Result<Staged> stage(const Ruleset& wanted, const Ruleset* in_force, const FileNames& names) override {
    if (dying && forks != nullptr) *forks = std::make_unique<ForkedProcess>();
    return FakeFirewall::stage(wanted, in_force, names);
  }
  bool dying = false;
  std::unique_ptr<ForkedProcess>* forks = nullptr;  ///< gets a process that is forked before this one dies
  Ruleset left{};
};

const std::string kOne = "-p tcp --dport 22 -j ACCEPT";
const std::string kTwo = "-p tcp --dport 80 -j ACCEPT";
const std::string kMine = "create mine hash:ip\nadd mine 192.0.2.1\n";

/// A history of `first` and `second`, which was LIVE when a restore of `first` was killed.
struct World {
  explicit World(const Ruleset& left, bool forks = false) {
    auto session = open(second);
    firewall->change(first);
    REQUIRE(make_repository(*session, ""));
    firewall->change(second);
    REQUIRE(record_now(*session, {}));
    session->command_line = "rewall restore HEAD~1";
    firewall->dying = true;
    firewall->left = left;
    if (forks) firewall->forks = &forked;
    CHECK_THROWS_AS(restore(*session, "HEAD~1", {.message = "back to ssh"}), Killed);
    old_snapshot = session->repository().value()->head().value();
    REQUIRE(has_journal());
    session.reset();
    next = open(left);
  }

  /// Another process.
  std::unique_ptr<Session> open(Ruleset live_now) {
    auto owned = std::make_unique<Dying>(std::move(live_now));
    firewall = owned.get();
    firewall->number = 99;
    return std::make_unique<Session>(path(), BackendChoice::automatic, std::move(owned));
  }
  std::filesystem::path path() const { return folder.path() / "repo"; }
  std::filesystem::path journal() const { return path() / ".git/rewall/journal"; }
  bool has_journal() const { return std::filesystem::exists(journal()); }
  std::string live() const { return text_of(firewall->live); }
  Snapshot head() {
    auto repository = Repository::open(path());
    return repository.value().snapshot(repository.value().head().value()).value();
  }
  std::string recorded(const std::string& revision, const std::string& name) {
    auto repository = Repository::open(path());
    return repository.value().file(repository.value().resolve(revision).value(), name).value();
  }

  Ruleset first = rules(kOne, "-j RETURN", kMine);
  Ruleset second = rules(kTwo, "-j ACCEPT", kMine + "add mine 192.0.2.2\n");
  TemporaryFolder folder{};
  Dying* firewall = nullptr;
  std::string old_snapshot{};
  std::unique_ptr<ForkedProcess> forked{};
  std::unique_ptr<Session> next{};
};

const Ruleset kMix = rules(kOne, "-j ACCEPT", kMine);

JournalEntry an_entry() {
  return {.before = std::string(40, 'a'),
          .wanted = std::string(40, 'b'),
          .backends = "nft+legacy",
          .looks_at = BackendChoice::nft,
          .exact = true,
          .place = Generation{.boot = "0b", .network = 7, .number = 0},
          .began = {.seconds = 1700000000, .offset = -90},
          .process = 4711,
          .record = {.message = "two\nlines \\n and a backslash\\",
                     .trigger = "undo",
                     .commands = {"rewall undo", " rewall\rundo -m 'a\nb'"},
                     .restores = std::string(40, 'c'),
                     .actor = Actor{.person = {.name = "Ann Äh", .email = "ann@example.org"},
                                    .user = "ann",
                                    .tty = "pts/3",
                                    .address = "192.0.2.9"}}};
}

}  // namespace

TEST_CASE("a journal reads back as it was written, line ends and all") {
  const auto entry = an_entry();
  const auto read = parse_journal(print_journal(entry));
  REQUIRE(read);
  CHECK(read->before == entry.before);
  CHECK(read->wanted == entry.wanted);
  CHECK(read->backends == "nft+legacy");
  CHECK(read->looks_at == BackendChoice::nft);
  CHECK(read->exact);
  CHECK(read->place == entry.place);
  CHECK(read->began == entry.began);
  CHECK(read->process == 4711);
  CHECK(read->record.message == entry.record.message);
  CHECK(read->record.trigger == "undo");
  CHECK(read->record.commands == entry.record.commands);
  CHECK(read->record.restores == entry.record.restores);
  CHECK(read->record.actor->text() == entry.record.actor->text());
  CHECK(read->record.actor->person.name == "Ann Äh");
}

TEST_CASE("a journal that is cut, or has one byte too many, is none") {
  const auto text = print_journal(an_entry());
  for (std::size_t size = 0; size < text.size(); ++size) {
    INFO(size);
    CHECK_FALSE(parse_journal(text.substr(0, size)));
  }
  CHECK_FALSE(parse_journal(text + "x"));
  CHECK_FALSE(parse_journal(text + "\n"));
  CHECK_FALSE(parse_journal("rewall journal 2" + text.substr(16)));
}

TEST_CASE("a journal with a line that it cannot have is refused by its number") {
  const auto text = print_journal(an_entry());
  const auto with = [&](const std::string& line, const std::string& other) {
    auto changed = text;
    changed.replace(changed.find(line), line.size(), other);
    auto read = parse_journal(changed);
    REQUIRE_FALSE(read);
    return read.error().message;
  };
  CHECK(with("before " + std::string(40, 'a'), "before HEAD") == "line 2: no value that it can have");
  CHECK(with("before ", "wanted ") == "line 3: said twice");
  CHECK(with("before " + std::string(40, 'a') + "\n", "") == "line 19: 'before' is missing");
  CHECK(with("backends nft+legacy", "backends pf") == "line 4: no value that it can have");
  CHECK(with("began 1700000000 -90", "began now") == "line 8: no value that it can have");
  CHECK(with("process 4711", "process 99999999999") == "line 9: no value that it can have");
  CHECK(with("two\\nlines", "two\\xlines") == "line 12: no value that it can have");
  CHECK(with("tty pts/3", "flags 3") == "line 18: unknown key");
}

TEST_CASE("a restore that is done leaves no journal") {
  World world(kMix);
  REQUIRE(restore(*world.next, "HEAD~1", {}));
  CHECK_FALSE(world.has_journal());
}

TEST_CASE("a restore that was killed when LIVE was the new ruleset is recorded as it would have been") {
  World world(rules(kOne, "-j RETURN", kMine));
  REQUIRE(begin(*world.next));
  const auto standing = read_repository_status(*world.next);
  REQUIRE(standing);
  CHECK(standing->clean);
  CHECK(standing->journal.empty());
  CHECK_FALSE(world.has_journal());
  CHECK(world.firewall->loads == 0);
  const auto head = world.head();
  CHECK(head.subject == "back to ssh");
  CHECK(head.trailers.trigger == "restore");
  CHECK(head.trailers.commands == std::vector<std::string>{"rewall restore HEAD~1"});
  CHECK(head.trailers.restores == Repository::open(world.path()).value().resolve("HEAD~2").value());
  CHECK(world.recorded("HEAD", "rules.v4") == canonical_text(world.first.v4));
}

TEST_CASE("a restore that was killed before it changed anything leaves nothing") {
  World world(rules(kTwo, "-j ACCEPT", kMine + "add mine 192.0.2.2\n"));
  REQUIRE(begin(*world.next));
  const auto standing = read_repository_status(*world.next);
  REQUIRE(standing);
  CHECK(standing->clean);
  CHECK_FALSE(world.has_journal());
  CHECK(world.firewall->loads == 0);
  CHECK(world.head().hash == world.old_snapshot);
}

TEST_CASE("a mix of old and new is undone by whatever command comes next") {
  World world(kMix);
  SECTION("status") {
    REQUIRE(begin(*world.next));
    const auto standing = read_repository_status(*world.next);
    REQUIRE(standing);
    CHECK(standing->clean);
  }
  SECTION("snapshot") {
    const auto recorded = record_now(*world.next, {});
    REQUIRE(recorded);
    CHECK_FALSE(recorded->changed);
  }
  SECTION("a look at the history") {
    REQUIRE(begin(*world.next));
  }
  CHECK_FALSE(world.has_journal());
  CHECK(world.live() == text_of(world.second));
  CHECK(world.firewall->loads == 1);
  CHECK(world.head().hash == world.old_snapshot);
}

TEST_CASE("what stood in the mix and nowhere else is in the history, and so is what followed") {
  World world(rules("-s 192.0.2.66/32 -j DROP", "-j RETURN", kMine));
  REQUIRE(begin(*world.next));
  CHECK(world.live() == text_of(world.second));
  CHECK(world.recorded("HEAD~1", "rules.v4").find("192.0.2.66") != std::string::npos);
  CHECK(world.recorded("HEAD", "rules.v4") == canonical_text(world.second.v4));
}

TEST_CASE("what others changed in tables that the restore did not touch stays, whatever becomes of it") {
  const auto mangle = parse_tables("*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j RETURN\nCOMMIT\n",
                                   Family::ipv4, "mangle")
                          .value();
  const auto with_mangle = [&](Ruleset ruleset) {
    ruleset.v4.tables.push_back(mangle.tables.at(0));
    ruleset.v4.texts.insert(ruleset.v4.texts.end(), mangle.texts.begin(), mangle.texts.end());
    return ruleset;
  };
  SECTION("a mix is undone") {
    World world(with_mangle(kMix));
    REQUIRE(begin(*world.next));
    CHECK(world.live() == text_of(with_mangle(world.second)));
    CHECK(world.head().hash == world.old_snapshot);
  }
  SECTION("the new one is recorded with it") {
    World world(with_mangle(rules(kOne, "-j RETURN", kMine)));
    REQUIRE(begin(*world.next));
    CHECK(world.firewall->loads == 0);
    CHECK(world.recorded("HEAD", "rules.v4") == canonical_text(world.firewall->live.v4));
  }
  SECTION("the old one stays with it") {
    World world(with_mangle(rules(kTwo, "-j ACCEPT", kMine + "add mine 192.0.2.2\n")));
    REQUIRE(begin(*world.next));
    CHECK(world.firewall->loads == 0);
    CHECK(world.head().hash == world.old_snapshot);
  }
}

TEST_CASE("what another program changed among the rules of the restore meanwhile stays") {
  const std::string ban = "-A f2b-sshd -s 203.0.113.9/32 -j REJECT --reject-with icmp-port-unreachable\n";
  const auto with_ban = [&](const std::string& own, const std::string& nat, const std::string& sets) {
    auto ruleset = rules(own, nat, sets);
    auto text = table_text("filter", own);
    text.insert(text.find("-A INPUT"),
                ":f2b-sshd - [0:0]\n-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n");
    text.insert(text.find("COMMIT"), ban);
    ruleset.v4 = parse_tables(table_text("nat", nat) + text, Family::ipv4, "v4").value();
    return ruleset;
  };
  const std::string old_sets = kMine + "add mine 192.0.2.2\n";
  SECTION("a mix is undone around it") {
    World world(with_ban(kOne, "-j ACCEPT", kMine));
    REQUIRE(begin(*world.next));
    CHECK(world.live() == text_of(with_ban(kTwo, "-j ACCEPT", old_sets)));
  }
  SECTION("the new ruleset is recorded with it") {
    World world(with_ban(kOne, "-j RETURN", kMine));
    REQUIRE(begin(*world.next));
    CHECK(world.firewall->loads == 0);
    CHECK(world.recorded("HEAD", "rules.v4").find("203.0.113.9") != std::string::npos);
    CHECK(world.head().subject == "back to ssh");
  }
}

TEST_CASE("sets that a killed restore filled aside go, sets of people stay") {
  const std::string helpers = "create rewall-1 hash:ip\nadd rewall-1 192.0.2.1\n";
  const std::string others = "create rewall-x hash:ip\n";
  World world(rules(kTwo, "-j ACCEPT", kMine + "add mine 192.0.2.2\n" + helpers + others));
  REQUIRE(begin(*world.next));
  CHECK(canonical_text(world.firewall->live.sets) ==
        canonical_text(parse_sets(kMine + "add mine 192.0.2.2\n" + others, "ipset").value()));
}

TEST_CASE(
    "what cannot be put back is tried again by the next, stops who changes things, and is told to who "
    "looks") {
  World world(kMix);
  world.firewall->load_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::kernel, .message = "no room"}};

  SECTION("who changes things") {
    const auto recorded = record_now(*world.next, {});
    REQUIRE_FALSE(recorded);
    CHECK(recorded.error().kind == ErrorKind::damaged);
    CHECK(recorded.error().message.find("no room") != std::string::npos);
    CHECK_FALSE(recorded.error().hint.empty());
    CHECK_FALSE(restore(*world.next, "HEAD", {}));
  }
  SECTION("who looks") {
    (void)begin(*world.next, true);
    const auto standing = read_repository_status(*world.next);
    REQUIRE(standing);
    CHECK_FALSE(standing->clean);
    CHECK(standing->journal.find("no room") != std::string::npos);
  }
  CHECK(world.has_journal());
  CHECK(world.live() == text_of(kMix));

  auto later = world.open(kMix);
  REQUIRE(begin(*later));
  CHECK(world.live() == text_of(world.second));
  CHECK_FALSE(world.has_journal());
}

TEST_CASE("a load that is refused once is tried again") {
  World world(kMix);
  world.firewall->load_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::refused, .message = "changed"}, .at_call = 1};
  REQUIRE(begin(*world.next));
  CHECK(world.live() == text_of(world.second));
}

TEST_CASE("without the privilege to read LIVE, who looks goes on and who changes things does not") {
  World world(kMix);
  world.firewall->capture_fault =
      FakeFirewall::Fault{.error = {.kind = ErrorKind::permission, .message = "the firewall: not permitted"}};
  SECTION("looks") {
    (void)begin(*world.next, true);
    CHECK(world.next->repository());
    CHECK_FALSE(world.next->interrupted.empty());
  }
  SECTION("changes") {
    (void)begin(*world.next);
    const auto repository = world.next->repository();
    REQUIRE_FALSE(repository);
    CHECK(repository.error().kind == ErrorKind::permission);
  }
  CHECK(world.has_journal());
}

TEST_CASE("a damaged journal is removed where LIVE is what HEAD says, else it is reported") {
  World world(kMix);
  const auto damage = [&](const std::string& text) { REQUIRE(write_file(world.journal(), text, 0600)); };
  const auto whole = read_file(world.journal()).value();
  const std::string wanted = "wanted " + Repository::open(world.path()).value().head().value();
  const auto other_tree = [&] {
    auto text = whole;
    const auto at = text.find("wanted ");
    return text.replace(at, wanted.size(), "wanted " + std::string(40, '0'));
  }();
  for (const auto& text :
       {std::string(), std::string("\0\xff\n", 3), whole.substr(0, whole.size() / 2), other_tree}) {
    INFO(text);
    damage(text);
    {
      const auto session = world.open(kMix);
      const auto recorded = record_now(*session, {});
      REQUIRE_FALSE(recorded);
      CHECK(recorded.error().kind == ErrorKind::repository);
      CHECK(recorded.error().hint.find("journal") != std::string::npos);
      CHECK(world.firewall->loads == 0);
      CHECK(world.has_journal());
    }
    {
      const auto session = world.open(kMix);
      (void)begin(*session, true);
      CHECK_FALSE(read_repository_status(*session).value().journal.empty());
      CHECK(world.has_journal());
    }
    const auto session = world.open(world.second);
    REQUIRE(begin(*session));
    CHECK(read_repository_status(*session).value().clean);
    CHECK_FALSE(world.has_journal());
  }
}

TEST_CASE("the journal of a machine that was started anew is removed, of another network namespace not") {
  World world(kMix);
  const auto text = read_file(world.journal()).value();
  const std::string place = "place 00000000-0000-0000-0000-000000000001 1";
  REQUIRE(text.find(place) != std::string::npos);
  const auto move_to = [&](const std::string& other) {
    auto moved = text;
    REQUIRE(write_file(world.journal(), moved.replace(moved.find(place), place.size(), other), 0600));
  };
  SECTION("boot") {
    move_to("place 00000000-0000-0000-0000-000000000002 1");
    REQUIRE(begin(*world.next));
    CHECK_FALSE(world.has_journal());
  }
  std::unique_ptr<Session> after;  // has the firewall that the world looks at
  SECTION("namespace") {
    move_to("place 00000000-0000-0000-0000-000000000001 2");
    SECTION("who changes things is refused") {
      const auto recorded = record_now(*world.next, {});
      REQUIRE_FALSE(recorded);
      CHECK(recorded.error().kind == ErrorKind::repository);
      CHECK(recorded.error().message.find("another network namespace") != std::string::npos);
      REQUIRE(recorded.error().hint.find("rm " + world.journal().string()) != std::string::npos);
      std::filesystem::remove(world.journal());
      after = world.open(kMix);
      REQUIRE(begin(*after));
      CHECK(record_now(*after, {}));
      move_to("place 00000000-0000-0000-0000-000000000001 2");
    }
    SECTION("who looks is told") {
      (void)begin(*world.next, true);
      const auto standing = read_repository_status(*world.next);
      REQUIRE(standing);
      CHECK(standing->journal.find("another network namespace") != std::string::npos);
    }
    CHECK(world.has_journal());
    CHECK(world.firewall->loads == 0);
    CHECK(world.live() == text_of(kMix));
    // Where it belongs it is settled as ever.
    move_to(place);
    const auto there = world.open(kMix);
    REQUIRE(begin(*there));
    CHECK_FALSE(world.has_journal());
    CHECK(world.live() == text_of(world.second));
    return;
  }
  CHECK(world.firewall->loads == 0);
  CHECK(world.live() == text_of(kMix));
}

TEST_CASE("the journal of a restore that is at work is left alone, and who looks does not wait") {
  World world(kMix);
  auto text = read_file(world.journal()).value();
  // The process of this test is alive, as one that restores is.
  REQUIRE(text.find("process " + std::to_string(::getpid()) + "\n") != std::string::npos);
  const auto working = Repository::open(world.path()).value();
  const auto held = working.lock(std::chrono::milliseconds{0});
  REQUIRE(held);

  (void)begin(*world.next, true);
  const auto standing = read_repository_status(*world.next);
  REQUIRE(standing);
  CHECK(standing->journal.find("is at work") != std::string::npos);
  CHECK(world.firewall->loads == 0);
  CHECK(world.has_journal());
  CHECK(world.live() == text_of(kMix));
}

TEST_CASE("what a killed restore left is settled, though a process that it forked lives on") {
  World world(kMix, true);
  REQUIRE(begin(*world.next));
  CHECK_FALSE(world.has_journal());
  CHECK(world.live() == text_of(world.second));
}

TEST_CASE("the restore that left a journal is not at work while another process holds the lock") {
  World world(kMix);
  const auto working = Repository::open(world.path()).value();
  REQUIRE(Settings::open(working)->set("lock.wait", "0s"));
  const auto held = working.lock(std::chrono::milliseconds{0});
  REQUIRE(held);
  // The lock names init. The process that the journal names is that of this test, which lives.
  const Fd named(::open((working.state_path() / "lock").c_str(), O_WRONLY | O_CLOEXEC));
  REQUIRE(::pwrite(named.get(), "1              \n", 16, 0) == 16);

  (void)begin(*world.next, true);
  const auto standing = read_repository_status(*world.next);
  REQUIRE(standing);
  CHECK(standing->journal.find("another rewall is working (process 1)") != std::string::npos);
  CHECK(world.has_journal());
}

TEST_CASE("what a restore that died with the lock left is settled by who waited for it") {
  World world(kMix);
  {
    const auto working = Repository::open(world.path()).value();
    const auto held = working.lock(std::chrono::milliseconds{0});
    REQUIRE(begin(*world.next));
  }
  CHECK(world.has_journal());
  REQUIRE(record_now(*world.next, {}));
  CHECK_FALSE(world.has_journal());
  CHECK(world.live() == text_of(world.second));
}

TEST_CASE("a journal is not settled before the programs of the dead restore are gone") {
  World world(kMix);
  const auto repository = Repository::open(world.path()).value();
  const auto pid_file = (world.folder.path() / "pid").string();
  {
    auto journal = Journal::left(repository, std::chrono::milliseconds{0});
    REQUIRE(journal);
    REQUIRE(*journal);
    // It outlives the shell that starts it, and our own hold on the journal.
    const auto started = run({.words = {"/bin/sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $! >" + pid_file}},
                             ErrorKind::kernel);
    REQUIRE(started);
    REQUIRE(started->ok());
  }
  const auto busy = Journal::left(repository, std::chrono::milliseconds{0});
  REQUIRE_FALSE(busy);
  CHECK(busy.error().kind == ErrorKind::repository);
  const auto pid = std::stoi(read_file(pid_file).value());
  ::kill(pid, SIGKILL);
  const auto free = Journal::left(repository, std::chrono::seconds{30});
  REQUIRE(free);
  CHECK(*free);
}

TEST_CASE("a folder in the place of the journal is moved aside and stops no restore") {
  World world(kMix);
  REQUIRE(begin(*world.next));
  // Even root cannot rename a file over it.
  REQUIRE(std::filesystem::create_directory(world.journal()));
  const auto restored = restore(*world.next, "HEAD~1", {});
  REQUIRE(restored);
  CHECK(restored->why_unrecorded.empty());
  CHECK(world.live() == text_of(world.first));
  CHECK_FALSE(std::filesystem::exists(world.journal()));
  CHECK(std::filesystem::is_directory(world.path() / ".git/rewall/journal.unusable"));
}
