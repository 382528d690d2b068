#pragma once

#include <git2.h>

#include <memory>
#include <string>

#include "core/result.h"

/// libgit2 (1.5, https://libgit2.org/libgit2/#v1.5.1), with owning types for the objects that it hands out.
/// Only src/store includes this file.
namespace rewall::git {

template <auto Free>
struct Release {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};

using Repo = std::unique_ptr<git_repository, Release<git_repository_free>>;
using Odb = std::unique_ptr<git_odb, Release<git_odb_free>>;
using Blob = std::unique_ptr<git_blob, Release<git_blob_free>>;
using Object = std::unique_ptr<git_object, Release<git_object_free>>;
using Commit = std::unique_ptr<git_commit, Release<git_commit_free>>;
using TagObject = std::unique_ptr<git_tag, Release<git_tag_free>>;
using Tree = std::unique_ptr<git_tree, Release<git_tree_free>>;
using TreeBuilder = std::unique_ptr<git_treebuilder, Release<git_treebuilder_free>>;
using Index = std::unique_ptr<git_index, Release<git_index_free>>;
using Reference = std::unique_ptr<git_reference, Release<git_reference_free>>;
using ReferenceIterator = std::unique_ptr<git_reference_iterator, Release<git_reference_iterator_free>>;
using Reflog = std::unique_ptr<git_reflog, Release<git_reflog_free>>;
using Transaction = std::unique_ptr<git_transaction, Release<git_transaction_free>>;
using Signature = std::unique_ptr<git_signature, Release<git_signature_free>>;
using Walk = std::unique_ptr<git_revwalk, Release<git_revwalk_free>>;
using Config = std::unique_ptr<git_config, Release<git_config_free>>;
using ConfigIterator = std::unique_ptr<git_config_iterator, Release<git_config_iterator_free>>;
using Remote = std::unique_ptr<git_remote, Release<git_remote_free>>;

/// A git_buf on the stack.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { git_buf_dispose(&buffer_); }
  git_buf* out() { return &buffer_; }
  std::string text() const { return std::string(buffer_.ptr, buffer_.size); }

 private:
  git_buf buffer_ = GIT_BUF_INIT;
};

/// A git_strarray that libgit2 fills.
class Strings {
 public:
  Strings() = default;
  Strings(const Strings&) = delete;
  Strings& operator=(const Strings&) = delete;
  ~Strings() { git_strarray_dispose(&strings_); }
  git_strarray* out() { return &strings_; }
  char** begin() const { return strings_.strings; }
  char** end() const { return strings_.strings + strings_.count; }

 private:
  git_strarray strings_{};
};

/// Calls a libgit2 function whose first parameter is a T** to fill: `fill(commit, git_commit_lookup, repo,
/// &id)`.
template <class Owner, class Function, class... Arguments>
int fill(Owner& owner, Function function, Arguments... arguments) {
  typename Owner::pointer raw = nullptr;
  const int code = function(&raw, arguments...);
  owner.reset(raw);
  return code;
}

/// Starts libgit2, once for the process. References, logs and settings are then synced as libgit2 writes them
/// (objects are not: see loose.h), and of all configuration only a repository's own counts.
Status start();

/// The error of the libgit2 call that just failed, as `object: reason`, of kind repository. A full disk gets
/// the hint to free space, a line of a configuration that cannot be read its own words. Call this before any
/// other libgit2 function.
Error last_error(const std::string& object);

/// The same for an object of the history that cannot be read; the hint names the earlier snapshots.
Error lost_object(const std::string& object);
Error lost_object(const std::string& object, const std::string& reason);

/// Copies a text of libgit2; an empty one when it is null.
inline std::string or_empty(const char* text) {
  return text != nullptr ? text : "";
}

std::string hex(const git_oid& id);

/// Reads forty hexadecimal digits. Errors are of kind usage.
Result<git_oid> parse_hash(const std::string& hash);

}  // namespace rewall::git
