#include <ctime>

#include "store/message.h"
#include "support/store.h"

namespace rewall::test {
namespace {

struct History {
  TemporaryFolder folder{};
  fs::path path = folder.path() / "r";
  Repository repository = must(Repository::init(path, "web1"));
  std::string first = record(repository, "22");
  std::string second = record(repository, "80", 1);
  std::string third = record(repository, "443", 2);

  /// A second look, that has nothing in memory.
  Repository again() const { return must(Repository::open(path)); }
};

TEST_CASE("a revision is whatever git rev-parse takes") {
  History history;
  must(history.repository.set_tag("good", history.second));
  git(history.path, {"tag", "-a", "-m", "x", "annotated", history.first});
  git(history.path, {"update-ref", "refs/remotes/origin/hosts/web1", history.first});
  const auto expression =
      GENERATE(as<std::string>{}, "HEAD", "@", "HEAD~2", "HEAD^", "HEAD^^", "HEAD^{commit}", "good", "good~1",
               "annotated", "annotated^{}", "hosts/web1", "refs/heads/hosts/web1", "origin/hosts/web1",
               "HEAD@{1}", "@{2}", "HEAD^{/port 80}", ":/port 22");
  CHECK(must(history.repository.resolve(expression)) ==
        git(history.path,
            {"rev-parse", "--verify", expression.starts_with(":") ? expression : expression + "^{commit}"}));
}

TEST_CASE("a hash may be whole or short") {
  History history;
  CHECK(must(history.repository.resolve(history.second)) == history.second);
  CHECK(must(history.repository.resolve(history.second.substr(0, 8))) == history.second);
}

TEST_CASE("a moment names the snapshot that stood then") {
  const TemporaryFolder folder;
  auto repository = must(Repository::init(folder.path() / "r", "web1"));
  const std::int64_t now = std::time(nullptr);
  std::vector<std::string> hashes;
  for (const int hours : {5, 3, 1}) {
    hashes.push_back(
        must(repository.commit(must(repository.head()), {{"rules.v4", rules(std::to_string(hours))}},
                               {.subject = "x"}, alice(), {.seconds = now - hours * 3600, .offset = 0})));
  }
  CHECK(must(repository.resolve("@{2 hours ago}")) == hashes[1]);
  CHECK(must(repository.resolve("HEAD@{4 hours ago}")) == hashes[0]);
  CHECK(must(repository.resolve("hosts/web1@{10 minutes ago}")) == hashes[2]);
}

TEST_CASE("a revision that nobody made is the user's mistake, and the nearest name is told") {
  History history;
  must(history.repository.set_tag("good", history.second));
  const auto mistyped = must_fail(history.repository.resolve("godo~1"));
  CHECK(mistyped.kind == ErrorKind::usage);
  CHECK(mistyped.message == "godo~1: no such revision");
  CHECK(mistyped.hint == "did you mean 'good'?");
  CHECK(must_fail(history.repository.resolve("host/web1")).hint == "did you mean 'hosts/web1'?");
  const auto expression =
      GENERATE(as<std::string>{}, "HEAD~3", "HEAD^2", "0123456", "0123456789012345678901234567890123456789",
               "a b", "", "HEAD..good", "@{", "HEAD^{", "HEAD@{7}", "HEAD:nothing", "HEAD^{/nothing}",
               "--help", "HEAD^{tree}", "HEAD:rules.v4", "~", ":/nothing");
  const auto unknown = must_fail(history.repository.resolve(expression));
  INFO(expression << ": " << unknown.message);
  CHECK(unknown.kind == ErrorKind::usage);
  CHECK_FALSE(unknown.hint.empty());
}

TEST_CASE("a revision before the first snapshot is unknown, with the command to run") {
  const TemporaryFolder folder;
  const auto repository = must(Repository::init(folder.path() / "r", "web1"));
  const auto none = must_fail(repository.resolve("HEAD"));
  CHECK(none.kind == ErrorKind::usage);
  CHECK(none.hint == "nothing is recorded yet: run 'rewall snapshot'");
}

TEST_CASE("a short hash of several snapshots is ambiguous") {
  History history;
  const std::string shared = "8324";  // how the hashes of the blobs "142" and "784" both start
  for (const char* content : {"142", "784"}) {
    const fs::path blob = history.folder.path() / content;
    put(blob, content);
    CHECK(git(history.path, {"hash-object", "-w", blob.string()}).starts_with(shared));
  }
  const auto ambiguous = must_fail(history.again().resolve(shared));
  CHECK(ambiguous.kind == ErrorKind::usage);
  CHECK(ambiguous.message == shared + ": ambiguous: matches 2 objects: 83248fb9df, 83249da5a1");
}

TEST_CASE("walk follows first parents from the newest until it is told to stop") {
  History history;
  std::vector<std::string> met;
  must(history.repository.walk(history.third, [&](const Snapshot& snapshot) -> Result<bool> {
    met.push_back(snapshot.hash);
    return true;
  }));
  CHECK(met == std::vector{history.third, history.second, history.first});
  met.clear();
  must(history.repository.walk(history.third, [&](const Snapshot& snapshot) -> Result<bool> {
    met.push_back(snapshot.hash);
    return met.size() < 2;
  }));
  CHECK(met == std::vector{history.third, history.second});
  const auto failed = history.repository.walk(history.third, [](const Snapshot&) -> Result<bool> {
    return Error{.kind = ErrorKind::refused, .message = "no"};
  });
  REQUIRE_FALSE(failed);
  CHECK(failed.error().kind == ErrorKind::refused);
}

TEST_CASE("anyone's commit is a snapshot without trailers") {
  History history;
  put(history.path / "expect", "accept -p tcp --dport 22\n");
  git(history.path, {"add", "expect"});
  git(history.path, {"commit", "-q", "-m", "what must work", "-m", "A body."});
  const auto repository = history.again();
  const auto snapshot = must(repository.snapshot(must(repository.resolve("HEAD"))));
  CHECK(snapshot.subject == "what must work");
  CHECK(snapshot.body == "A body.");
  CHECK(snapshot.author.name == "someone");
  CHECK(snapshot.trailers.trigger.empty());
  CHECK(must(repository.files(snapshot.hash)).at("expect") == "accept -p tcp --dport 22\n");
}

TEST_CASE("links and folders in a file's place are refused, other files are left out") {
  History history;
  put(history.path / "README", "x");
  SECTION("link") {
    fs::remove(history.path / "rules.v4");
    fs::create_symlink("/etc/shadow", history.path / "rules.v4");
  }
  SECTION("folder") {
    fs::create_directory(history.path / "ipset");
    put(history.path / "ipset/x", "x");
  }
  SECTION("neither") {
    git(history.path, {"add", "README"});
    git(history.path, {"commit", "-q", "-m", "x"});
    const auto repository = history.again();
    CHECK(must(repository.files(must(repository.head()))) == Files{{"rules.v4", rules("443")}});
    return;
  }
  git(history.path, {"add", "-A"});
  git(history.path, {"commit", "-q", "-m", "x"});
  const auto repository = history.again();
  const auto refused = must_fail(repository.files(must(repository.head())));
  CHECK(refused.kind == ErrorKind::repository);
  CHECK(refused.message.ends_with(": not a plain file"));
}

TEST_CASE("a snapshot that was deleted is missing, not unknown, and the earlier ones are readable") {
  History history;
  fs::remove(object_file(history.path, history.second));
  auto repository = history.again();
  for (const auto& expression :
       {history.second, history.second.substr(0, 10), std::string("HEAD~1"), std::string("HEAD~2"),
        std::string("@{1}"), std::string("HEAD^{/port 22}")}) {
    const auto lost = must_fail(repository.resolve(expression));
    INFO(expression << ": " << lost.message);
    CHECK(lost.kind == ErrorKind::repository);
    CHECK(lost.hint == "earlier snapshots: rewall log");
    if (expression != "HEAD^{/port 22}") CHECK(lost.message.find(history.second) != std::string::npos);
  }
  const auto walked = repository.walk(history.third, [](const Snapshot&) -> Result<bool> { return true; });
  REQUIRE_FALSE(walked);
  CHECK(walked.error().kind == ErrorKind::repository);
  CHECK(walked.error().message.find(history.second) != std::string::npos);
  CHECK(must(repository.files(history.first)) == Files{{"rules.v4", rules("22")}});
  CHECK(must(repository.files(history.third)) == Files{{"rules.v4", rules("443")}});
  record(repository, "25");
}

TEST_CASE("a HEAD whose snapshot was deleted says so everywhere") {
  History history;
  fs::remove(object_file(history.path, history.third));
  auto repository = history.again();
  CHECK(must(repository.head()) == history.third);
  CHECK(must_fail(repository.resolve("HEAD")).kind == ErrorKind::repository);
  CHECK(must_fail(repository.resolve("HEAD~1")).kind == ErrorKind::repository);
  CHECK(must_fail(repository.snapshot(history.third)).kind == ErrorKind::repository);
  CHECK(must_fail(repository.commit(history.third, {{"rules.v4", "x"}}, {.subject = "x"}, alice(), kTime))
            .kind == ErrorKind::repository);
  CHECK(must(repository.head()) == history.third);
  CHECK(must(repository.snapshot(history.second)).subject == "port 80");
}

TEST_CASE("a branch file that was cut to nothing stands where its log says") {
  History history;
  put(history.path / ".git/refs/heads/hosts/web1", "");
  const auto repository = history.again();
  CHECK(must(repository.head()) == history.third);
  CHECK(must(repository.resolve("HEAD")) == history.third);
  CHECK(must(repository.resolve("HEAD~1")) == history.second);
}

TEST_CASE("a damaged object is never believed") {
  History history;
  const auto proof = GENERATE(Proof::hash, Proof::checksum);
  const auto blob = git(history.path, {"rev-parse", "HEAD:rules.v4"});
  const fs::path file = object_file(history.path, blob);
  const std::string whole = must(read_file(file));
  ::chmod(file.c_str(), 0600);
  const auto check = [&](const std::string& damaged) {
    put(file, damaged);
    const auto refused = must_fail(history.again().files(history.third, proof));
    CHECK(refused.kind == ErrorKind::repository);
    CHECK(refused.message.find(blob) != std::string::npos);
    CHECK(refused.hint == "earlier snapshots: rewall log");
  };
  for (std::size_t length = 0; length < whole.size(); ++length) check(whole.substr(0, length));
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto flipped = whole;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    put(file, flipped);
    // A flipped bit that leaves the content as it was, in zlib's own header say, is no damage.
    const auto files = history.again().files(history.third, proof);
    if (files) CHECK(files->at("rules.v4") == rules("443"));
  }
  CHECK(must(history.again().files(history.first, proof)) == Files{{"rules.v4", rules("22")}});
}

TEST_CASE("an object that a power cut left empty is written anew when its content comes again") {
  History history;
  const fs::path file = object_file(history.path, git(history.path, {"rev-parse", "HEAD:rules.v4"}));
  ::chmod(file.c_str(), 0600);
  put(file, "");
  auto repository = history.again();
  record(repository, "443");
  CHECK(must(repository.files(must(repository.head()))).at("rules.v4") == rules("443"));
  require_whole(history.path);
}

TEST_CASE("one object in another's place is noticed by its hash") {
  History history;
  const fs::path third = object_file(history.path, git(history.path, {"rev-parse", "HEAD:rules.v4"}));
  const fs::path first = object_file(history.path, git(history.path, {"rev-parse", "HEAD~2:rules.v4"}));
  fs::remove(third);
  fs::copy_file(first, third);
  CHECK(must_fail(history.again().files(history.third)).kind == ErrorKind::repository);
  fs::remove(object_file(history.path, history.third));
  fs::copy_file(object_file(history.path, history.first), object_file(history.path, history.third));
  CHECK(must_fail(history.again().snapshot(history.third)).kind == ErrorKind::repository);
  CHECK(must_fail(history.again().files(history.third, Proof::checksum)).kind == ErrorKind::repository);
}

TEST_CASE("a commit of many megabytes is refused unread, and the store writes none") {
  History history;
  const fs::path content = history.folder.path() / "commit";
  const auto tree = git(history.path, {"rev-parse", "HEAD^{tree}"});
  put(content, "tree " + tree +
                   "\nauthor a <a@b> 1700000000 +0000\ncommitter a <a@b> 1700000000 +0000\n\ns\n" +
                   std::string(3U << 20U, '\n') + "end\n");
  const auto bomb = git(history.path, {"hash-object", "-t", "commit", "-w", content.string()});
  const auto refused = must_fail(history.again().snapshot(bomb));
  CHECK(refused.kind == ErrorKind::repository);
  CHECK(refused.message.find("3145") != std::string::npos);  // its size in bytes

  Repository::Message message{.subject = "s", .body = std::string(9U << 20U, '\x01')};
  message.trailers.commands.assign(100000, std::string(1000, '\x02'));
  const auto text = format_message(message);
  CHECK(text.size() < 2U << 20U);
  CHECK(parse_message(text).trailers.commands.back().find(" more commands)") != std::string::npos);
}

TEST_CASE("packed objects and references are read alike") {
  History history;
  must(history.repository.set_tag("good", history.second));
  git(history.path, {"gc", "-q"});
  auto repository = history.again();
  REQUIRE_FALSE(fs::exists(object_file(history.path, history.third)));
  const auto proof = GENERATE(Proof::hash, Proof::checksum);
  CHECK(must(repository.head()) == history.third);
  CHECK(must(repository.files(must(repository.resolve("good")), proof)) == Files{{"rules.v4", rules("80")}});
  CHECK(must(history.repository.files(history.first, proof)) == Files{{"rules.v4", rules("22")}});
  record(repository, "25");
  require_whole(history.path);
}

}  // namespace
}  // namespace rewall::test
