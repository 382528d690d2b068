#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/result.h"
#include "store/repository.h"

namespace rewall {

/// Signs a commit's content with `sign.key`, by git's own programs and settings (git-commit-tree(1) -S);
/// empty where no key is set. It never asks for a passphrase, and has 10 s. Kind repository. A
/// Repository::Signer.
Result<std::string> sign_commit(const Repository& repository, const std::string& content);

/// What git says of a commit's signature (`%G?` of git-log(1), gpg.ssh.allowedSignersFile of git-config(1)).
enum class Trust {
  allowed,  ///< good, by a key of `sign.allowed`; of OpenPGP by one that gpg trusts fully or ultimately
  unknown,  ///< whole, but by a key that is not allowed, not known, expired or revoked
  absent,   ///< there is none
  bad,      ///< not what was signed
};

struct Signature {
  std::string hash{};
  Trust trust = Trust::absent;
  std::string signer{};  ///< as the allowed-signers file or the keyring calls them; may hold any bytes
  std::string key{};     ///< its fingerprint
  std::string matter{};  ///< why it is not allowed or bad
};

/// "signed by alice@example.org (SHA256:...)", "not signed", "badly signed: ...".
std::string to_text(const Signature& signature);

/// The signatures of snapshots, in their order. Takes some milliseconds for each that is signed. Kind
/// repository: git could not be run; `sign.allowed` cannot be read, or others can write to it.
Result<std::vector<Signature>> read_signatures(const Repository& repository,
                                               std::span<const std::string> hashes);

/// Asked before a snapshot is restored: what is to be said of its signature, where it is not of HEAD's
/// history. Kind refused: sign.require is true, and nobody allowed has signed it.
Result<std::vector<std::string>> check_signature(const Repository& repository, const std::string& hash);

}  // namespace rewall
