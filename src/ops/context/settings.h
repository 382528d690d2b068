#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "ops/context/session.h"
#include "rules/owners.h"
#include "store/repository.h"

/// The keys of `rewall config`: their names, default values and types, and how a command reads them.
namespace rewall {

// The parsers of values. Each fails with kind usage for a text that the type cannot have.

/// Parses "5%", "5" or "0.5%" into a share above 0 and at most 1.
Result<double> parse_percent(std::string_view text);
/// Parses "2G", "500M", "64k" (units of 1024) or a number of bytes into bytes, more than 0.
Result<std::uint64_t> parse_size(std::string_view text);
/// Parses a whole number.
Result<std::uint64_t> parse_count(std::string_view text);
/// Parses git's words for true and false, in either case: true, yes, on, 1; false, no, off, 0.
Result<bool> parse_switch(std::string_view text);
/// Parses "500ms", "90s", "10m", "1h" or "7d", a year at most. A number alone is seconds here.
Result<std::chrono::milliseconds> parse_length(std::string_view text);
/// Takes an absolute path or an empty text.
Result<std::string> parse_path(std::string_view text);
/// Takes the absolute path of a program and its words, or an empty text.
Result<std::string> parse_command(std::string_view text);
/// Takes any text.
Result<std::string> parse_text(std::string_view text);

/// Splits such a text into words as a shell does whose words are plain: blanks separate them, between quotes
/// they stay, and nothing is expanded. Kind usage: a quote does not close.
Result<std::vector<std::string>> split_command(std::string_view text);

/// A documented key whose value is a T. Every Setting is a constant below; plain_keys() in settings.cpp
/// names it.
template <class T>
struct Setting {
  std::string_view name{};
  std::string_view standard{};  ///< the value where none is set
  std::string_view what{};      ///< a description for `rewall config --list`
  Result<T> (*parse)(std::string_view text) = nullptr;
};

namespace settings {

inline constexpr Setting<std::string> export_path{
    "export.path", "", "folder whose rules.v4, rules.v6 and ipsets follow HEAD; empty for none", parse_path};
inline constexpr Setting<std::string> export_nft{
    "export.nft", "", "file for nft -f that follows the native tables of HEAD; empty for none", parse_path};
inline constexpr Setting<std::uint64_t> fetch_limit{"fetch.limit", "2G", "largest pack that a fetch accepts",
                                                    parse_size};
inline constexpr Setting<std::uint64_t> fetch_memory{"fetch.memory", "512M",
                                                     "most memory that git may use in a fetch", parse_size};
inline constexpr Setting<std::uint64_t> fetch_snapshot{"fetch.snapshot", "24M",
                                                       "largest snapshot that a fetch accepts", parse_size};
inline constexpr Setting<std::chrono::milliseconds> fleet_stale{
    "fleet.stale", "30d", "age of the newest snapshot of a host at which fleet status reports the host",
    parse_length};
inline constexpr Setting<std::string> fleet_vars{
    "fleet.vars", "", "file with the hosts' own addresses, for fleet status and fleet diff; empty for none",
    parse_path};
inline constexpr Setting<std::uint64_t> gc_auto{
    "gc.auto", "1000", "number of loose objects at which the repository is compacted; 0: never", parse_count};
inline constexpr Setting<bool> guard_tag_good{
    "guard.tagGood", "false", "whether confirm gives the tag good to the snapshot that it keeps",
    parse_switch};
inline constexpr Setting<std::chrono::milliseconds> hooks_deadline{
    "hooks.deadline", "30s", "longest run of a program in a hooks folder", parse_length};
inline constexpr Setting<std::string> hooks_path{
    "hooks.path", "/etc/rewall",
    "folder of pre-restore.d, post-restore.d and post-snapshot.d; empty for none", parse_path};
inline constexpr Setting<std::chrono::milliseconds> lock_wait{
    "lock.wait", "30s", "longest wait for another rewall that is working", parse_length};
inline constexpr Setting<std::chrono::milliseconds> network_connect{"network.connect", "15s",
                                                                    "connection timeout", parse_length};
inline constexpr Setting<std::chrono::milliseconds> network_timeout{"network.timeout", "10m",
                                                                    "longest push or fetch", parse_length};
inline constexpr Setting<std::string> notify_command{
    "notify.command", "", "program that gets each change on its standard input; empty for none",
    parse_command};
inline constexpr Setting<bool> push_auto{"push.auto", "false",
                                         "whether each snapshot is pushed, in the background", parse_switch};
inline constexpr Setting<std::string> push_remote{"push.remote", "origin", "default remote", parse_text};
inline constexpr Setting<std::chrono::milliseconds> push_stale{
    "push.stale", "24h", "age of a snapshot that is not pushed at which status ends with 1", parse_length};
inline constexpr Setting<std::string> sign_allowed{
    "sign.allowed", "", "absolute path of git's allowed-signers file; empty for the one of git's settings",
    parse_path};
inline constexpr Setting<std::string> sign_key{
    "sign.key", "", "key that signs every snapshot, as git's user.signingKey has it; empty for none",
    parse_text};
inline constexpr Setting<bool> sign_require{
    "sign.require", "false", "whether restore refuses snapshots without an allowed signature", parse_switch};
inline constexpr Setting<std::string> ui_pager{"ui.pager", "less",
                                               "command line of the pager; empty for none", parse_text};
inline constexpr Setting<double> watch_cpu{
    "watch.cpu", "5%", "share of one core that watch may use over a minute", parse_percent};
inline constexpr Setting<std::chrono::milliseconds> watch_foreign{
    "watch.foreign", "1h", "how long changes of foreign parts alone are collected", parse_length};
inline constexpr Setting<std::chrono::milliseconds> watch_latest{
    "watch.latest", "5s", "longest time that watch leaves a change unrecorded", parse_length};
inline constexpr Setting<std::string> watch_metrics{
    "watch.metrics", "", "file for node_exporter's textfile collector; empty for none", parse_path};
inline constexpr Setting<std::chrono::milliseconds> watch_poll{
    "watch.poll", "10s", "poll interval for changes without notifications (mainly sets)", parse_length};
inline constexpr Setting<std::chrono::milliseconds> watch_settle{
    "watch.settle", "500ms", "quiet time before watch makes a snapshot", parse_length};

}  // namespace settings

/// Reads a setting of the repository, else its default value. A value that the key cannot have is replaced by
/// the default value, with a warning. Kind repository: the settings cannot be read.
Result<double> read_setting(const Repository& repository, const Setting<double>& setting);
Result<bool> read_setting(const Repository& repository, const Setting<bool>& setting);
Result<std::uint64_t> read_setting(const Repository& repository, const Setting<std::uint64_t>& setting);
Result<std::string> read_setting(const Repository& repository, const Setting<std::string>& setting);
Result<std::chrono::milliseconds> read_setting(const Repository& repository,
                                               const Setting<std::chrono::milliseconds>& setting);

/// A key of `rewall config`, for the output.
struct Key {
  std::string name{};
  std::string standard{};  ///< the value where none is set
  std::string what{};
};

/// The documented keys, then the keys `owner.NAME.chain`, `.rule`, `.set` and `.table` of the default owners
/// and of the owners that the repository's settings name.
Result<std::vector<Key>> known_keys(const Repository& repository);

/// Finds the key of a name; the owner in `owner.NAME...` may be new. Kind usage: no key has the name; the
/// hint is the nearest name.
Result<Key> find_key(const std::string& name);

/// Refuses a value that the key cannot have. Kind usage.
Status check_value(const Key& key, const std::string& value);

/// The same of a value that somebody types: a length of time needs its unit.
Status check_new_value(const Key& key, const std::string& value);

/// What is set and not used, a sentence each with its file: keys that are unknown, and values that their keys
/// cannot have. The errors of Settings::open().
Result<std::vector<std::string>> settings_passed_over(const Repository& repository);

/// A key with the value that it is to get.
struct Assignment {
  std::string key{};
  std::string value{};
};

/// Reads "KEY=VALUE" (`init -c`). Kind usage: it has no '=', the key is unknown, or it cannot have the value.
Result<Assignment> read_assignment(const std::string& text);

/// Writes them into the repository's settings.
Status assign(const Repository& repository, const std::vector<Assignment>& assignments);

/// The value of a key, else its default value, as text.
Result<std::string> setting_text(const Repository& repository, const Key& key);

/// The file that sets a key; empty where the default value is in use.
Result<std::string> setting_origin(const Repository& repository, const Key& key);

/// The default owners and those that the repository's settings name. A value of the settings replaces the
/// default value, so an empty value matches nothing.
Result<std::vector<Owner>> read_owners(const Repository& repository);

/// The owners of the session's repository; the default owners where the settings cannot be read.
std::vector<Owner> owners_of(Session& session);

/// Takes the repository's lock, after a wait of at most `lock.wait`, or of `wait`. Repairs the work tree and
/// removes the lock files that a killed holder left. The errors of Repository::lock().
Result<Lock> lock(const Repository& repository);
Result<Lock> lock(const Repository& repository, std::chrono::milliseconds wait);

}  // namespace rewall
