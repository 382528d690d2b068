#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

/// Signs the content of a commit with `sign.key`, by git's own programs and settings (git-commit-tree(1) -S),
/// and returns the hash of the signed commit; empty where `sign.key` is not set. Never asks for a passphrase;
/// takes at most 10 s. Kind repository: the commit could not be signed. A Repository::Signer.
Result<std::string> sign_commit(const Repository& repository, const std::string& content);

/// True where this value of `sign.key` is the path of a file that is not there.
bool lacks_key_file(const std::string& key);

/// The result of git's check of a signature (`%G?` of git-log(1), gpg.ssh.allowedSignersFile of
/// git-config(1)).
enum class Trust {
  allowed,    ///< valid, by a key of `sign.allowed`, or by an OpenPGP key that gpg trusts fully or ultimately
  unknown,    ///< the key is not allowed, not known, expired or revoked
  absent,     ///< the commit is not signed
  unchecked,  ///< the program that checks gave no answer
  bad,        ///< the commit is not the one that was signed, or the signature cannot be parsed
};

/// The signature of one snapshot. A value.
struct Signature {
  std::string hash{};  ///< of the snapshot, full
  Trust trust = Trust::absent;
  std::string signer{};  ///< the name in the allowed-signers file or the keyring; may hold any bytes
  std::string key{};     ///< the fingerprint of the key
  std::string host{};    ///< that the commit was made for, by its committer rewall@HOST; empty: for none
  std::string matter{};  ///< why the signature is bad or does not count
};

/// A signature for people: "signed by alice@example.org (SHA256:...)", "not signed", "badly signed: ...".
std::string to_text(const Signature& signature);
/// The same with the host that a valid signature is for, where that is not `host`.
std::string to_text(const Signature& signature, std::string_view host);

/// True where the signature is allowed and is for `host`; for any host where that is empty.
bool counts_for(const Signature& signature, std::string_view host);

/// Checks the signatures of snapshots and returns them in the same order. A signed snapshot takes some
/// milliseconds. Kind repository: git could not be run, or `sign.allowed` cannot be read or other users can
/// write to it.
Result<std::vector<Signature>> read_signatures(const Repository& repository,
                                               std::span<const std::string> hashes);

/// Signs a commit that no history gets, as a service would: without agents and without the HOME of whoever
/// runs this process. Returns its signature, as read_signatures(). Kind repository: it cannot be signed, or
/// the signature cannot be checked.
Result<Signature> sign_as_service(const Repository& repository);

/// The full hash of the newest snapshot in the history of HEAD that `sign.require` accepts and that has
/// another ruleset than the snapshot `in_force`, which may be empty; empty where none of the last thousand is
/// such a one, or they cannot be read.
std::string newest_other_signed(const Repository& repository, const std::string& in_force);

/// Checks the signature of a snapshot before its restore. Returns notes for people: about the signature,
/// where the snapshot is not in the history of HEAD; that it is older than HEAD, where `name`, the revision
/// as it was written, is a remote's branch, which may have gone back. Kind refused: `sign.require` is true,
/// and no allowed key signed the snapshot, or one signed it for another host than that of HEAD's branch.
Result<std::vector<std::string>> check_signature(const Repository& repository, const std::string& hash,
                                                 std::string_view name = {});

}  // namespace rewall
