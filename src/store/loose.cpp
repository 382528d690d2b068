#include "store/loose.h"

#include <fcntl.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "core/file.h"
#include "core/format.h"

namespace rewall::git {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestHeader = 64;
constexpr std::size_t kBestRatio =
    1040;                          // deflate makes at most 1032 bytes of one (zlib's technical details)
constexpr int kLoosePriority = 1;  // libgit2's own order: packs, then loose objects
constexpr int kPackPriority = 2;
constexpr int kFastest = -1;

/// zlib over a text in memory.
class Inflater {
 public:
  explicit Inflater(std::string& packed) {
    stream_.next_in = reinterpret_cast<Bytef*>(packed.data());
    stream_.avail_in = static_cast<uInt>(packed.size());
    state_ = ::inflateInit(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }

  /// How many bytes it wrote to `out`, fewer than `size` at the end or at the damage.
  std::size_t fill(char* out, std::size_t size) {
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(size);
    while (state_ == Z_OK && stream_.avail_out > 0) state_ = ::inflate(&stream_, Z_NO_FLUSH);
    return size - stream_.avail_out;
  }
  /// Whether the end was reached, with the right checksum and nothing behind it.
  bool ended() const { return state_ == Z_STREAM_END && stream_.avail_in == 0; }

 private:
  z_stream stream_{};
  int state_ = Z_OK;
};

/// Takes "TYPE SIZE\0" off the front of `text`.
std::optional<LooseObject> take_header(std::string_view& text) {
  const auto end = text.find('\0');
  const auto space = text.find(' ');
  if (end == std::string_view::npos || space > end) return std::nullopt;
  LooseObject object{.type = git_object_string2type(std::string(text.substr(0, space)).c_str())};
  const char* last = text.data() + end;
  const auto [stop, failed] = std::from_chars(text.data() + space + 1, last, object.size);
  if (failed != std::errc{} || stop != last || git_object_typeisloose(object.type) == 0) return std::nullopt;
  text.remove_prefix(end + 1);
  return object;
}

std::optional<LooseObject> unpack(std::string& packed, Extent extent) {
  Inflater inflater(packed);
  std::array<char, kLongestHeader> front{};
  std::string_view text(front.data(), inflater.fill(front.data(), front.size()));
  auto object = take_header(text);
  if (!object || extent == Extent::header) return object;
  if (object->size / kBestRatio > packed.size() || text.size() > object->size) return std::nullopt;
  // One byte more than the content, so that zlib reaches its end and compares the checksum.
  object->content.resize(object->size + 1);
  std::ranges::copy(text, object->content.begin());
  const std::size_t rest =
      inflater.fill(object->content.data() + text.size(), object->content.size() - text.size());
  if (text.size() + rest != object->size || !inflater.ended()) return std::nullopt;
  object->content.pop_back();
  return object;
}

/// libgit2's backend for loose objects, behind a reader of ours. The struct is C's: libgit2 frees it through
/// `free`.
struct Backend : git_odb_backend {
  git_odb_backend* inner = nullptr;
  fs::path objects{};
};

Backend& ours(git_odb_backend* backend) {
  return *static_cast<Backend*>(backend);
}

/// libgit2's code for what read_loose found.
int take(Result<std::optional<LooseObject>> found, LooseObject& object) {
  if (!found) {
    git_error_set_str(GIT_ERROR_ODB, found.error().message.c_str());
    return GIT_ERROR;
  }
  if (!*found) return GIT_ENOTFOUND;
  object = **std::move(found);
  return GIT_OK;
}

int read_object(void** data, std::size_t* size, git_object_t* type, git_odb_backend* backend,
                const git_oid* id) {
  LooseObject object;
  if (const int code = take(read_loose(ours(backend).objects, *id, Extent::whole), object); code != GIT_OK)
    return code;
  *data = git_odb_backend_data_alloc(backend, object.size + 1);
  if (*data == nullptr) return GIT_ERROR;
  std::memcpy(*data, object.content.c_str(), object.size + 1);
  *size = object.size;
  *type = object.type;
  return GIT_OK;
}

int read_prefix(git_oid* id, void** data, std::size_t* size, git_object_t* type, git_odb_backend* backend,
                const git_oid* prefix, std::size_t length) {
  git_odb_backend* inner = ours(backend).inner;
  if (const int code = inner->exists_prefix(id, inner, prefix, length); code != GIT_OK) return code;
  return read_object(data, size, type, backend, id);
}

int read_header(std::size_t* size, git_object_t* type, git_odb_backend* backend, const git_oid* id) {
  LooseObject object;
  if (const int code = take(read_loose(ours(backend).objects, *id, Extent::header), object); code != GIT_OK)
    return code;
  *size = object.size;
  *type = object.type;
  return GIT_OK;
}

int write_object(git_odb_backend* backend, const git_oid* id, const void* data, std::size_t size,
                 git_object_t type) {
  git_odb_backend* inner = ours(backend).inner;
  return inner->write(inner, id, data, size, type);
}

int object_exists(git_odb_backend* backend, const git_oid* id) {
  git_odb_backend* inner = ours(backend).inner;
  return inner->exists(inner, id);
}

int prefix_exists(git_oid* id, git_odb_backend* backend, const git_oid* prefix, std::size_t length) {
  git_odb_backend* inner = ours(backend).inner;
  return inner->exists_prefix(id, inner, prefix, length);
}

int each_object(git_odb_backend* backend, git_odb_foreach_cb visit, void* payload) {
  git_odb_backend* inner = ours(backend).inner;
  return inner->foreach (inner, visit, payload);
}

int freshen_object(git_odb_backend* backend, const git_oid* id) {
  git_odb_backend* inner = ours(backend).inner;
  return inner->freshen(inner, id);
}

void free_backend(git_odb_backend* backend) {
  const std::unique_ptr<Backend> owned(&ours(backend));
  owned->inner->free(owned->inner);
}

using OwnedBackend = std::unique_ptr<git_odb_backend, Release<free_backend>>;

OwnedBackend make_backend(const fs::path& objects) {
  git_odb_backend* inner = nullptr;
  if (git_odb_backend_loose(&inner, objects.c_str(), kFastest, 1, 0, 0) != 0) return nullptr;
  auto backend = std::make_unique<Backend>();
  git_odb_init_backend(backend.get(), GIT_ODB_BACKEND_VERSION);
  backend->inner = inner;
  backend->objects = objects;
  backend->read = read_object;
  backend->read_prefix = read_prefix;
  backend->read_header = read_header;
  backend->write = write_object;
  backend->exists = object_exists;
  backend->exists_prefix = prefix_exists;
  backend->foreach = each_object;
  backend->freshen = freshen_object;
  backend->free = free_backend;
  return OwnedBackend(backend.release());
}

}  // namespace

Result<std::optional<LooseObject>> read_loose(const fs::path& objects, const git_oid& id, Extent extent) {
  const std::string hash = hex(id);
  const fs::path path = objects / hash.substr(0, 2) / hash.substr(2);
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return std::optional<LooseObject>{};
  const int error = errno;
  if (!fd)
    return Error{.kind = ErrorKind::repository, .message = format("object {}: {}", hash, errno_text(error))};
  auto packed = read_all(fd.get(), path.string());
  if (!packed) return Error{.kind = ErrorKind::repository, .message = std::move(packed).error().message};
  auto object = unpack(*packed, extent);
  if (!object)
    return Error{.kind = ErrorKind::repository, .message = format("object {}: cut short or damaged", hash)};
  return object;
}

Status use_safe_objects(git_repository* repo, const fs::path& objects) {
  Odb odb;
  if (fill(odb, git_odb_new) != 0) return last_error(objects.string());
  OwnedBackend loose = make_backend(objects);
  if (!loose || git_odb_add_backend(odb.get(), loose.get(), kLoosePriority) != 0)
    return last_error(objects.string());
  static_cast<void>(loose.release());  // the database's now
  git_odb_backend* packs = nullptr;
  if (git_odb_backend_pack(&packs, objects.c_str()) != 0) return last_error(objects.string());
  if (git_odb_add_backend(odb.get(), packs, kPackPriority) != 0 ||
      git_repository_set_odb(repo, odb.get()) != 0)
    return last_error(objects.string());
  return {};
}

}  // namespace rewall::git
