#include "ops/host/integrations.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "core/file.h"
#include "support/test_session.h"

using namespace rewall;

namespace {

namespace fs = std::filesystem;
using State = Integration::State;

struct World {
  TestSession<> test{};
  Session& session = *test.session;
  fs::path root = test.folder.path() / "root";

  /// The files below the root, and their modes.
  std::map<std::string, mode_t> files() const {
    std::map<std::string, mode_t> found;
    if (!fs::exists(root)) return found;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      struct stat facts {};
      if (!entry.is_symlink() && entry.is_regular_file() && ::stat(entry.path().c_str(), &facts) == 0)
        found[fs::relative(entry.path(), root).string()] = facts.st_mode & 07777U;
    }
    return found;
  }
  State state(const std::string& name) {
    const auto all = list_integrations(session, root);
    return std::ranges::find(all, name, &Integration::name)->state;
  }
};

std::string content_of(const fs::path& path) {
  return read_file(path).value();
}

/// A file of the sources.
std::string hook_file(const std::string& name) {
  return content_of(fs::path(REWALL_SOURCE_DIR) / "hooks" / name);
}

}  // namespace

TEST_CASE("each integration writes its files below the root, and removes them all") {
  const std::map<std::string, std::map<std::string, mode_t>> wanted{
      {"systemd",
       {{"etc/systemd/system/rewall-restore.service", 0644},
        {"etc/systemd/system/rewall-watch.service", 0644}}},
      {"netfilter-persistent",
       {{"usr/share/netfilter-persistent/plugins.d/05-rewall", 0755},
        {"etc/systemd/system/netfilter-persistent.service.d/rewall.conf", 0644}}},
      {"fail2ban", {{"etc/fail2ban/action.d/rewall.conf", 0644}}},
      {"apt", {{"etc/apt/apt.conf.d/80rewall", 0644}}},
      {"cron", {{"etc/cron.d/rewall", 0644}}},
  };
  for (const auto& [name, files] : wanted) {
    INFO(name);
    World world;
    CHECK(world.state(name) == State::absent);
    const auto installed = install_integration(world.session, name, world.root);
    REQUIRE(installed);
    CHECK(installed->state == State::absent);
    CHECK(world.files() == files);
    CHECK(world.state(name) == State::installed);
    REQUIRE(remove_integration(world.session, name, world.root));
    CHECK(world.files().empty());
    CHECK(world.state(name) == State::absent);
  }
  World world;
  std::set<std::string_view> names{"git-diff"};
  for (const auto& [name, files] : wanted) names.insert(name);
  std::set<std::string_view> listed;
  for (const auto& integration : list_integrations(world.session, world.root))
    listed.insert(integration.name);
  CHECK(listed == names);
}

TEST_CASE("an installed file is that of hooks/, and a last line with a checksum") {
  World world;
  REQUIRE(install_integration(world.session, "cron", world.root));
  const auto text = content_of(world.root / "etc/cron.d/rewall");
  const auto source = hook_file("cron/rewall");
  REQUIRE(text.starts_with(source));
  CHECK(text.substr(source.size()).starts_with("# rewall hooks install cron: "));
  CHECK(std::ranges::count(text.substr(source.size()), '\n') == 1);
}

TEST_CASE("a file that somebody changed is neither overwritten nor removed") {
  World world;
  REQUIRE(install_integration(world.session, "apt", world.root));
  const auto path = world.root / "etc/apt/apt.conf.d/80rewall";
  const auto changed = "// ours\n" + content_of(path);
  REQUIRE(write_file(path, changed, 0644));
  CHECK(world.state("apt") == State::changed);
  for (const auto& refused : {install_integration(world.session, "apt", world.root),
                              remove_integration(world.session, "apt", world.root)}) {
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::refused);
    CHECK(refused.error().message.starts_with(path.string() + ": "));
  }
  CHECK(content_of(path) == changed);
}

TEST_CASE("a file that was copied by hand is replaced, and one in two is installed partly") {
  World world;
  const auto units = world.root / "etc/systemd/system";
  fs::create_directories(units);
  REQUIRE(write_file(units / "rewall-watch.service", hook_file("systemd/rewall-watch.service"), 0644));
  CHECK(world.state("systemd") == State::partly);
  REQUIRE(write_file(units / "rewall-restore.service", hook_file("systemd/rewall-restore.service"), 0644));
  CHECK(world.state("systemd") == State::other);
  REQUIRE(install_integration(world.session, "systemd", world.root));
  CHECK(world.state("systemd") == State::installed);
}

TEST_CASE("a link is not followed, and counts as changed") {
  World world;
  fs::create_directories(world.root / "etc/cron.d");
  fs::create_symlink(world.test.folder.path() / "elsewhere", world.root / "etc/cron.d/rewall");
  REQUIRE_FALSE(install_integration(world.session, "cron", world.root));
  CHECK_FALSE(fs::exists(world.test.folder.path() / "elsewhere"));
}

TEST_CASE("a unit that is enabled is not removed") {
  World world;
  REQUIRE(install_integration(world.session, "systemd", world.root));
  const auto wants = world.root / "etc/systemd/system/multi-user.target.wants";
  fs::create_directory(wants);
  fs::create_symlink("../rewall-watch.service", wants / "rewall-watch.service");
  const auto removed = remove_integration(world.session, "systemd", world.root);
  REQUIRE_FALSE(removed);
  CHECK(removed.error().kind == ErrorKind::refused);
  CHECK(removed.error().hint ==
        "disable it first: systemctl --root=" + world.root.string() + " disable rewall-watch.service");
  CHECK(world.files().size() == 2);
}

TEST_CASE("an unknown integration is answered with the nearest name") {
  World world;
  const auto missing = install_integration(world.session, "systemdd", world.root);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::usage);
  CHECK(missing.error().message == "unknown integration 'systemdd'");
  CHECK(missing.error().hint == "did you mean 'systemd'?");
}

TEST_CASE("the integration of the repository is written there, not below the root") {
  World world;
  REQUIRE(Repository::init(world.session.path(), "web1"));
  world.session.program = "/usr/sbin/rewall";
  REQUIRE(install_integration(world.session, "git-diff", world.root));
  CHECK(world.files().empty());
  CHECK(content_of(world.session.path() / ".git/info/attributes")
            .starts_with(hook_file("git-diff/attributes")));
  CHECK(world.state("git-diff") == State::installed);
  REQUIRE(remove_integration(world.session, "git-diff", world.root));
  CHECK(world.state("git-diff") == State::absent);
  CHECK_FALSE(fs::exists(world.session.path() / ".git/info/attributes"));
}
