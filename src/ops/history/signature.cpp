#include "ops/history/signature.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "core/text.h"
#include "core/time.h"
#include "ops/context/git_command.h"
#include "ops/context/settings.h"
#include "store/access.h"

namespace rewall {
namespace {

constexpr std::chrono::seconds kSigning{10};
constexpr std::chrono::seconds kReading{60};
constexpr std::size_t kAtOnce = 500;  // signatures for one git
constexpr const char* kAllowedFile = "gpg.ssh.allowedSignersFile";
constexpr const char* kReplaceNothing = "GIT_NO_REPLACE_OBJECTS=1";  // libgit2 does not either

// A file or an ssh key itself; what else there is names a key of a keyring.
bool is_ssh_key(std::string_view key) {
  return std::ranges::any_of(std::array{"/", "~", "key::", "ssh-", "ecdsa-", "sk-"},
                             [&](const char* start) { return key.starts_with(start); });
}

// A line `role NAME <EMAIL> SECONDS OFFSET` of a commit, as variables of git(1).
void add_person(std::vector<std::string>& environment, std::string_view role, std::string_view value) {
  const auto open = value.rfind('<');
  const auto close = value.rfind('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return;
  environment.push_back(format("GIT_{}_NAME={}", role, trim(value.substr(0, open))));
  environment.push_back(format("GIT_{}_EMAIL={}", role, value.substr(open + 1, close - open - 1)));
  environment.push_back(format("GIT_{}_DATE=@{}", role, trim(value.substr(close + 1))));
}

// The commit-tree that writes this content again, signed.
GitWork work_for(std::string_view content, const std::string& key) {
  GitWork work{.words = {"-c", "user.signingKey=" + key, "-c", "i18n.commitEncoding=UTF-8"},
               .environment = {kReplaceNothing},
               .deadline = kSigning};
  if (is_ssh_key(key)) {
    work.words.emplace_back("-c");
    work.words.emplace_back("gpg.format=ssh");
  }
  for (const char* word : {"commit-tree", "-S", "-F", "-"}) work.words.emplace_back(word);
  const auto end = content.find("\n\n");
  std::string tree;
  for (const auto line : split_lines(content.substr(0, end))) {
    const auto space = line.find(' ');
    const auto value = line.substr(std::min(space + 1, line.size()));
    if (line.starts_with("tree ")) tree = value;
    if (line.starts_with("parent ")) {
      work.words.emplace_back("-p");
      work.words.emplace_back(value);
    }
    if (line.starts_with("author ")) add_person(work.environment, "AUTHOR", value);
    if (line.starts_with("committer ")) add_person(work.environment, "COMMITTER", value);
  }
  work.words.push_back(std::move(tree));
  if (end != std::string_view::npos) work.input = content.substr(end + 2);
  return work;
}

/// A folder that is removed with the object.
struct RemovedFolder {
  explicit RemovedFolder(std::string folder) : path(std::move(folder)) {}
  RemovedFolder(const RemovedFolder&) = delete;
  RemovedFolder& operator=(const RemovedFolder&) = delete;
  ~RemovedFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

std::string reason(const Outcome& outcome) {
  if (outcome.timed_out || outcome.signal != 0) return outcome.text();
  std::string text;
  for (const auto line : split_lines(outcome.err)) {
    const auto words = trim(line);
    if (!words.empty() && !words.starts_with("[GNUPG:]"))
      text += (text.empty() ? "" : "; ") + std::string(words);
  }
  return text.empty() ? outcome.text() : text;
}

}  // namespace

bool lacks_key_file(const std::string& key) {
  std::error_code unknown;
  return key.starts_with('/') && !std::filesystem::exists(key, unknown) && !unknown;
}

Result<std::string> sign_commit(const Repository& repository, const std::string& content) {
  auto key = read_setting(repository, settings::sign_key);
  if (!key || key->empty()) return key;
  const auto within = [&](Error error) { return std::move(error).within(format("sign.key {}", *key)); };
  auto outcome = run_git(repository.path(), work_for(content, *key));
  if (!outcome) return within(std::move(outcome).error());
  if (!outcome->ok()) return within({.kind = ErrorKind::repository, .message = reason(*outcome)});
  return std::string(trim(outcome->out));
}

namespace {

// Of ssh, who is allowed stands in a file: that of sign.allowed, else of git's own settings, else none is.
Result<std::string> allowed_file(const Repository& repository) {
  auto file = read_setting(repository, settings::sign_allowed);
  if (!file) return file;
  if (file->empty()) {
    auto outcome =
        TRY(run_git(repository.path_for_git(), {.words = {"config", "--type=path", "--get", kAllowedFile}}));
    *file = trim(outcome.out);
    if (file->empty()) return std::string("/dev/null");
  }
  std::error_code failed;
  const auto path = std::filesystem::canonical(*file, failed);
  if (failed)
    return Error{.kind = ErrorKind::repository, .message = format("{}: {}", *file, failed.message())}.hinted(
        "'rewall config sign.allowed' names the file of allowed signers");
  TRY(check_whole_way(*file, S_IFREG));
  return path.string();
}

// `%G?`, `%GT` and what they mean.
void judge(Signature& signature, std::string_view state, std::string_view trust) {
  const bool full = trust == "fully" || trust == "ultimate";
  switch (state.empty() ? 'N' : state.front()) {
    case 'G':
      signature.trust = full ? Trust::allowed : Trust::unknown;
      if (!full) signature.matter = "the key is not trusted fully";
      return;
    case 'N':
      signature.trust = Trust::absent;
      return;
    case 'B':
      signature.trust = Trust::bad;
      signature.matter = "it is not what was signed";
      return;
    case 'X':
    case 'Y':
      signature.matter = "the key or the signature has expired";
      break;
    case 'R':
      signature.matter = "the key was revoked";
      break;
    case 'E':
      signature.matter = "the key is not known here";
      break;
    default:
      signature.matter = "the key is not allowed";
  }
  signature.trust = Trust::unknown;
}

constexpr std::string_view kCommitter = "rewall@";
constexpr const char* kFormat = "--format=%H%x00%G?%x00%GT%x00%GS%x00%GF%x00%GK%x00%ce%x00%GG";
constexpr std::size_t kFieldsAsked = 8;
constexpr const char* kSshProgram = "gpg.ssh.program";

Result<Outcome> ask_git(const Repository& repository, const std::string& allowed,
                        std::span<const std::string> hashes, std::vector<std::string> environment = {}) {
  environment.emplace_back(kReplaceNothing);
  std::string input;
  for (const auto& hash : hashes) input += hash + '\n';
  return run_git(repository.path_for_git(),
                 {.words = {"-c", format("{}={}", kAllowedFile, allowed), "log", "-z", "--no-walk=unsorted",
                            "--no-show-signature", "--stdin", kFormat},
                  .input = std::move(input),
                  .environment = std::move(environment),
                  .deadline = kReading});
}

void tell_silence(const Repository& repository, Signature& signature) {
  const auto program = run_git(repository.path_for_git(), {.words = {"config", "--get", kSshProgram}});
  const std::string name(program ? trim(program->out) : std::string_view{});
  signature.trust = Trust::unchecked;
  signature.matter = format("{} said nothing", name.empty() ? "ssh-keygen" : name);
}

Signature read_fields(const Repository& repository, const std::string_view* field) {
  Signature signature{.hash = std::string(field[0]), .signer = std::string(field[3])};
  signature.key = field[field[4].empty() ? 5 : 4];
  if (field[6].starts_with(kCommitter)) signature.host = field[6].substr(kCommitter.size());
  judge(signature, field[1], field[2]);
  // git takes the silence of the program that checks signatures of ssh for a bad one.
  if (signature.trust == Trust::bad && trim(field[7]).empty()) tell_silence(repository, signature);
  return signature;
}

// git gives up at a signature that it cannot even read: the others are asked for without it.
Result<std::vector<Signature>> read_part(const Repository& repository, const std::string& allowed,
                                         std::span<const std::string> hashes) {
  std::vector<Signature> all;
  if (hashes.empty()) return all;
  auto outcome = TRY(ask_git(repository, allowed, hashes));
  const auto fields = split(outcome.out, '\0');
  if (outcome.ok() && fields.size() / kFieldsAsked == hashes.size()) {
    for (std::size_t i = 0; i < hashes.size(); ++i)
      all.push_back(read_fields(repository, &fields[i * kFieldsAsked]));
    return all;
  }
  const Error failed{.kind = ErrorKind::repository, .message = "signatures: " + reason(outcome)};
  const bool unread = outcome.signal == SIGPIPE;  // the program ended before it had read what to check
  if (outcome.timed_out || (outcome.signal != 0 && !unread)) return failed;
  if (hashes.size() == 1) {
    auto there = run_git(repository.path_for_git(), {.words = {"cat-file", "-e", hashes[0]}});
    if (!there || !there->ok()) return failed;
    all.push_back({.hash = hashes[0], .trust = Trust::bad, .matter = reason(outcome)});
    if (unread) tell_silence(repository, all.back());
    return all;
  }
  for (const auto part : {hashes.first(hashes.size() / 2), hashes.subspan(hashes.size() / 2)}) {
    auto read = TRY(read_part(repository, allowed, part));
    std::ranges::move(read, std::back_inserter(all));
  }
  return all;
}

}  // namespace

std::string to_text(const Signature& signature) {
  std::string who = signature.signer.empty() ? signature.key : signature.signer;
  if (!signature.signer.empty() && !signature.key.empty()) who += format(" ({})", signature.key);
  if (who.empty()) who = "somebody";
  switch (signature.trust) {
    case Trust::allowed:
      return "signed by " + who;
    case Trust::unknown:
      return format("signed by {}, which does not count: {}", who, signature.matter);
    case Trust::absent:
      return "not signed";
    case Trust::unchecked:
      return format("signed, but could not be checked: {}", signature.matter);
    case Trust::bad:
      break;
  }
  return format("badly signed: {}", signature.matter);
}

std::string to_text(const Signature& signature, std::string_view host) {
  auto text = to_text(signature);
  if (signature.trust != Trust::allowed || counts_for(signature, host)) return text;
  return text + (signature.host.empty() ? ", for no host" : ", for host " + signature.host);
}

bool counts_for(const Signature& signature, std::string_view host) {
  return signature.trust == Trust::allowed && (host.empty() || signature.host == host);
}

Result<std::vector<Signature>> read_signatures(const Repository& repository,
                                               std::span<const std::string> hashes) {
  auto allowed = TRY(allowed_file(repository));
  std::vector<Signature> all;
  // At least a part for each lane, none larger than git gets on one command line.
  const auto lanes = lanes_for(hashes.size());
  const auto size = std::min(kAtOnce, (hashes.size() + lanes - 1) / lanes);
  std::vector<std::vector<Signature>> parts(hashes.empty() ? 0 : (hashes.size() + size - 1) / size);
  TRY(for_each_item("signatures", ErrorKind::repository, parts.size(), [&](std::size_t i) -> Status {
    const auto rest = hashes.subspan(i * size);
    parts[i] = TRY(read_part(repository, allowed, rest.first(std::min(size, rest.size()))));
    return {};
  }));
  for (auto& part : parts) std::ranges::move(part, std::back_inserter(all));
  return all;
}

Result<Signature> sign_as_service(const Repository& repository) {
  constexpr std::string_view kEmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";  // git has it built in
  const auto key = TRY(read_setting(repository, settings::sign_key));
  const auto within = [&](Error error) { return std::move(error).within(format("sign.key {}", key)); };
  std::string objects = "/tmp/rewall-XXXXXX";
  if (::mkdtemp(objects.data()) == nullptr)
    return error_of<messages::repository_failed>("/tmp", errno_text(errno));
  const RemovedFolder folder{objects};
  const auto person = format("rewall <rewall@{}> {} +0000", repository.host(), now().seconds);
  auto work = work_for(
      format("tree {}\nauthor {}\ncommitter {}\n\nrewall doctor\n", kEmptyTree, person, person), key);
  work.environment.push_back("GIT_OBJECT_DIRECTORY=" + objects);
  work.as_service = true;
  const auto outcome = run_git(repository.path(), std::move(work));
  if (!outcome) return within(outcome.error());
  if (!outcome->ok()) return within({.kind = ErrorKind::repository, .message = reason(*outcome)});
  const std::vector hashes{std::string(trim(outcome->out))};
  const auto asked =
      TRY(ask_git(repository, TRY(allowed_file(repository)), hashes, {"GIT_OBJECT_DIRECTORY=" + objects}));
  const auto fields = split(asked.out, '\0');
  if (!asked.ok() || fields.size() < kFieldsAsked)
    return within({.kind = ErrorKind::repository, .message = reason(asked)});
  return read_fields(repository, fields.data());
}

namespace {

bool names_remote(const Repository& repository, std::string_view name) {
  const auto remotes = repository.remotes();
  return remotes && std::ranges::any_of(*remotes, [&](const Remote& remote) {
           return name.starts_with(remote.name + "/") ||
                  name.starts_with("refs/remotes/" + remote.name + "/");
         });
}

/// Of a snapshot in the history of HEAD.
std::vector<std::string> note_of_age(const Repository& repository, const std::string& hash,
                                     std::string_view name) {
  const auto head = repository.head();
  if (!head || *head == hash || !names_remote(repository, name)) return {};
  return {format("snapshot {} is older than HEAD ({}): '{}' has gone back, or lacks what was recorded since",
                 hash.substr(0, 10), head->substr(0, 10), name)};
}

}  // namespace

namespace {

bool have_same_rules(const Repository& repository, const std::string& a, const std::string& b) {
  if (a.empty()) return false;
  auto one = repository.file_hashes(a);
  auto other = repository.file_hashes(b);
  if (!one || !other) return false;
  one->erase("expect");
  other->erase("expect");
  return *one == *other;
}

/// True where this host signs, or knows who may.
bool is_set_up(const Repository& repository) {
  const auto key = read_setting(repository, settings::sign_key);
  const auto allowed = allowed_file(repository);
  return !key || !key->empty() || !allowed || *allowed != "/dev/null";
}

}  // namespace

std::string newest_other_signed(const Repository& repository, const std::string& in_force) {
  constexpr std::size_t kLookedAt = 1000;  // whoever was refused waits for the answer
  constexpr std::size_t kNext = 50;
  const auto head = repository.head();
  std::string at = head ? *head : std::string{};
  for (std::size_t n = 0; n < kLookedAt && !at.empty();) {
    std::vector<std::string> hashes;
    for (; hashes.size() < kNext && !at.empty(); ++n, at = repository.parent(at)) hashes.push_back(at);
    const auto signatures = read_signatures(repository, hashes);
    if (!signatures) return {};
    for (const Signature& signature : *signatures)
      if (counts_for(signature, repository.host()) && !have_same_rules(repository, in_force, signature.hash))
        return signature.hash;
  }
  return {};
}

Result<std::vector<std::string>> check_signature(const Repository& repository, const std::string& hash,
                                                 std::string_view name) {
  const bool must = TRY(read_setting(repository, settings::sign_require));
  const auto own = repository.in_history(hash);
  if (own && *own && !must) return note_of_age(repository, hash, name);
  const auto what = format("snapshot {}", hash.substr(0, 10));
  auto read = read_signatures(repository, std::vector{hash});
  if (!read && must) return std::move(read).error();
  if (!read) return std::vector{format("{}: who signed it cannot be told: {}", what, read.error().message)};
  const Signature& signature = read->front();
  const std::string said = format("{} is {}", what, to_text(signature));
  if (must && signature.trust != Trust::allowed) {
    auto error = error_of<messages::signature_required>(said);
    // Only what is of this host's own history may be taken without a signature.
    if (signature.trust != Trust::absent || !own || !*own)
      error.hint = format("sign.require asks for a signature by sign.allowed; see: rewall verify {}",
                          hash.substr(0, 10));
    return error;
  }
  if (must && signature.host != repository.host())
    return error_of<messages::signed_for_another_host>(
        what, signature.host.empty() ? "no host" : "host " + signature.host, repository.host(),
        hash.substr(0, 10));
  if (own && *own) return note_of_age(repository, hash, name);
  // Where nobody signs, that a snapshot is not signed is no news.
  if (signature.trust == Trust::absent && !is_set_up(repository)) return std::vector<std::string>{};
  return std::vector{said};
}

}  // namespace rewall
