#include <sys/syscall.h>

#include <algorithm>
#include <mutex>

#include "support/store.h"

namespace {

std::mutex listing;
std::vector<std::string>* listed = nullptr;  // where fsync() notes its files; null: nowhere

}  // namespace

/// Stands before the C library's in this program, libgit2's calls included.
extern "C" int fsync(int fd) {
  const std::lock_guard lock(listing);
  std::error_code failed;
  if (listed != nullptr)
    listed->push_back(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), failed).string());
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace rewall::test {
namespace {

/// The files and folders that are synced while it lives, in order.
class Synced {
 public:
  Synced() {
    const std::lock_guard lock(listing);
    listed = &files_;
  }
  Synced(const Synced&) = delete;
  Synced& operator=(const Synced&) = delete;
  ~Synced() {
    const std::lock_guard lock(listing);
    listed = nullptr;
  }
  /// Where among them the first one is that starts so; their number where none does.
  std::ptrdiff_t first(const fs::path& start) const {
    return std::ranges::find_if(files_, [&](const auto& file) { return file.starts_with(start.string()); }) -
           files_.begin();
  }
  bool has(const fs::path& start) const { return first(start) < std::ssize(files_); }

 private:
  std::vector<std::string> files_{};
};

TEST_CASE("every object of a snapshot is synced before the branch moves to it") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "r";
  auto repository = must(Repository::init(path, "web1"));
  const Synced synced;
  const auto hash = record(repository, "22");
  const auto branch = synced.first(path / ".git/refs/heads/hosts/web1");
  REQUIRE(synced.has(path / ".git/refs/heads/hosts/web1"));
  for (const char* object : {"", "^{tree}", ":rules.v4"}) {
    const auto file = object_file(path, git(path, {"rev-parse", hash + object}));
    INFO(object << " " << file);
    CHECK(synced.first(file) < branch);
    CHECK(synced.first(file.parent_path()) < branch);
  }
}

TEST_CASE("while one repository writes objects, another one syncs what it writes") {
  const TemporaryFolder folder;
  auto busy = must(Repository::init(folder.path() / "busy", "web1"));
  auto other = must(Repository::init(folder.path() / "other", "web2"));
  const auto hash = record(other, "22");
  std::optional<bool> synced_tag;
  // It is called between the objects that a commit writes.
  busy.sign_with([&](const Repository&, const std::string&) -> Result<std::string> {
    auto again = must(Repository::open(folder.path() / "other"));
    const Synced synced;
    must(again.set_tag("good", hash));
    synced_tag = synced.has(folder.path() / "other/.git/refs/tags/good");
    return std::string{};
  });
  record(busy, "80");
  CHECK(synced_tag == true);
}

}  // namespace
}  // namespace rewall::test
