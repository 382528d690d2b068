#include "store/loose.h"

#include <fcntl.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <libdeflate.h>
#include <sys/stat.h>
#include <zlib.h>
#if __has_include(<git2/sys/errors.h>)
#include <git2/sys/errors.h>  // libgit2 1.9 has git_error_set_str here, 1.5 in git2.h
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

#include "core/digest.h"
#include "core/exceptions.h"
#include "core/file.h"
#include "core/format.h"

namespace rewall::git {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestHeader = 64;
constexpr std::size_t kFront = 4096;  // holds the packed header, whatever the code that stands before it
constexpr std::size_t kBestRatio =
    1040;                          // deflate makes at most 1032 bytes of one (zlib's technical details)
constexpr int kLoosePriority = 1;  // libgit2's own order: packs, then loose objects
constexpr int kPackPriority = 2;
constexpr int kFastest = -1;
constexpr int kFastestLevel = 1;
constexpr mode_t kObjectMode = 0444;  // git's own

/// The first bytes of what `packed` holds, fewer where it ends or is damaged.
std::size_t inflate_front(std::span<char> packed, std::span<char> out) {
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  int state = ::inflateInit(&stream);
  while (state == Z_OK && stream.avail_out > 0) state = ::inflate(&stream, Z_NO_FLUSH);
  ::inflateEnd(&stream);
  return out.size() - stream.avail_out;
}

using Decompressor = std::unique_ptr<libdeflate_decompressor, Release<libdeflate_free_decompressor>>;
using Compressor = std::unique_ptr<libdeflate_compressor, Release<libdeflate_free_compressor>>;

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

/// The front of a loose object's file tells what it is.
struct Front {
  LooseObject object{};  ///< without content
  std::size_t header = 0;
};

std::optional<Front> read_front(int file) {
  std::array<char, kFront> packed;
  const ssize_t n = ::pread(file, packed.data(), packed.size(), 0);
  std::array<char, kLongestHeader> front{};
  const std::span<char> begin(packed.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  const std::string_view start(front.data(), inflate_front(begin, front));
  std::string_view rest = start;
  auto object = take_header(rest);
  if (!object) return std::nullopt;
  return Front{.object = *std::move(object), .header = start.size() - rest.size()};
}

std::optional<LooseObject> unpack(const std::string& packed, LooseObject object, std::size_t header) {
  if (object.size / kBestRatio > packed.size()) return std::nullopt;
  object.content.resize(header + object.size);
  const Decompressor decompressor(libdeflate_alloc_decompressor());
  std::size_t used = 0;
  // Without a place for the size it wants exactly this many bytes, and then compares the checksum.
  if (!decompressor ||
      libdeflate_zlib_decompress_ex(decompressor.get(), packed.data(), packed.size(), object.content.data(),
                                    object.content.size(), &used, nullptr) != LIBDEFLATE_SUCCESS ||
      used != packed.size())
    return std::nullopt;
  object.content.erase(0, header);
  return object;
}

/// The bytes before an object's content.
std::string header_of(git_object_t type, std::string_view content) {
  return format("{} {}", git_object_type2string(type), content.size()) + '\0';
}

/// An object as its file holds it; empty when there is no memory for it.
std::string pack(git_object_t type, std::string_view content) {
  std::string whole = header_of(type, content);
  whole += content;
  const Compressor compressor(libdeflate_alloc_compressor(kFastestLevel));
  if (!compressor) return {};
  std::string packed(libdeflate_zlib_compress_bound(compressor.get(), whole.size()), '\0');
  packed.resize(
      libdeflate_zlib_compress(compressor.get(), whole.data(), whole.size(), packed.data(), packed.size()));
  return packed;
}

fs::path path_of(const fs::path& objects, const git_oid& id) {
  const std::string hash = hex(id);
  return objects / hash.substr(0, 2) / hash.substr(2);
}

Status write_loose(const fs::path& objects, const git_oid& id, git_object_t type, std::string_view content) {
  const fs::path path = path_of(objects, id);
  const std::string packed = pack(type, content);
  if (packed.empty())
    return Error{.kind = ErrorKind::repository, .message = format("object {}: out of memory", hex(id))};
  std::error_code failed;
  fs::create_directory(path.parent_path(), failed);
  // The next lock() removes what a killed process leaves under this name.
  const fs::path aside = objects / ("tmp_object_" + hex(id));
  TRY(write_file(aside, packed, kObjectMode, Sync::no));
  fs::rename(aside, path, failed);
  if (failed)
    return Error{.kind = ErrorKind::repository, .message = format("{}: {}", path.string(), failed.message())};
  return {};
}

/// libgit2's backend for loose objects, behind a reader and a writer of ours. The struct is C's: libgit2
/// frees it through `free`.
struct Backend : git_odb_backend {
  git_odb_backend* inner = nullptr;
  fs::path objects{};
};

Backend& ours(git_odb_backend* backend) {
  return *static_cast<Backend*>(backend);
}

int fail(const Error& error) {
  git_error_set_str(GIT_ERROR_ODB, error.message.c_str());
  return GIT_ERROR;
}

/// read_loose(), with libgit2's code for what it found. No exception may cross libgit2, which is C.
int read(git_odb_backend* backend, const git_oid* id, Extent extent, LooseObject& object) {
  auto found = without_exceptions("object", ErrorKind::repository,
                                  [&] { return read_loose(ours(backend).objects, *id, extent); });
  if (!found) return fail(found.error());
  if (!*found) return GIT_ENOTFOUND;
  object = **std::move(found);
  return GIT_OK;
}

int read_object(void** data, std::size_t* size, git_object_t* type, git_odb_backend* backend,
                const git_oid* id) {
  LooseObject object;
  if (const int code = read(backend, id, Extent::whole, object); code != GIT_OK) return code;
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
  if (const int code = read(backend, id, Extent::header, object); code != GIT_OK) return code;
  *size = object.size;
  *type = object.type;
  return GIT_OK;
}

int write_object(git_odb_backend* backend, const git_oid* id, const void* data, std::size_t size,
                 git_object_t type) {
  const auto written = without_exceptions("object", ErrorKind::repository, [&] {
    return write_loose(ours(backend).objects, *id, type, {static_cast<const char*>(data), size});
  });
  return written ? GIT_OK : fail(written.error());
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
  if (git_odb_backend_loose(&inner, objects.c_str(), kFastest, 0, 0, 0) != 0) return nullptr;
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

Result<std::optional<LooseObject>> read_loose(const fs::path& objects, const git_oid& id, Extent extent,
                                              std::size_t biggest) {
  const std::string hash = hex(id);
  const fs::path path = path_of(objects, id);
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) return std::optional<LooseObject>{};
  const int error = errno;
  if (!fd)
    return Error{.kind = ErrorKind::repository, .message = format("object {}: {}", hash, errno_text(error))};
  const Error damaged{.kind = ErrorKind::repository,
                      .message = format("object {}: cut short or damaged", hash)};
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0 || !S_ISREG(facts.st_mode))
    return Error{.kind = ErrorKind::repository, .message = format("object {}: not a plain file", hash)};
  auto front = read_front(fd.get());
  if (!front) return damaged;
  if (extent == Extent::header || front->object.size > biggest)
    return std::optional(std::move(front->object));
  auto packed = read_all(fd.get(), path.string());
  if (!packed) return Error{.kind = ErrorKind::repository, .message = std::move(packed).error().message};
  auto object = unpack(*packed, std::move(front->object), front->header);
  if (!object) return damaged;
  return object;
}

std::optional<std::string> read_unproved(git_repository* repo, const git_oid& id) {
  Odb odb;
  if (fill(odb, git_repository_odb, repo) != 0) return std::nullopt;
  for (std::size_t i = 0; i < git_odb_num_backends(odb.get()); ++i) {
    git_odb_backend* backend = nullptr;
    if (git_odb_get_backend(&backend, odb.get(), i) != 0 || backend->read == nullptr) continue;
    void* data = nullptr;
    std::size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;
    if (backend->read(&data, &size, &type, backend, &id) != 0) continue;
    std::optional<std::string> content;
    if (type == GIT_OBJECT_BLOB) content.emplace(static_cast<const char*>(data), size);
    git_odb_backend_data_free(backend, data);
    return content;
  }
  return std::nullopt;
}

git_oid hash_blob(std::string_view content) {
  const std::string header = header_of(GIT_OBJECT_BLOB, content);
  git_oid id{};
  std::ranges::copy(sha1({header, content}), id.id);
  return id;
}

Result<git_oid> write_blob(git_repository* repo, std::string_view content) {
  git_oid id = hash_blob(content);
  const fs::path objects = fs::path(git_repository_path(repo)) / "objects";
  const auto there = read_loose(objects, id, Extent::whole);
  // As git does: `git gc` must take for new what is in use again.
  if (there && *there && ::utimensat(AT_FDCWD, path_of(objects, id).c_str(), nullptr, 0) == 0) return id;
  Odb odb;
  if (fill(odb, git_repository_odb, repo) != 0) return last_error("blob");
  if (there && git_odb_exists(odb.get(), &id) == 1) {
    if (git_odb_write(&id, odb.get(), content.data(), content.size(), GIT_OBJECT_BLOB) != 0)
      return last_error("blob");
    return id;
  }
  TRY(write_loose(objects, id, GIT_OBJECT_BLOB, content));
  return id;
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
