#include "ops/watch/watcher.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/messages.h"
#include "core/text.h"
#include "core/time.h"
#include "kernel/audit.h"
#include "kernel/daemon.h"
#include "kernel/events.h"
#include "ops/context/event_hooks.h"
#include "ops/context/network_place.h"
#include "ops/context/pid_lock.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/context/state_paths.h"
#include "ops/context/stopping.h"
#include "ops/context/systemd.h"
#include "ops/guard/guard_state.h"
#include "ops/history/generation_cache.h"
#include "ops/history/live_sets.h"
#include "ops/history/record.h"
#include "ops/restore/recovery.h"
#include "ops/watch/attribution.h"
#include "ops/watch/cpu_budget.h"
#include "ops/watch/credit.h"
#include "ops/watch/metrics.h"
#include "ops/watch/pending_changes.h"
#include "ops/watch/ruleset_state.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/set_digest.h"
#include "rules/sets.h"
#include "rules/splice.h"
#include "rules/table_forms.h"

namespace rewall {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNever = PendingChanges::kNever;
constexpr milliseconds kFirstRetry{1000};
constexpr milliseconds kLastRetry{30000};
// With more changed chains it is faster to read LIVE whole.
constexpr std::size_t kMostChains = 256;
constexpr int kReadAttempts = 5;
constexpr milliseconds kEndOfSystem{10000};
constexpr milliseconds kLongestAudit{1000};

struct WatchSettings {
  milliseconds settle{};
  milliseconds latest{};
  milliseconds poll{};
  milliseconds foreign{};
  double cpu = 0;
  std::string metrics{};
};

Result<WatchSettings> read_watch_settings(const Repository& repository) {
  WatchSettings read;
  read.settle = TRY(read_setting(repository, settings::watch_settle));
  read.latest = TRY(read_setting(repository, settings::watch_latest));
  read.poll = TRY(read_setting(repository, settings::watch_poll));
  read.foreign = TRY(read_setting(repository, settings::watch_foreign));
  read.cpu = TRY(read_setting(repository, settings::watch_cpu));
  read.metrics = TRY(read_setting(repository, settings::watch_metrics));
  return read;
}

/// Changes of foreign rules alone, which wait to be recorded together with more of them.
struct HeldChanges {
  RulesetState state{};
  AttributedChanges changes{};
  milliseconds since{};
};

LegacyTables legacy_tables(const RulesetState& state) {
  LegacyTables tables;
  for (const auto& [name, text] : *state.files)
    if (name.ends_with(".legacy") || (state.backends == "legacy" && name.starts_with("rules.")))
      add_tables(text, name.starts_with("rules.v4") ? Family::ipv4 : Family::ipv6, tables);
  return tables;
}

// The policy of a built-in chain. One that the text lacks is as the kernel makes it.
std::string policy_in(const RulesetState& state, const ChainName& chain) {
  const auto file = state.files->find(std::string(file_name({chain.family})));
  if (file == state.files->end()) return "ACCEPT";
  const std::string_view text = file->second;
  const auto head = format("*{}\n", chain.table);
  auto begin = text.starts_with(head) ? 0 : text.find("\n" + head);
  if (begin == std::string_view::npos) return "ACCEPT";
  const auto table = text.substr(begin, text.find("\nCOMMIT\n", begin) - begin);
  const auto line = format("\n:{} ", chain.chain);
  const auto at = table.find(line);
  if (at == std::string_view::npos) return "ACCEPT";
  const auto rest = table.substr(at + line.size());
  return std::string(rest.substr(0, rest.find(' ')));
}

// True where a table of the legacy backend changed, and nothing is known of who changed it.
bool lacks_legacy(const AttributedChanges& changes, const Attribution::Window& window) {
  const auto hash_in = [](const LegacyTables& tables, const LegacyTableName& name) {
    const auto found = tables.find(name);
    return found == tables.end() ? std::size_t{0} : found->second.hash;
  };
  const auto is_known = [&](const LegacyTableName& name) {
    return std::ranges::any_of(changes.changes,
                               [&](const AttributedChange& change) { return change.table == name; });
  };
  for (const auto* tables : {&window.before, &window.after})
    for (const auto& [name, table] : *tables)
      if (hash_in(window.before, name) != hash_in(window.after, name) && !is_known(name)) return true;
  return false;
}

class Watcher {
 public:
  Watcher(Session& session, Repository& repository, const WatchSettings& settings,
          const std::function<void(const Recorded&)>& each)
      : session_(session), repository_(repository), settings_(settings), each_(each), budget_(settings.cpu) {}

  Status run();

 private:
  Status open();
  void listen(int fd);
  milliseconds due();
  void wait();
  void read_events();
  void handle_signals();
  void reload();
  void poll();

  void try_to_record();
  Status record_changes(bool last);
  Status follow_head();
  Result<RulesetState> read_state(const RulesetState& base);
  Result<std::optional<RulesetState>> read_chains(const RulesetState& base);
  Result<std::string> sets_text(const RulesetState& base);
  std::optional<Generation> generation_after_events();
  void wait_for_audit();
  AttributedChanges changes_between(const RulesetState& before, const RulesetState& after);
  UndoneChanges undone_in(const AttributedChanges& changes, std::span<const Owner> owners);
  Status hold_or_commit(RulesetState state, bool last);
  /// `difference`: from HEAD to the state. `notes`: further lines of the body.
  Status commit(const RulesetState& state, const AttributedChanges& changes, StateDifference difference,
                std::vector<std::string> notes = {});
  Status commit_in_steps(const RulesetState& state, const AttributedChanges& changes,
                         const std::vector<std::string>& notes);
  Status commit_state(const RulesetState& state, const Credit& credit, StateDifference difference,
                      std::vector<std::string> notes);
  Status commit_undone(const AttributedChanges& changes, const UndoneChanges& undone,
                       const std::optional<Generation>& generation);
  void note_recorded(const Recorded& recorded, const RulesetState& state);
  Status commit_held();
  void try_to_commit_held();
  void wait_to_retry(ErrorKind why);
  void keep_metrics();
  void mark_shutdown();

  Session& session_;
  Repository& repository_;
  WatchSettings settings_;
  const std::function<void(const Recorded&)>& each_;
  CpuBudget budget_;
  Metrics metrics_{};
  std::string metrics_trouble_{};  ///< the last warning; empty while the file can be written
  Fd epoll_{};
  Fd signals_{};
  std::optional<FirewallEvents> events_{};
  std::optional<AuditTrail> audit_{};
  Attribution attribution_{};
  std::uint32_t audit_lost_ = 0;  ///< AuditState::lost, as it was seen last
  bool awaits_audit_ = false;     ///< records may be expected for notifications
  bool others_recorded_ = false;  ///< another process moved HEAD since the last change was recorded
  std::map<std::string, std::size_t>
      undone_foreign_{};  ///< since the last snapshot of foreign parts, by owner

  std::string head_{};  ///< the snapshot that `recorded_` is
  RulesetState recorded_{};
  std::optional<std::string> expect_{};  ///< its expectations, which are no part of LIVE
  std::optional<HeldChanges> held_{};
  PendingChanges pending_{};
  milliseconds next_poll_{};
  milliseconds retry_at_{};
  milliseconds retry_pause_ = kFirstRetry;
  std::string failure_{};
  std::optional<milliseconds> emptied_at_{};  ///< when it recorded that LIVE is empty
  bool stop_ = false;
};

Status Watcher::open() {
  sigset_t taken;
  ::sigemptyset(&taken);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&taken, number);
  ::sigprocmask(SIG_BLOCK, &taken, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_.reset(::signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!signals_ || !epoll_)
    return Error{.kind = ErrorKind::usage, .message = format("watch: {}", errno_text(errno))};
  listen(signals_.get());
  if (session_.backend() != BackendChoice::legacy) events_ = FirewallEvents::open();
  if (events_)
    listen(events_->fd());
  else if (session_.backend() != BackendChoice::legacy)
    log_warning("the kernel sends no notifications of nf_tables here: the firewall is read every {}",
                time_text(settings_.poll));
  audit_ = AuditTrail::open();
  if (audit_) listen(audit_->fd());
  const auto audit = audit_state();
  awaits_audit_ = audit_ && audit && audit->enabled;
  if (audit) audit_lost_ = audit->lost;
  if (!audit_ || (audit && !audit->enabled))
    log_info(
        "auditing is {}: snapshots will show less of who made a change (to turn it on: 'auditctl -e 1', "
        "package "
        "auditd)",
        audit_ ? "off" : "not available");
  return {};
}

void Watcher::listen(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

milliseconds Watcher::due() {
  if (!pending_.any()) return kNever;
  const auto latest = pending_.latest_due(settings_.latest);
  auto at = pending_.due(settings_.settle, settings_.latest);
  if (const auto pause = budget_.wait(); pause.count() > 0)
    at = std::min(std::max(at, boot_time() + pause), latest);
  return std::max(at, retry_at_);
}

void Watcher::wait() {
  auto until = std::min(due(), next_poll_);
  if (held_) until = std::min(until, std::max(held_->since + settings_.foreign, retry_at_));
  auto pause = until == kNever ? kNever : std::max(until - boot_time(), milliseconds{});
  if (const auto watchdog = watchdog_interval()) pause = std::min(pause, *watchdog);
  std::array<epoll_event, 4> ready;
  const int timeout = pause == kNever ? -1 : static_cast<int>(std::min<std::int64_t>(pause.count(), 3600000));
  ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), timeout);
}

// The kernel notifies of a transaction before it audits it: with the records read first, the notification of
// each of them is there, and a record without one is of another network namespace.
void Watcher::read_events() {
  auto audited = audit_ ? audit_->read() : AuditTrail::News{};
  if (events_) {
    auto news = events_->read();
    if (news.lost) {
      ++metrics_.lost;
      attribution_.note_lost_notifications();
      pending_.add_everything();
      pending_.note(boot_time());
    }
    for (auto& transaction : news.transactions) {
      if (!transaction.touches()) continue;
      pending_.add(transaction);
      pending_.note(boot_time());
      attribution_.add(std::move(transaction));
    }
  }
  if (audited.lost) attribution_.note_loss();
  for (auto& record : audited.records) attribution_.add(std::move(record));
  if (session_.backend() != BackendChoice::nft && attribution_.legacy_changed()) {
    pending_.add_everything();
    pending_.note(boot_time());
  }
}

void Watcher::handle_signals() {
  signalfd_siginfo signal{};
  while (::read(signals_.get(), &signal, sizeof signal) > 0) {
    if (signal.ssi_signo == SIGHUP)
      reload();
    else
      stop_ = true;
  }
}

void Watcher::reload() {
  auto settings = read_watch_settings(repository_);
  if (!settings) {
    log_warning("the settings cannot be read and stay as they are: {}", escape(settings.error().message));
    return;
  }
  settings_ = *std::move(settings);
  budget_ = CpuBudget(settings_.cpu);
  next_poll_ = boot_time() + settings_.poll;
  log_info("the settings were read again");
}

// Looks for changes without notifications: of sets; of the legacy backend, as auditing may be off or lose
// records when there are many; of everything where there is no nf_tables.
void Watcher::poll() {
  const bool legacy = session_.backend() != BackendChoice::nft && session_.firewall().legacy_tables();
  const auto& state = held_ ? held_->state : recorded_;
  const auto recorded = state.files->find("ipset");
  const auto same = sets_are(session_, recorded == state.files->end() ? "" : recorded->second,
                             session_.firewall().sets_digest());
  if (legacy || !events_ || !same || !*same) {
    if (legacy || !events_) pending_.add_everything();
    pending_.note(boot_time() - settings_.settle);
  }
}

Status Watcher::follow_head() {
  auto head = TRY(repository_.head());
  if (head.empty() || head == head_) return {};
  others_recorded_ = !head_.empty();
  auto snapshot = TRY(repository_.snapshot(head));
  auto files = TRY(repository_.files(head));
  const auto seen = read_cached_generation(repository_);
  expect_ = files.contains("expect") ? std::optional(files.at("expect")) : std::nullopt;
  files.erase("expect");
  recorded_ = {.files = std::make_shared<const Files>(std::move(files)),
               .backends = snapshot.trailers.backend,
               .tools = snapshot.trailers.tools};
  head_ = std::move(head);
  held_.reset();
  if (!seen || seen->head != head_) return {};
  // Another process recorded LIVE at this generation: the snapshot has the authors of the changes up to it.
  recorded_.generation = seen->generation;
  attribution_.forget(seen->generation.number);
  const bool is_all =
      session_.firewall().generation() == seen->generation && !session_.firewall().legacy_tables();
  const bool everything = pending_.everything() && !is_all;
  pending_.drop(seen->generation.number, boot_time());
  if (everything) pending_.add_everything();
  return {};
}

/// The generation of LIVE; the events of all transactions up to it are read.
std::optional<Generation> Watcher::generation_after_events() {
  // The kernel notifies of a transaction before the next transaction, or a request for the generation, can
  // begin (nf_tables_commit in net/netfilter/nf_tables_api.c).
  auto generation = session_.firewall().generation();
  read_events();
  return generation;
}

// The sets of LIVE as they are recorded. What packets alone changed stays as it was.
Result<std::string> Watcher::sets_text(const RulesetState& base) {
  const auto recorded = base.files->find("ipset");
  if (recorded != base.files->end()) {
    const auto digest = session_.firewall().sets_digest();
    if (digest && *digest == digest_of_text(recorded->second)) return recorded->second;
  }
  auto sets = TRY(session_.firewall().sets());
  return canonical_text(sets);
}

// The base, with the chains that changed since as they are at one generation: none of them may change while
// they are read. Absent where LIVE has to be read whole.
Result<std::optional<RulesetState>> Watcher::read_chains(const RulesetState& base) {
  const auto place_of = [](const Generation& generation) {
    return std::pair{generation.boot, generation.network};
  };
  if (!base.generation || base.backends != name(Backend::nft) || session_.firewall().legacy_tables() ||
      base.files->contains("rules.v4.legacy") || base.files->contains("rules.v6.legacy"))
    return std::optional<RulesetState>{};
  // The notifications name the chains of such a table, which the words of iptables do not say.
  if (const auto native = base.files->find(std::string(kNativeFile));
      native != base.files->end() && holds_in_nft_words(native->second))
    return std::optional<RulesetState>{};
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const auto now = generation_after_events();
    const auto chains = pending_.chains();
    if (!now || now->network == 0 || place_of(*now) != place_of(*base.generation) || pending_.everything() ||
        pending_.more_than_chains() || chains.size() > kMostChains)
      return std::optional<RulesetState>{};
    // Sets are not of iptables: nobody notifies of their changes.
    auto sets = TRY(sets_text(base));
    auto tables = chains.empty() ? std::optional(std::vector<ChainsOfTable>{}) : std::nullopt;
    if (!tables) {
      auto read = TRY(session_.firewall().read_chains(chains));
      tables = std::move(read);
    }
    std::optional<NativeTables> native;
    if (pending_.native()) {
      native = TRY(session_.firewall().native());
      if (!native) return std::optional<RulesetState>{};
    }
    generation_after_events();
    const bool of_one_piece =
        !pending_.native_after(now->number) && std::ranges::none_of(chains, [&](const auto& chain) {
          return pending_.changed_after(chain.first, now->number);
        });
    if (!of_one_piece || pending_.more_than_chains()) continue;
    if (!tables) return std::optional<RulesetState>{};
    auto files = std::make_shared<Files>(*base.files);
    (*files)["ipset"] = std::move(sets);
    if (native) (*files)[std::string(kNativeFile)] = print_native(*native);
    for (const auto& table : *tables) {
      auto& text = (*files)[std::string(file_name({table.family}))];
      auto spliced = with_chains(text, table.table, table.chains);
      if (!spliced) return std::optional<RulesetState>{};
      text = *std::move(spliced);
    }
    return std::optional(RulesetState{.files = std::move(files),
                                      .backends = base.backends,
                                      .tools = base.tools,
                                      .generation = now,
                                      .has_owned = base.has_owned});
  }
  return std::optional<RulesetState>{};
}

Result<RulesetState> Watcher::read_state(const RulesetState& base) {
  auto read = TRY(read_chains(base));
  if (read) return *std::move(read);
  auto capture = TRY(session_.capture());
  read_events();
  return RulesetState{.files = std::make_shared<const Files>(files_of(capture.ruleset)),
                      .backends = capture.backends,
                      .tools = capture.tools,
                      .generation = capture.generation,
                      .has_owned = capture.has_owned};
}

// The audit trail comes by way of a queue and a thread of the kernel, and may be late where much is audited.
// Once nothing came, nothing is waited for until something comes.
void Watcher::wait_for_audit() {
  awaits_audit_ = attribution_.audit_spoke() || awaits_audit_;
  if (!awaits_audit_ || !audit_) return;
  const auto until = boot_time() + std::min(kLongestAudit, settings_.latest);
  while (attribution_.waits_for_audit() && boot_time() < until) {
    pollfd ready{.fd = audit_->fd(), .events = POLLIN, .revents = 0};
    ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>((until - boot_time()).count(), 0)));
    read_events();
  }
  awaits_audit_ = attribution_.audit_spoke() || !attribution_.waits_for_audit();
}

AttributedChanges Watcher::changes_between(const RulesetState& before, const RulesetState& after) {
  // A record that the kernel had no room for leaves more than one change that may be ours.
  if (attribution_.has_legacy())
    if (const auto audit = audit_state(); audit && std::exchange(audit_lost_, audit->lost) != audit->lost)
      attribution_.note_loss();
  const Attribution::Window window{
      .generation = after.generation ? std::optional(after.generation->number) : std::nullopt,
      .before = legacy_tables(before),
      .after = legacy_tables(after),
      .policy_before = [&](const ChainName& chain) { return policy_in(before, chain); }};
  auto changes = attribution_.changes(window);
  if (lacks_legacy(changes, window) && audit_ && audit_state().value_or(AuditState{}).enabled) {
    // Another record may have led here before the one of this change came.
    const auto until = boot_time() + std::min(kLongestAudit, settings_.latest);
    while (lacks_legacy(changes, window) && boot_time() < until) {
      pollfd ready{.fd = audit_->fd(), .events = POLLIN, .revents = 0};
      ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>((until - boot_time()).count(), 0)));
      read_events();
      changes = attribution_.changes(window);
    }
  }
  // What rewall does is in the history that it writes, before and after.
  const auto is_ours = [&](std::size_t change) { return changes.changes[change].who.name == "rewall"; };
  if (others_recorded_)
    std::erase_if(changes.undone,
                  [&](const UndoneStep& step) { return is_ours(step.by) || is_ours(step.back_by); });
  return changes;
}

UndoneChanges Watcher::undone_in(const AttributedChanges& changes, std::span<const Owner> owners) {
  if (changes.undone.empty()) return {};
  std::vector<std::string> words(changes.undone.size());
  const auto places = undone_rules(changes, owners);
  std::vector<ToldRule> rules;
  for (const auto place : places)
    rules.push_back({.chain = changes.undone[place].step.chain, .rule = changes.undone[place].step.rule});
  auto said = rules.empty() ? std::vector<std::string>{} : session_.firewall().words_of(rules);
  if (!said) log_debug("rules that are gone cannot be said: {}", escape(said.error().message));
  if (said && said->size() == places.size())
    for (std::size_t i = 0; i < places.size(); ++i) words[places[i]] = std::move((*said)[i]);
  return describe_undone(changes, words, owners);
}

void Watcher::note_recorded(const Recorded& recorded, const RulesetState& state) {
  if (!recorded.changed) return;
  const bool bare = std::ranges::all_of(*state.files, [](const auto& file) { return file.second.empty(); });
  emptied_at_ = bare && !stop_ ? std::optional(boot_time()) : std::nullopt;
  ++metrics_.snapshots;
  metrics_.last_snapshot = now().seconds;
  each_(recorded);
  notify_manager(format("STATUS={} {}\n", recorded.hash.substr(0, 10), escape(recorded.subject)));
}

Status Watcher::commit_state(const RulesetState& state, const Credit& credit, StateDifference difference,
                             std::vector<std::string> notes) {
  Head head{.hash = head_,
            .backends = recorded_.backends,
            .files = *recorded_.files,
            .ruleset = std::move(difference.from)};
  if (expect_) head.files.emplace("expect", *expect_);
  const Capture live{.ruleset = std::move(difference.to),
                     .backends = state.backends,
                     .tools = state.tools,
                     .generation = state.generation,
                     .has_owned = state.has_owned};
  RecordOptions options{.trigger = "watch",
                        .commands = credit.commands,
                        .parts = credit.parts,
                        .actor = credit.author,
                        .notes = credit.notes,
                        .last = stop_};
  std::ranges::move(notes, std::back_inserter(options.notes));
  const PreparedFiles written{.files = state.files, .diff = &difference.diff};
  auto recorded = TRY(record(session_, repository_, head, live, options, &written));
  note_recorded(recorded, state);
  head_ = recorded.hash;
  recorded_ = state;
  return {};
}

// A change of sets has no author, and stands in no snapshot that somebody else is named for. Sets that rules
// need are there before them and go after them: each snapshot can be loaded.
Status Watcher::commit_in_steps(const RulesetState& state, const AttributedChanges& changes,
                                const std::vector<std::string>& notes) {
  static constexpr const char* kBetween =
      "in between: this state was not in force; rules and sets changed together, and nobody knows who "
      "changed "
      "the sets";
  const auto text_of_sets = [](const RulesetState& of) {
    const auto found = of.files->find("ipset");
    return found == of.files->end() ? std::string() : found->second;
  };
  const auto before = TRY(parse_sets(text_of_sets(recorded_), "HEAD:ipset"));
  const auto after = TRY(parse_sets(text_of_sets(state), "LIVE:ipset"));
  const auto more = canonical_text(with_both(before, after));
  const auto step = [&](const RulesetState& rules, const std::string& sets) {
    auto files = std::make_shared<Files>(*rules.files);
    (*files)["ipset"] = sets;
    return RulesetState{.files = std::move(files), .backends = rules.backends, .tools = state.tools};
  };
  const auto commit_step = [&](const RulesetState& to, const Credit& credit,
                               std::vector<std::string> lines) -> Status {
    if (*to.files == *recorded_.files && to.backends == recorded_.backends) return {};
    auto changed = TRY(compare_states(recorded_, to, head_));
    return commit_state(to, credit, std::move(changed), std::move(lines));
  };
  const bool ends_with_rules = more == text_of_sets(state);
  TRY(commit_step(step(recorded_, more), {}, {kBetween}));
  const auto with_rules = ends_with_rules ? state : step(state, more);
  auto changed = TRY(compare_states(recorded_, with_rules, head_));
  const auto credit = credit_of(changes, changed.diff);
  auto lines = notes;
  if (!ends_with_rules) lines.emplace_back(kBetween);
  TRY(commit_state(with_rules, credit, std::move(changed), std::move(lines)));
  return ends_with_rules ? Status{} : commit_step(state, {}, {});
}

Status Watcher::commit(const RulesetState& state, const AttributedChanges& changes,
                       StateDifference difference, std::vector<std::string> notes) {
  const auto credit = credit_of(changes, difference.diff);
  const auto of_sets = [](const Change& change) { return !change.set.empty() && !change.native; };
  const auto& all = difference.diff.changes;
  const bool is_mixed = std::ranges::any_of(all, of_sets) && !std::ranges::all_of(all, of_sets);
  // The end of the system takes all away at once, and is recorded so.
  const bool bare = std::ranges::all_of(*state.files, [](const auto& file) { return file.second.empty(); });
  if (is_mixed && credit.names_anybody() && !bare && !stop_) return commit_in_steps(state, changes, notes);
  return commit_state(state, credit, std::move(difference), std::move(notes));
}

// What was there and is gone changed nothing: the snapshot of the same files says so.
Status Watcher::commit_undone(const AttributedChanges& changes, const UndoneChanges& undone,
                              const std::optional<Generation>& generation) {
  const auto credit = credit_of_undone(changes, undone);
  Head head{.hash = head_, .backends = recorded_.backends, .files = *recorded_.files};
  if (expect_) head.files.emplace("expect", *expect_);
  const Capture live{.backends = recorded_.backends, .tools = recorded_.tools, .generation = generation};
  const RecordOptions options{.message = undone.subject,
                              .trigger = "watch",
                              .commands = credit.commands,
                              .parts = credit.parts,
                              .allow_empty = true,
                              .actor = credit.author,
                              .notes = credit.notes};
  const Diff none;
  const PreparedFiles written{.files = recorded_.files, .diff = &none};
  auto recorded = TRY(record(session_, repository_, head, live, options, &written));
  note_recorded(recorded, recorded_);
  head_ = recorded.hash;
  return {};
}

// Holds a change of foreign rules alone. Commits any other change, after the held ones.
Status Watcher::hold_or_commit(RulesetState state, bool last) {
  const auto& before = held_ ? held_->state : recorded_;
  auto owners = TRY(read_owners(repository_));
  auto changes = changes_between(before, state);
  const auto undone = undone_in(changes, owners);
  const bool same = *state.files == *before.files && state.backends == before.backends;
  auto difference = same ? StateDifference{} : TRY(compare_states(before, state, head_));
  const bool holds =
      !same && !last && !foreign_only(difference.diff, difference.from, difference.to, owners).empty();
  if ((same || holds) && !undone.subject.empty())
    TRY(commit_undone(changes, undone, same && !held_ ? state.generation : std::nullopt));
  const auto count_foreign = [&] {
    for (const auto& [owner, count] : undone.foreign) undone_foreign_[owner] += count;
  };
  if (same) {
    count_foreign();
    (held_ ? held_->state : recorded_).generation = state.generation;
    if (!held_)
      remember_generation(
          repository_,
          {.backends = state.backends, .generation = state.generation, .has_owned = state.has_owned}, head_);
    return {};
  }
  if (holds) {
    count_foreign();
    if (!held_) held_ = HeldChanges{.since = pending_.any() ? pending_.first() : boot_time()};
    held_->state = std::move(state);
    held_->changes.append(std::move(changes));
    return {};
  }
  if (held_) TRY(commit_held());
  TRY(commit(state, changes, std::move(difference), undone.notes));
  count_foreign();
  return {};
}

Status Watcher::record_changes(bool last) {
  auto held = TRY(lock(session_));
  read_events();
  TRY(follow_head());
  const RulesetState base = held_ ? held_->state : recorded_;
  auto state = TRY(read_state(base));
  const auto generation = state.generation;
  TRY(hold_or_commit(std::move(state), last));
  const auto recorded_to = generation ? std::optional(generation->number) : std::nullopt;
  attribution_.forget(recorded_to);
  others_recorded_ = false;
  pending_.drop(recorded_to, boot_time());
  return {};
}

void Watcher::try_to_record() {
  auto done = record_changes(stop_);
  if (done) {
    if (!failure_.empty()) log_info("changes can be recorded again");
    failure_.clear();
    retry_pause_ = kFirstRetry;
    retry_at_ = {};
    metrics_.unrecorded_since = 0;
    run_queued_events(session_);
    return;
  }
  ++metrics_.failures;
  if (metrics_.unrecorded_since == 0) metrics_.unrecorded_since = now().seconds;
  // LIVE is read whole again, so that no change is lost which is still in the kernel.
  pending_.add_everything();
  if (!pending_.any()) pending_.note(boot_time());
  wait_to_retry(done.error().kind);
  if (done.error().message != failure_) {
    failure_ = done.error().message;
    log_warning("cannot record a change, trying again: {}", escape(failure_));
    if (!done.error().hint.empty()) log_warning("{}", escape(done.error().hint));
    notify_manager(format("STATUS=cannot record: {}\n", escape(failure_)));
  }
}

Status Watcher::commit_held() {
  auto difference = TRY(compare_states(recorded_, held_->state, head_));
  std::vector<std::string> notes;
  for (const auto& [owner, count] : undone_foreign_)
    notes.push_back(format("{}: {} that came and went", owner, counted(count, "change")));
  TRY(commit(held_->state, held_->changes, std::move(difference), std::move(notes)));
  undone_foreign_.clear();
  held_.reset();
  return {};
}

void Watcher::try_to_commit_held() {
  const auto done = [&]() -> Status {
    auto locked = TRY(lock(session_));
    TRY(follow_head());
    return held_ ? commit_held() : Status{};
  }();
  if (done) return run_queued_events(session_);
  log_warning("cannot record a foreign change, trying again: {}", escape(done.error().message));
  ++metrics_.failures;
  wait_to_retry(done.error().kind);
}

void Watcher::wait_to_retry(ErrorKind why) {
  retry_at_ = boot_time() + std::max(retry_pause_, budget_.wait());
  // A firewall that changed too often to be read may be stable at any moment.
  const auto longest = why == ErrorKind::capture ? std::max(settings_.latest, kFirstRetry) : kLastRetry;
  retry_pause_ = std::min(2 * retry_pause_, longest);
}

void Watcher::keep_metrics() {
  if (settings_.metrics.empty()) return;
  const auto written = write_metrics(settings_.metrics, metrics_);
  const auto trouble = written ? std::string{} : full_message(written.error());
  if (!trouble.empty() && trouble != metrics_trouble_) log_warning("watch.metrics: {}", escape(trouble));
  metrics_trouble_ = trouble;
}

// Where the system cannot be asked whether it goes down, an empty ruleset right before the end was its work:
// a snapshot of the same files says so.
void Watcher::mark_shutdown() {
  if (!emptied_at_ || boot_time() - *emptied_at_ > kEndOfSystem || system_is_stopping()) return;
  const auto done = [&]() -> Status {
    auto held = TRY(lock(session_));
    auto read = TRY(read_live_and_head(session_, repository_));
    if (read.head.hash != head_) return {};
    TRY(record(session_, repository_, read.head, read.live,
               {.message = "the system went down: the snapshot before is not what boots",
                .trigger = std::string(kShutdown),
                .allow_empty = true,
                .actor = nobody()}));
    return {};
  }();
  if (!done) log_warning("cannot record that the system went down: {}", escape(done.error().message));
}

Status Watcher::run() {
  TRY(open());
  // Changes from before the watch began.
  pending_.add_everything();
  pending_.note(boot_time());
  try_to_record();
  budget_ = CpuBudget(settings_.cpu);
  next_poll_ = boot_time() + settings_.poll;
  keep_metrics();
  notify_manager("READY=1\n");
  while (!stop_) {
    wait();
    notify_manager("WATCHDOG=1\n");
    handle_signals();
    read_events();
    const auto begun = processor_time();
    const bool polls = boot_time() >= next_poll_;
    if (polls) poll();
    const bool records = due() <= boot_time();
    if (records) {
      wait_for_audit();
      try_to_record();
    }
    if (polls) {
      // A poll that takes long comes less often: polls may use half of the budget.
      const auto cost = std::chrono::duration<double, std::milli>(processor_time() - begun);
      next_poll_ =
          boot_time() + std::max(settings_.poll, std::chrono::ceil<milliseconds>(cost * 2 / settings_.cpu));
    }
    if (polls || records) keep_metrics();
    if (held_ && !pending_.any() && held_->since + settings_.foreign <= boot_time() &&
        retry_at_ <= boot_time())
      try_to_commit_held();
  }
  notify_manager("STOPPING=1\n");
  read_events();
  if (pending_.any() || held_) {
    pending_.note(boot_time());
    if (auto done = record_changes(true); !done)
      log_warning("cannot record a change: {}", escape(done.error().message));
    run_queued_events(session_);
    if (held_) try_to_commit_held();
  }
  mark_shutdown();
  return {};
}

std::filesystem::path watch_lock(const std::filesystem::path& state) {
  return StatePaths(state).watch_lock();
}

}  // namespace

pid_t watching_process(const std::filesystem::path& state) {
  return PidLock::process(watch_lock(state), "watch");
}

Status watch(Session& session, const std::function<void(const Recorded&)>& each) {
  raise_limits();
  auto repository = TRY(session.repository());
  auto alone = PidLock::begin(watch_lock(session.state_path()), "watch");
  if (!alone) return error_of<messages::watch_running>(watching_process(session.state_path()));
  TRY(check_network(session));
  auto settings = TRY(read_watch_settings(*repository));
  give_back_large_memory();
  return Watcher(session, *repository, settings, each).run();
}

}  // namespace rewall
