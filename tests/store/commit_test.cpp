#include "support/store.h"

namespace rewall::test {
namespace {

struct Made {
  TemporaryFolder folder{};
  fs::path path = folder.path() / "r";
  Repository repository = must(Repository::init(path, "web1"));
};

std::string content(const fs::path& file) {
  return must(read_file(file));
}

TEST_CASE("a snapshot is a commit as git reads it") {
  Made made;
  const Files files{
      {"rules.v4", rules("22")}, {"rules.v6", "*filter\nCOMMIT\n"}, {"ipset", "create a hash:ip\n"}};
  const auto hash = must(made.repository.commit(
      "", files, {.subject = "first", .body = "A body.", .trailers = {.trigger = "manual", .backend = "nft"}},
      alice(), kTime));
  CHECK(git(made.path, {"rev-parse", "HEAD"}) == hash);
  CHECK(git(made.path, {"log", "-1", "--format=%an|%ae|%aI|%cn|%ce|%cI"}) ==
        "Alice|alice@example.org|2023-11-14T23:13:20+01:00|rewall|rewall@web1|2023-11-14T23:13:20+01:00");
  CHECK(git(made.path, {"log", "-1", "--format=%B"}) ==
        "first\n\nA body.\n\nRewall-Trigger: manual\nRewall-Backend: nft");
  CHECK(git(made.path, {"log", "-1", "--format=%(trailers:key=Rewall-Backend,valueonly)"}) == "nft");
  CHECK(git(made.path, {"show", "HEAD:rules.v4"}) + "\n" == rules("22"));
  CHECK(git(made.path, {"ls-tree", "--format=%(objectmode) %(path)", "HEAD"}) ==
        "100644 ipset\n100644 rules.v4\n100644 rules.v6");
  CHECK(content(made.path / "rules.v4") == rules("22"));
  struct stat facts {};
  REQUIRE(::stat((made.path / "rules.v4").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777U) == 0600);
  require_whole(made.path);
}

TEST_CASE("a snapshot that is read back says what was recorded") {
  Made made;
  const auto first = record(made.repository, "22");
  const Repository::Message message{
      .subject = "second",
      .body = "why",
      .trailers = {.trigger = "watch", .commands = {"iptables -F", "ipset flush"}}};
  const auto hash = must(made.repository.commit(first, {{"rules.v4", rules("80")}}, message, alice(), kTime));
  const auto snapshot = must(made.repository.snapshot(hash));
  CHECK(snapshot.hash == hash);
  CHECK(snapshot.parent == first);
  CHECK(snapshot.author.name == "Alice");
  CHECK(snapshot.author.email == "alice@example.org");
  CHECK(snapshot.time == kTime);
  CHECK(snapshot.subject == "second");
  CHECK(snapshot.body == "why");
  CHECK(snapshot.trailers.trigger == "watch");
  CHECK(snapshot.trailers.commands == message.trailers.commands);
  CHECK(must(made.repository.snapshot(first)).parent.empty());
  CHECK(must(made.repository.files(hash)) == Files{{"rules.v4", rules("80")}});
  CHECK(must(made.repository.files(hash, Proof::checksum)) == Files{{"rules.v4", rules("80")}});
  CHECK(must(made.repository.files(first)) == Files{{"rules.v4", rules("22")}});
}

TEST_CASE("a file that the next snapshot lacks goes, and an empty one stays") {
  Made made;
  const auto first =
      must(made.repository.commit("", {{"rules.v4", rules("22")}, {"rules.v4.legacy", "x\n"}, {"ipset", ""}},
                                  {.subject = "a"}, alice(), kTime));
  CHECK(content(made.path / "ipset").empty());
  must(made.repository.commit(first, {{"rules.v4", rules("22")}}, {.subject = "b"}, alice(), kTime));
  CHECK_FALSE(fs::exists(made.path / "rules.v4.legacy"));
  CHECK(git(made.path, {"ls-tree", "--name-only", "HEAD"}) == "rules.v4");
  require_whole(made.path);
}

TEST_CASE("a snapshot of unchanged files is possible") {
  Made made;
  record(made.repository, "22");
  record(made.repository, "22", 1);
  CHECK(git(made.path, {"rev-list", "--count", "HEAD"}) == "2");
  require_whole(made.path);
}

TEST_CASE("expectations are recorded as they stand in the work tree") {
  Made made;
  CHECK(made.repository.expectations().empty());
  record(made.repository, "22");
  put(made.path / "expect", "accept -p tcp --dport 22\n");
  CHECK(made.repository.expectations() == "accept -p tcp --dport 22\n");
  const auto with = must(made.repository.commit(must(made.repository.head()),
                                                {{"rules.v4", rules("22")}, {"expect", "not this"}},
                                                {.subject = "x"}, alice(), kTime));
  CHECK(must(made.repository.files(with)).at("expect") == "accept -p tcp --dport 22\n");
  require_whole(made.path);

  put(made.path / "expect", "drop -p tcp --dport 22\n");
  CHECK(git(made.path, {"status", "--porcelain"}) == "M expect");
  record(made.repository, "23");
  CHECK(git(made.path, {"show", "HEAD:expect"}) == "drop -p tcp --dport 22");
  require_whole(made.path);

  fs::remove(made.path / "expect");
  record(made.repository, "24");
  CHECK(git(made.path, {"ls-tree", "--name-only", "HEAD"}) == "rules.v4");
  require_whole(made.path);
}

TEST_CASE("what else people keep in the repository stays") {
  Made made;
  record(made.repository, "22");
  fs::create_directory(made.path / "notes");
  put(made.path / "notes/why", "because\n");
  git(made.path, {"add", "notes"});
  git(made.path, {"commit", "-q", "-m", "notes of mine"});
  record(made.repository, "80");
  CHECK(git(made.path, {"show", "HEAD:notes/why"}) == "because");
  require_whole(made.path);
}

TEST_CASE("names and values from outside never break a commit") {
  Made made;
  const std::string nasty("\0\n<>\r\x1b[2J\xff \"\\'", 14);
  const auto hash = must(made.repository.commit(
      "", {{"rules.v4", rules("22")}},
      {.subject = nasty,
       .body = nasty,
       .trailers = {.trigger = nasty, .actor = nasty, .commands = {nasty, nasty}}},
      {.name = "Eve" + nasty + "x", .email = nasty}, {.seconds = -5, .offset = 100000}));
  require_whole(made.path);
  const auto snapshot = must(made.repository.snapshot(hash));
  CHECK(snapshot.trailers.commands.size() == 2);
  CHECK(snapshot.author.name.starts_with("Eve"));
  CHECK(snapshot.author.name == git(made.path, {"log", "-1", "--format=%an"}));
}

TEST_CASE("a file that is none of a snapshot's is refused") {
  Made made;
  const auto name = GENERATE(as<std::string>{}, "../x", "rules.v5", ".git/config", "");
  CHECK(must_fail(made.repository.commit("", {{name, "x"}}, {.subject = "x"}, alice(), kTime)).kind ==
        ErrorKind::repository);
  CHECK(must(made.repository.head()).empty());
}

TEST_CASE("a snapshot on top of what is no longer HEAD is refused and changes nothing") {
  Made made;
  const auto first = record(made.repository, "22");
  const auto second = record(made.repository, "80");
  for (const auto& parent : {first, std::string{}}) {
    const auto refused = must_fail(
        made.repository.commit(parent, {{"rules.v4", rules("443")}}, {.subject = "late"}, alice(), kTime));
    CHECK(refused.kind == ErrorKind::refused);
    CHECK(refused.hint == "run the command again");
  }
  CHECK(must(made.repository.head()) == second);
  CHECK(content(made.path / "rules.v4") == rules("80"));
  require_whole(made.path);
}

TEST_CASE("of two processes that record at once, one is refused and nothing is lost") {
  Made made;
  const auto first = record(made.repository, "22");
  std::array<int, 2> go{};
  REQUIRE(::pipe2(go.data(), O_CLOEXEC) == 0);
  std::vector<pid_t> children;
  for (const char* port : {"80", "443", "25", "465"}) {
    children.push_back(::fork());
    if (children.back() != 0) continue;
    ::close(go[1]);
    char byte = 0;
    [[maybe_unused]] const auto closed = ::read(go[0], &byte, 1);
    auto own = Repository::open(made.path);
    const auto hash = own->commit(first, {{"rules.v4", rules(port)}},
                                  {.subject = std::string("port ") + port}, alice(), kTime);
    ::_exit(hash ? 0 : exit_code(hash.error().kind));
  }
  ::close(go[0]);
  ::close(go[1]);
  std::vector<int> codes;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    codes.push_back(WEXITSTATUS(status));
  }
  std::ranges::sort(codes);
  CHECK(codes == std::vector<int>{0, 3, 3, 3});
  CHECK(git(made.path, {"rev-list", "--count", "HEAD"}) == "2");
  const auto checked = run_git(made.path, {"fsck", "--strict"});
  CHECK(checked.status == 0);
}

TEST_CASE("the log of HEAD and of the branch remembers each snapshot") {
  Made made;
  record(made.repository, "22");
  record(made.repository, "80", 1);
  CHECK(git(made.path, {"reflog", "--format=%gd %gs %gn %ge", "HEAD"}) ==
        "HEAD@{0} commit: port 80 rewall rewall@web1\nHEAD@{1} commit (initial): port 22 rewall rewall@web1");
  CHECK(git(made.path, {"rev-parse", "hosts/web1@{1}"}) == git(made.path, {"rev-parse", "HEAD~1"}));
}

TEST_CASE("an edit of the work tree is kept, also one that leaves the size and the time as they were") {
  Made made;
  record(made.repository, "22");
  const auto file = made.path / "rules.v4";
  struct stat facts {};
  REQUIRE(::stat(file.c_str(), &facts) == 0);
  const auto edited = rules("23");
  REQUIRE(edited.size() == static_cast<std::size_t>(facts.st_size));
  std::ofstream(file) << edited;
  const timespec times[] = {facts.st_atim, facts.st_mtim};
  REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
  record(made.repository, "80");
  CHECK(content(made.path / "rules.v4.edited-1") == edited);
  record(made.repository, "22");
  CHECK_FALSE(fs::exists(made.path / "rules.v4.edited-2"));
}

TEST_CASE("a damaged index is made anew") {
  Made made;
  record(made.repository, "22");
  put(made.path / ".git/index", "DIRCnonsense");
  record(made.repository, "80");
  require_whole(made.path);
}

TEST_CASE("a snapshot is recorded while another git holds the index, and the next one catches up") {
  Made made;
  record(made.repository, "22");
  put(made.path / ".git/index.lock", "");
  const auto hash = record(made.repository, "80");
  CHECK(git(made.path, {"rev-parse", "HEAD"}) == hash);
  CHECK(content(made.path / "rules.v4") == rules("80"));
  fs::remove(made.path / ".git/index.lock");
  record(made.repository, "443");
  require_whole(made.path);
}

TEST_CASE("a branch that another git has locked is left alone") {
  Made made;
  const auto first = record(made.repository, "22");
  put(made.path / ".git/refs/heads/hosts/web1.lock", "");
  const auto locked =
      must_fail(made.repository.commit(first, {{"rules.v4", rules("80")}}, {.subject = "x"}, alice(), kTime));
  CHECK(locked.kind == ErrorKind::repository);
  CHECK(locked.hint.starts_with("when no git is at work here: rm /"));
  CHECK(locked.hint.ends_with("/.git/refs/heads/hosts/web1.lock"));
  CHECK(must(made.repository.head()) == first);
  CHECK(content(made.path / "rules.v4") == rules("22"));
}

}  // namespace
}  // namespace rewall::test
