#include "core/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <limits>
#include <system_error>

#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"

namespace rewall {
namespace {

constexpr std::string_view kStagedEnd = ".new-XXXXXX";  // mkostemp(3) replaces each X

Error write_error(const std::filesystem::path& path, int error) {
  Error failure{.kind = ErrorKind::repository,
                .message = format("{}: cannot write: {}", path.string(), errno_text(error))};
  if (error == ENOSPC || error == EDQUOT) failure.hint = messages::kFreeSpace;
  return failure;
}

Status write_whole(int fd, std::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return write_error(path, errno);
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

}  // namespace

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

std::string errno_text(int error) {
  return std::system_category().message(error);
}

namespace {

Result<std::string> read_up_to(int fd, std::string_view name, std::size_t most) {
  std::string content;
  struct stat facts {};
  if (::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode))
    content.reserve(static_cast<std::size_t>(facts.st_size) + 1);
  std::array<char, 1 << 16> buffer;
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return Error{.kind = ErrorKind::usage,
                   .message = format("{}: cannot read: {}", name, errno_text(errno))};
    if (n == 0) return content;
    content.append(buffer.data(), static_cast<std::size_t>(n));
    if (content.size() > most) return error_of<messages::text_too_big>(name, most >> 20);
  }
}

}  // namespace

Result<std::string> read_all(int fd, std::string_view name) {
  return read_up_to(fd, name, std::numeric_limits<std::size_t>::max());
}

Result<std::string> read_text(int fd, std::string_view name) {
  return read_up_to(fd, name, kBiggestText);
}

Result<std::string> read_text(const std::filesystem::path& path, Pipes pipes) {
  // A FIFO that nobody writes to would block at once; one that is wanted may.
  const int flags = O_RDONLY | O_CLOEXEC | (pipes == Pipes::refused ? O_NONBLOCK : 0);
  const Fd fd(::open(path.c_str(), flags));
  if (!fd) {
    return Error{.kind = ErrorKind::usage,
                 .message = format("{}: cannot read: {}", path.string(), errno_text(errno))};
  }
  struct stat facts {};
  const bool plain = ::fstat(fd.get(), &facts) == 0 && S_ISREG(facts.st_mode);
  if (!plain && pipes == Pipes::refused) return error_of<messages::not_a_plain_file>(path.string());
  return read_text(fd.get(), path.string());
}

bool path_exists(const std::filesystem::path& path) {
  std::error_code failed;
  return std::filesystem::exists(path, failed);
}

bool is_folder(const std::filesystem::path& path) {
  std::error_code failed;
  return std::filesystem::is_directory(path, failed);
}

bool is_plain_file(const std::filesystem::path& path) {
  std::error_code failed;
  return std::filesystem::is_regular_file(path, failed);
}

std::filesystem::path absolute_path(const std::filesystem::path& path) {
  std::error_code failed;
  auto whole = std::filesystem::absolute(path, failed);
  return failed ? path : whole;
}

std::vector<std::filesystem::directory_entry> entries_in(const std::filesystem::path& folder,
                                                         std::error_code& failed) {
  std::vector<std::filesystem::directory_entry> entries;
  for (std::filesystem::directory_iterator entry(folder, failed);
       !failed && entry != std::filesystem::directory_iterator(); entry.increment(failed))
    entries.push_back(*entry);
  return entries;
}

std::vector<std::filesystem::directory_entry> entries_in(const std::filesystem::path& folder) {
  std::error_code ignored;
  return entries_in(folder, ignored);
}

std::vector<std::filesystem::directory_entry> entries_below(const std::filesystem::path& folder,
                                                            std::error_code& failed) {
  auto entries = entries_in(folder, failed);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::error_code reason;
    if (!entries[i].is_directory(reason) || entries[i].is_symlink(reason)) continue;
    auto inside = entries_in(entries[i].path(), reason);
    if (reason && !failed && reason != std::errc::no_such_file_or_directory) failed = reason;
    std::ranges::move(inside, std::back_inserter(entries));
  }
  return entries;
}

std::vector<std::filesystem::directory_entry> entries_below(const std::filesystem::path& folder) {
  std::error_code ignored;
  return entries_below(folder, ignored);
}

std::string peek_input(int descriptor, std::chrono::milliseconds patience) {
  std::array<char, 4096> bytes{};
  const auto text = [&](ssize_t size) {
    return std::string(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  };
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return {};
  if (S_ISREG(status.st_mode))
    return text(::pread(descriptor, bytes.data(), bytes.size(), ::lseek(descriptor, 0, SEEK_CUR)));
  if (!S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode)) return {};
  pollfd waits{.fd = descriptor, .events = POLLIN, .revents = 0};
  if (::poll(&waits, 1, static_cast<int>(patience.count())) != 1 || (waits.revents & POLLIN) == 0) return {};
  if (S_ISSOCK(status.st_mode))
    return text(::recv(descriptor, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT));
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return {};
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  if (::tee(descriptor, writer.get(), bytes.size(), SPLICE_F_NONBLOCK) <= 0) return {};
  return text(::read(reader.get(), bytes.data(), bytes.size()));
}

Result<std::string> read_file(const std::filesystem::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return Error{.kind = ErrorKind::usage,
                 .message = format("{}: cannot read: {}", path.string(), errno_text(errno))};
  }
  return read_all(fd.get(), path.string());
}

Result<std::optional<Fd>> open_plain_file(const std::filesystem::path& path, int flags) {
  const auto failed = [&path](std::string_view why) {
    return Error{.kind = ErrorKind::repository, .message = format("{}: {}", path.string(), why)};
  };
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return std::optional<Fd>{};
  struct stat facts {};
  const bool known = fd && ::fstat(fd.get(), &facts) == 0;
  if (!known && errno != ELOOP && errno != ENXIO && errno != EISDIR) return failed(errno_text(errno));
  if (!known || !S_ISREG(facts.st_mode)) return failed("not a plain file");
  return std::optional(std::move(fd));
}

Result<std::string> read_plain_file(const std::filesystem::path& path) {
  auto fd = TRY(open_plain_file(path, O_RDONLY));
  if (!fd)
    return Error{.kind = ErrorKind::repository,
                 .message = format("{}: {}", path.string(), errno_text(ENOENT))};
  auto text = read_all(fd->get(), path.string());
  if (!text) return Error{.kind = ErrorKind::repository, .message = std::move(text).error().message};
  return text;
}

StagedFile::StagedFile(std::filesystem::path path, std::filesystem::path aside, Sync sync)
    : path_(std::move(path)), aside_(std::move(aside)), sync_(sync) {}

StagedFile::StagedFile(StagedFile&& other) noexcept
    : path_(std::move(other.path_)), aside_(std::exchange(other.aside_, {})), sync_(other.sync_) {}

StagedFile::~StagedFile() {
  if (!aside_.empty()) ::unlink(aside_.c_str());
}

bool is_staged_name(std::string_view name, std::string_view file) {
  return name.size() == file.size() + kStagedEnd.size() && name.starts_with(file) &&
         name.substr(file.size()).starts_with(kStagedEnd.substr(0, kStagedEnd.find('X')));
}

bool is_staged_name(std::string_view name) {
  return name.size() > kStagedEnd.size() &&
         is_staged_name(name, name.substr(0, name.size() - kStagedEnd.size()));
}

void make_way(const std::filesystem::path& path) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0 || S_ISREG(facts.st_mode)) return;
  auto aside = path;
  aside += ".unusable";
  if (::rename(path.c_str(), aside.c_str()) == 0)
    log_warning("{}: not a plain file: kept as {}", path.string(), aside.filename().string());
}

Result<StagedFile> StagedFile::write(const std::filesystem::path& path, std::string_view content, mode_t mode,
                                     Sync sync) {
  std::string aside = path.string() + std::string(kStagedEnd);
  const Fd fd(::mkostemp(aside.data(), O_CLOEXEC));
  if (!fd) return write_error(path, errno);
  StagedFile file(path, aside, sync);
  TRY(write_whole(fd.get(), content, path));
  if (::fchmod(fd.get(), mode) != 0) return write_error(path, errno);
  if (sync == Sync::yes && ::fsync(fd.get()) != 0) return write_error(path, errno);
  return file;
}

Status StagedFile::commit() {
  if (::rename(aside_.c_str(), path_.c_str()) != 0) return write_error(path_, errno);
  aside_.clear();
  if (sync_ == Sync::no) return {};
  const auto parent = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  const Fd folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) ::fsync(folder.get());
  return {};
}

Status write_file(const std::filesystem::path& path, std::string_view content, mode_t mode, Sync sync) {
  auto file = TRY(StagedFile::write(path, content, mode, sync));
  return file.commit();
}

}  // namespace rewall
