#include "ops/host/doctor.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/time.h"
#include "kernel/namespace.h"
#include "kernel/programs.h"
#include "ops/context/rewall_command.h"
#include "ops/guard/good_tag.h"
#include "ops/history/record.h"
#include "ops/history/revision.h"
#include "ops/history/verify.h"
#include "ops/host/doctor_host.h"
#include "ops/host/doctor_remotes.h"
#include "ops/host/status.h"
#include "ops/restore/journal.h"
#include "ops/watch/watcher.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPrograms{20};
constexpr std::uint64_t kLittleSpace = 64U << 20U;
constexpr fsfilcnt_t kFewFiles = 1000;

// --- the host

std::vector<Backend> backends_in_use(Session& session, Programs& programs, const Result<Capture>& live) {
  if (live && live->backends == "nft+legacy") return {Backend::nft, Backend::legacy};
  if (live) return {live->backends == "legacy" ? Backend::legacy : Backend::nft};
  if (session.backend() == BackendChoice::automatic) return {programs.default_backend()};
  return {session.backend() == BackendChoice::legacy ? Backend::legacy : Backend::nft};
}

Finding examine_programs(Session& session, const Result<Capture>& live) {
  Programs programs(kPrograms);
  std::vector<std::string> missing;
  std::vector<std::string> packages;
  const auto miss = [&](std::string program, const std::string& package) {
    missing.push_back(std::move(program));
    if (std::ranges::find(packages, package) == packages.end()) packages.push_back(package);
  };
  for (const Backend backend : backends_in_use(session, programs, live)) {
    for (const Family family : kFamilies) {
      for (const std::string_view action : {"save", "restore"}) {
        const auto program = programs.iptables(backend, family, action, ErrorKind::capture);
        if (!program) miss(program.error().message.substr(0, program.error().message.find(':')), "iptables");
      }
    }
  }
  if (programs.ipset().empty()) miss("ipset", "ipset");
  if (find_program("git").empty()) miss("git", "git");
  if (missing.empty()) return {.check = "programs", .message = "iptables, ipset and git are installed"};
  return {.check = "programs",
          .ok = false,
          .message = format("not installed: {}", join(missing, ", ")),
          .hint = format("apt install {}", join(packages, " "))};
}

Finding examine_privilege() {
  constexpr const char* kName = "privilege";
  if (!may_administer()) return failed(kName, not_permitted("the firewall"));
  auto scratch = ScratchNamespace::create();
  if (!scratch)
    return failed(kName,
                  std::move(scratch).error().within("can change the firewall, but cannot test rules first"));
  if (!may_open_raw_sockets())
    return {.check = kName,
            .ok = false,
            .message =
                "can change the firewall, but has no CAP_NET_RAW: rules that name a set can be neither "
                "read nor loaded",
            .hint =
                "run it as root with CAP_NET_RAW: CapabilityBoundingSet= of a service, --cap-add NET_RAW "
                "of a container"};
  return {.check = kName, .message = "can change the firewall and test rules in a scratch namespace"};
}

/// What mends what a capture notes (Capture::notes).
std::string hint_of_note(std::string_view note) {
  struct Known {
    std::string_view words{};
    std::string_view hint{};
  };
  static constexpr std::array<Known, 7> kKnown{{
      {"as nft is not installed", "apt install nftables"},
      {"nft tables that are not recorded", "'nft list ruleset' shows these rules; no restore touches them"},
      {"legacy tables are there and not recorded",
       "'iptables-legacy -S' shows these rules; without --backend nft they are recorded"},
      {"ipset is not installed", "apt install ipset"},
      {"no sets are recorded",
       "'ipset save' shows the reason; the kernel may lack the module: modprobe ip_set"},
      {"it cannot be restored",
       "'iptables -S' shows the rule; delete it, and write it again with the iptables in use"},
      {"line break",
       "take the line break out of that comment or log prefix: 'iptables -S' and 'ipset save' "
       "show it"},
  }};
  const auto known =
      std::ranges::find_if(kKnown, [&](const Known& one) { return note.find(one.words) != note.npos; });
  return std::string(known == kKnown.end()
                         ? "see what is in force: iptables-save; ipset save; nft list ruleset"
                         : known->hint);
}

void examine_live(const Result<Capture>& live, std::vector<Finding>& checks) {
  if (!live) {
    checks.push_back(failed("capture", live.error()));
    return;
  }
  checks.push_back({.check = "capture", .message = "can read the firewall"});
  if (live->ruleset.both_backends())
    checks.push_back(
        {.check = "backends",
         .ok = false,
         .message = "nft and legacy both have rules: a restore takes two steps, and both filter each packet",
         .hint =
             "what one accepts the other may drop, so no command moves the rules safely: put those of both "
             "into "
             "one script, flush and set the policies of the other backend in it, and run it behind a guard: "
             "rewall try --for 10m -- sh SCRIPT"});
  else
    checks.push_back({.check = "backends", .message = format("only {} is in use", live->backends)});
  for (const auto& [title, warning] : live->in_nft_words)
    checks.push_back({.check = "nft-words", .message = warning});
  for (const auto& note : live->notes)
    checks.push_back({.check = "unrecorded", .ok = false, .message = note, .hint = hint_of_note(note)});
}

Finding examine_clock(const std::optional<Time>& newest) {
  Finding check{.check = "clock", .message = "is synchronized"};
  timex state{};
  const bool known = ::adjtimex(&state) >= 0;
  const char* synchronize = "apt install systemd-timesyncd; timedatectl set-ntp true";
  if (newest && *newest > now()) {
    check.ok = false;
    check.message = format("{} is before the newest snapshot, {}", rfc3339(now()), rfc3339(*newest));
    check.hint = synchronize;
  } else if (known && (state.status & STA_UNSYNC) != 0) {
    check.ok = false;
    check.message = "system clock is not synchronized; snapshot dates may be wrong";
    check.hint = synchronize;
  }
  return check;
}

// --- its services

bool has_systemd() {
  return path_exists("/run/systemd/system");
}

bool is_enabled(const std::string& unit) {
  std::error_code failed;
  for (const auto& entry : entries_in("/etc/systemd/system")) {
    const auto kind = entry.path().extension();
    if ((kind == ".wants" || kind == ".requires") &&
        fs::exists(fs::symlink_status(entry.path() / unit, failed)))
      return true;
  }
  return false;
}

Finding examine_watch(const Session& session) {
  if (const pid_t process = watching_process(session.state_path()); process != 0)
    return {.check = "watch", .message = format("records every change (process {})", process)};
  // The cron job and the service are those of one repository.
  const bool is_served = rewall_command(session.path()) == "rewall";
  if (is_served && path_exists("/etc/cron.d/rewall"))
    return {.check = "watch", .message = "not running, but cron records changes every minute"};
  return {.check = "watch",
          .ok = false,
          .message = "not running: changes are only recorded when you run 'rewall snapshot'",
          .hint = !is_served ? "run as a service: rewall watch"
                  : has_systemd()
                      ? "rewall hooks install systemd; systemctl enable --now rewall-watch.service"
                      : "rewall hooks install cron; where systemd runs: rewall hooks install systemd"};
}

void examine_boot(std::vector<Finding>& checks) {
  if (!has_systemd()) return;
  if (is_enabled("rewall-restore.service")) {
    checks.push_back({.check = "boot", .message = "rewall-restore.service loads HEAD"});
    return;
  }
  checks.push_back({.check = "boot",
                    .ok = false,
                    .message = "rewall-restore.service is not enabled: a boot does not load HEAD",
                    .hint = "rewall hooks install systemd; systemctl enable rewall-restore.service"});
}

// --- the repository

struct Fault {
  std::string message{};
  std::string hint{};
};

std::optional<Fault> fault_of(const fs::path& path, const struct stat& facts, const std::string& top) {
  if (facts.st_uid != ::geteuid() && facts.st_uid != 0)
    return Fault{format("{}: belongs to user {}", path.string(), facts.st_uid),
                 format("chown -R {}:{} {}", ::geteuid(), ::getegid(), top)};
  if (!S_ISLNK(facts.st_mode) && (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Fault{format("{}: others can write to it (mode {:04o})", path.string(), facts.st_mode & 07777U),
                 format("check what they wrote, then: chmod -R go-w {}", top)};
  return std::nullopt;
}

/// Objects are not checked here: there may be very many, and each has to match its hash.
bool holds_objects(const fs::path& folder) {
  return folder.parent_path().filename() == "objects" && folder.filename().native().size() == 2;
}

Finding examine_modes(const fs::path& path) {
  Finding check{.check = "modes", .message = "only its owner can read and write the repository"};
  const auto top = shell_quote(path.string());
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) {
    return {.check = "modes",
            .ok = false,
            .message = format("{}: {}", path.string(), errno_text(errno)),
            .hint = format("ls -ld {}", top)};
  }
  if (::access(path.c_str(), R_OK | X_OK) != 0)
    return failed("modes", error_of<messages::not_permitted>(path.string(), "another user owns it"));
  auto fault = fault_of(path, facts, top);
  if (!fault && (facts.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    fault = Fault{format("{}: others can read it (mode {:04o})", path.string(), facts.st_mode & 07777U),
                  format("chmod 700 {}", top)};
  std::error_code ended;
  auto entry = fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied, ended);
  for (; !ended && !fault && entry != fs::recursive_directory_iterator{}; entry.increment(ended)) {
    if (::lstat(entry->path().c_str(), &facts) != 0) continue;
    fault = fault_of(entry->path(), facts, top);
    if (holds_objects(entry->path())) entry.disable_recursion_pending();
  }
  if (!fault) return check;
  return {"modes", false, fault->message, fault->hint};
}

Finding examine_space(const fs::path& path) {
  struct statvfs facts {};
  if (::statvfs(path.c_str(), &facts) != 0) {
    return {.check = "space",
            .ok = false,
            .message = format("{}: {}", path.string(), errno_text(errno)),
            .hint = "df -h"};
  }
  if ((facts.f_flag & ST_RDONLY) != 0) {
    return {.check = "space",
            .ok = false,
            .message = format("{}: on a read-only file system", path.string()),
            .hint = format("see why: findmnt -T {0}; dmesg", shell_quote(path.string()))};
  }
  const std::uint64_t left = std::uint64_t{facts.f_bavail} * facts.f_frsize;
  const bool few_files = facts.f_files != 0 && facts.f_favail < kFewFiles;
  Finding check{.check = "space",
                .ok = left >= kLittleSpace && !few_files,
                .message = few_files ? format("room for only {} more files", facts.f_favail)
                                     : format("{} MB free", left >> 20U)};
  if (!check.ok)
    check.hint = format("free some space, which 'rewall gc' needs too: df -h {0}; df -i {0}",
                        shell_quote(path.string()));
  return check;
}

Finding examine_work_tree(const Repository& repository, const Head& head) {
  std::vector<std::string> differing;
  for (const auto& [name, content] : head.files) {
    if (name == "expect" || is_in_no_tree(name, content)) continue;
    const auto found = read_plain_file(repository.path() / name);
    if (!found || *found != content) differing.push_back(name);
  }
  if (differing.empty()) return {.check = "work tree", .message = "matches HEAD"};
  return {.check = "work tree",
          .ok = false,
          .message = format("differs from HEAD: {}", join(differing, ", ")),
          .hint = format("git -C {} checkout HEAD -- {}", shell_quote(repository.path().string()),
                         join(differing, " "))};
}

/// False for a firewall that lets everything through because nobody has written a rule.
bool holds_rules(const Files& files) {
  for (const auto& [name, text] : files) {
    if (name == "expect") continue;
    for (const auto line : split_lines(text))
      if (line.starts_with("-A ") || (line.starts_with(':') && line.find(" DROP ") != std::string::npos) ||
          line.find("policy drop") != std::string::npos ||
          (line.starts_with("\t\t") && !line.starts_with("\t\ttype ")))
        return true;
  }
  return false;
}

void examine_good(const Repository& repository, std::vector<Finding>& checks) {
  const auto tags = repository.tags();
  if (!tags) {
    checks.push_back(failed("good", tags.error()));
    return;
  }
  const bool there = std::ranges::find(*tags, "good", &Tag::name) != tags->end();
  const auto head = read_head(repository);
  if (const auto guard = there ? took_good_back(repository) : std::nullopt)
    checks.push_back({.check = "good",
                      .ok = false,
                      .message = format("the tag names {}, which {} took back at {}",
                                        good_snapshot(repository).substr(0, 10),
                                        escape(name_of(guard->guard)), rfc3339(guard->ended)),
                      .hint = "rewall tag good " + guard->guard.before.substr(0, 10)});
  else
    checks.push_back(
        {.check = "good",
         .ok = there,
         .message = there ? "the tag exists" : "no 'good' tag yet: boot has no known-good fallback",
         .hint = there ? ""
                 : !head || holds_rules(head->files)
                     ? "rewall tag good"
                     : "HEAD has no rules yet; when it has those that a boot may fall back "
                       "on: rewall tag good"});
  for (const auto& tag : *tags) {
    if (is_misleading_tag(tag.name))
      checks.push_back({.check = "tags",
                        .ok = false,
                        .message = format("the tag '{}' reads as a hash or a branch: it is refs/tags/{}",
                                          escape(tag.name), escape(tag.name)),
                        .hint = format("rewall tag -d {}", shell_quote(tag.name))});
  }
}

Finding examine_git_locks(const Repository& repository) {
  const auto locks = repository.git_locks();
  if (locks.empty()) return {.check = "locks", .message = "no git has locked anything"};
  std::string names;
  std::string commands;
  for (const auto& [path, age] : locks) {
    names += format("{}{} ({} s old)", names.empty() ? "" : ", ", path.string(), age.count());
    commands += " " + shell_quote(path.string());
  }
  return {.check = "locks",
          .ok = false,
          .message = format("git locks keep snapshots from being recorded: {}", names),
          .hint = format("when no git is at work here: rm{}", commands)};
}

Finding examine_head(const Repository& repository) {
  if (repository.is_at_branch())
    return {.check = "branch", .message = format("HEAD is on hosts/{}", repository.host())};
  return {
      .check = "branch",
      .ok = false,
      .message = format("git's HEAD is not on hosts/{}, where the snapshots are recorded", repository.host()),
      .hint =
          format("git -C {} checkout hosts/{}", shell_quote(repository.path().string()), repository.host())};
}

Finding examine_journal(const Repository& repository) {
  const auto entry = Journal::peek(repository);
  if (!entry) return failed("journal", entry.error());
  if (!*entry) return {.check = "journal", .message = "no restore was interrupted"};
  const auto left = Journal::left(repository, {});
  if (!left) return {.check = "journal", .message = "a restore is running"};
  return {.check = "journal",
          .ok = false,
          .message = format("a restore was interrupted ({})", rfc3339((*entry)->began)),
          .hint = "'rewall status' completes or reverts it, or shows why it cannot"};
}

Finding examine_guard(Session& session) {
  const auto guard = read_guard_status(session);
  if (!guard) return failed("guard", guard.error());
  if (!*guard) return {.check = "guard", .message = "no guard is armed"};
  if (!(*guard)->overdue)
    return {.check = "guard", .message = format("{} is armed", name_of((*guard)->guard))};
  return {.check = "guard",
          .ok = false,
          .message = format("{} is overdue, and its process is gone", name_of((*guard)->guard)),
          .hint = "revert the change: rewall rollback; or keep it: rewall confirm"};
}

/// Checks HEAD. Returns the time of the newest snapshot; absent where it cannot be read.
std::optional<Time> examine_history(Session& session, const Repository& repository,
                                    std::vector<Finding>& checks) {
  const auto head = read_head(repository);
  if (!head) {
    checks.push_back(failed("history", head.error()));
    return std::nullopt;
  }
  if (head->hash.empty()) {
    checks.push_back(
        {.check = "history", .ok = false, .message = "no snapshot yet", .hint = "rewall snapshot"});
    return std::nullopt;
  }
  checks.push_back({.check = "history", .message = "can read HEAD"});
  // Without the privilege another check says so.
  if (const auto staged = stage_snapshot(session, head->hash, head->ruleset)) checks.push_back(*staged);
  checks.push_back(examine_work_tree(repository, *head));
  const auto newest = repository.snapshot(head->hash);
  return newest ? std::optional(newest->time) : std::nullopt;
}

std::optional<Time> examine_repository(Session& session, std::vector<Finding>& checks) {
  const auto repository = open_again(session);
  if (!repository) {
    checks.push_back(failed("repository", repository.error()));
    return std::nullopt;
  }
  checks.push_back({.check = "repository", .message = format("can open {}", session.path().string())});
  const auto newest = examine_history(session, *repository, checks);
  const auto head = repository->head();
  // The check of the history has said that there is no snapshot yet.
  if (!head || !head->empty()) {
    examine_good(*repository, checks);
    checks.push_back(examine_head(*repository));
  }
  std::ranges::move(examine_host(*repository), std::back_inserter(checks));
  std::ranges::move(examine_host_files(*repository), std::back_inserter(checks));
  std::ranges::move(examine_signing(*repository, head ? *head : ""), std::back_inserter(checks));
  checks.push_back(examine_git_locks(*repository));
  checks.push_back(examine_journal(*repository));
  checks.push_back(examine_guard(session));
  std::ranges::move(examine_remotes(*repository), std::back_inserter(checks));
  return newest;
}

}  // namespace

std::vector<Finding> examine(Session& session) {
  std::vector<Finding> checks;
  const auto live = session.capture();
  checks.push_back(examine_programs(session, live));
  checks.push_back(examine_privilege());
  // Without the privilege the check before has said why the capture failed.
  if (live || live.error().kind != ErrorKind::permission) examine_live(live, checks);
  if (path_exists(session.path())) {
    checks.push_back(examine_modes(session.path()));
    checks.push_back(examine_space(session.path()));
  }
  const auto newest = examine_repository(session, checks);
  checks.push_back(examine_watch(session));
  examine_boot(checks);
  checks.push_back(examine_clock(newest));
  return checks;
}

}  // namespace rewall
