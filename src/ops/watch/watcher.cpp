#include "ops/watch/watcher.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "core/format.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/text.h"
#include "core/time.h"
#include "kernel/audit.h"
#include "kernel/events.h"
#include "ops/context/event_hooks.h"
#include "ops/context/pid_lock.h"
#include "ops/context/ruleset_files.h"
#include "ops/context/settings.h"
#include "ops/context/state_paths.h"
#include "ops/context/systemd.h"
#include "ops/guard/guard_state.h"
#include "ops/history/generation_cache.h"
#include "ops/history/record.h"
#include "ops/restore/recovery.h"
#include "ops/watch/attribution.h"
#include "rules/print.h"
#include "rules/splice.h"
#include "rules/text_delta.h"

namespace rewall {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNever = milliseconds::max();
constexpr milliseconds kFirstRetry{1000};
constexpr milliseconds kLastRetry{30000};
// More are read faster with all the others.
constexpr std::size_t kMostChains = 256;
constexpr int kAttempts = 5;

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

/// What LIVE was at a generation, as the texts of a snapshot.
struct State {
  std::shared_ptr<const Files> files = std::make_shared<const Files>();
  std::string backends{};
  std::string tools{};
  std::optional<Generation> generation{};
};

/// What is known to have changed since, and by which generation.
struct Touched {
  struct Last {
    bool there = true;
    std::uint32_t generation = 0;
  };
  std::map<ChainName, Last> chains{};
  std::optional<std::uint32_t> more{};  ///< what chains do not tell
  bool whole = false;                   ///< nobody knows what
  milliseconds first = kNever;
  milliseconds last{};

  bool any() const { return first != kNever; }
  void at(milliseconds time) {
    first = std::min(first, time);
    last = time;
  }
  void add(const Committed& transaction) {
    for (const auto& [name, there] : transaction.chains)
      chains[name] = {.there = there, .generation = transaction.generation};
    if (transaction.more) more = transaction.generation;
  }
  std::map<ChainName, bool> names() const {
    std::map<ChainName, bool> all;
    for (const auto& [name, change] : chains) all.emplace(name, change.there);
    return all;
  }
  /// All that is not later than `generation` is known now.
  void drop(const std::optional<Generation>& generation) {
    const auto known = [&](std::uint32_t other) {
      return !generation || !is_after(other, generation->number);
    };
    std::erase_if(chains, [&](const auto& entry) { return known(entry.second.generation); });
    if (more && known(*more)) more.reset();
    whole = false;
    first = kNever;
    if (!chains.empty() || more) at(boot_time());
  }
};

/// A change of foreign parts alone, which waits for more of the kind.
struct Held {
  State state{};
  Attribution::Taken doers{};
  milliseconds since{};
};

/// Two states by what they do not share, and what turns the one into the other.
struct Difference {
  Ruleset from{};
  Ruleset to{};
  Diff diff{};
};

Difference difference_of(const State& from, const State& to) {
  Files one;
  Files two;
  for (const auto& [name, text] : *from.files) {
    const auto other = to.files->find(name);
    if (other == to.files->end())
      one[name] = text;
    else if (name.starts_with("rules.") && is_canonical(text) && from.backends == to.backends)
      std::tie(one[name], two[name]) = unlike_chains(text, other->second);
    else if (text != other->second)
      std::tie(one[name], two[name]) = std::pair{text, other->second};
  }
  for (const auto& [name, text] : *to.files)
    if (!from.files->contains(name)) two[name] = text;
  auto first = ruleset_of(std::move(one), "HEAD:", from.backends);
  auto second = ruleset_of(std::move(two), "LIVE:", to.backends);
  Difference difference{.from = first ? *std::move(first) : Ruleset{},
                        .to = second ? *std::move(second) : Ruleset{}};
  difference.diff = compare(difference.from, difference.to);
  return difference;
}

Attribution::Tables legacy_tables(const State& state) {
  Attribution::Tables tables;
  for (const auto& [name, text] : *state.files)
    if (name.ends_with(".legacy") || (state.backends == "legacy" && name.starts_with("rules.")))
      add_tables(text, name.starts_with("rules.v4") ? Family::ipv4 : Family::ipv6, tables);
  return tables;
}

void add(Attribution::Taken& doers, Attribution::Taken more) {
  std::ranges::move(more.deeds, std::back_inserter(doers.deeds));
  doers.left_out += more.left_out;
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
  void hear();
  void heed_signals();
  void reload();
  void poll();

  void try_to_record();
  Status record_changes(bool last);
  Status catch_up();
  Result<State> read_state(const State& base);
  Result<std::optional<State>> read_chains(const State& base);
  std::optional<Generation> generation_heard();
  void collect_doers(const State& before, const State& after);
  Status settle(State state, bool last);
  /// `difference`: from what HEAD says.
  Status commit(const State& state, const Attribution::Taken& doers, Difference difference);
  void commit_held();
  void wait_to_retry(ErrorKind why);
  void keep_metrics();

  Session& session_;
  Repository& repository_;
  WatchSettings settings_;
  const std::function<void(const Recorded&)>& each_;
  CpuBudget budget_;
  Metrics metrics_{};
  Fd epoll_{};
  Fd signals_{};
  std::optional<FirewallEvents> events_{};
  std::optional<AuditTrail> audit_{};
  Attribution deeds_{};
  Attribution::Taken doers_{};  ///< of what is not in the history yet, nor held

  std::string head_{};  ///< the snapshot that `known_` is
  State known_{};
  std::optional<std::string> expect_{};  ///< its expectations, which are no part of LIVE
  std::optional<Held> held_{};
  Touched touched_{};
  milliseconds next_poll_{};
  milliseconds retry_at_{};
  milliseconds retry_pause_ = kFirstRetry;
  std::string failure_{};
  bool stop_ = false;
};

Status Watcher::open() {
  sigset_t heard;
  ::sigemptyset(&heard);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&heard, number);
  ::sigprocmask(SIG_BLOCK, &heard, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_.reset(::signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK));
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!signals_ || !epoll_)
    return Error{.kind = ErrorKind::usage, .message = format("watch: {}", errno_text(errno))};
  listen(signals_.get());
  if (session_.backend() != BackendChoice::legacy) events_ = FirewallEvents::open();
  if (events_)
    listen(events_->fd());
  else if (session_.backend() != BackendChoice::legacy)
    log_warning("nf_tables tells nothing here: the firewall is read every {}", time_text(settings_.poll));
  audit_ = AuditTrail::open();
  if (audit_) listen(audit_->fd());
  if (!audit_ || audit_enabled() == false)
    log_info(
        "auditing is {}: snapshots will say less of who made a change ('auditctl -e 1' of the package "
        "auditd)",
        audit_ ? "off" : "not to be heard");
  return {};
}

void Watcher::listen(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

milliseconds Watcher::due() {
  if (!touched_.any()) return kNever;
  const auto latest = touched_.first + settings_.latest;
  auto at = std::min(touched_.last + settings_.settle, latest);
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

void Watcher::hear() {
  if (events_) {
    auto news = events_->read();
    if (news.lost) {
      ++metrics_.lost;
      touched_.whole = true;
      touched_.at(boot_time());
    }
    for (const auto& transaction : news.transactions) {
      if (!transaction.touches()) continue;
      deeds_.add(transaction);
      touched_.add(transaction);
      touched_.at(boot_time());
    }
  }
  if (!audit_) return;
  for (auto& record : audit_->read()) deeds_.add(std::move(record));
  if (session_.backend() != BackendChoice::nft && deeds_.legacy_news()) {
    touched_.whole = true;
    touched_.at(boot_time());
  }
}

void Watcher::heed_signals() {
  signalfd_siginfo told{};
  while (::read(signals_.get(), &told, sizeof told) > 0) {
    if (told.ssi_signo == SIGHUP)
      reload();
    else
      stop_ = true;
  }
}

void Watcher::reload() {
  auto settings = read_watch_settings(repository_);
  if (!settings) {
    log_warning("the settings cannot be read, and stay: {}", escape(settings.error().message));
    return;
  }
  settings_ = *std::move(settings);
  budget_ = CpuBudget(settings_.cpu);
  next_poll_ = boot_time() + settings_.poll;
  log_info("the settings were read again");
}

// What nobody tells of: sets; the legacy backend, as audit may be off, or lose records when there are many;
// all where there is no nf_tables.
void Watcher::poll() {
  const bool legacy = session_.backend() != BackendChoice::nft && session_.firewall().legacy_tables();
  auto sets = session_.firewall().sets();
  const auto& state = held_ ? held_->state : known_;
  const auto recorded = state.files->find("ipset");
  if (legacy || !events_ || !sets ||
      canonical_text(*sets) != (recorded == state.files->end() ? "" : recorded->second)) {
    touched_.whole = touched_.whole || legacy || !events_;
    touched_.at(boot_time() - settings_.settle);
  }
}

Status Watcher::catch_up() {
  auto head = TRY(repository_.head());
  if (head.empty() || head == head_) return {};
  auto snapshot = TRY(repository_.snapshot(head));
  auto files = TRY(repository_.files(head));
  const auto seen = read_cached_generation(repository_);
  expect_ = files.contains("expect") ? std::optional(files.at("expect")) : std::nullopt;
  files.erase("expect");
  known_ = {.files = std::make_shared<const Files>(std::move(files)),
            .backends = snapshot.trailers.backend,
            .tools = snapshot.trailers.tools};
  head_ = std::move(head);
  held_.reset();
  if (!seen || seen->head != head_) return {};
  // What LIVE was when somebody else recorded it: their changes have their names there.
  known_.generation = seen->generation;
  deeds_.take(seen->generation.number, {}, {});
  const bool is_all =
      session_.firewall().generation() == seen->generation && !session_.firewall().legacy_tables();
  const bool whole = touched_.whole && !is_all;
  touched_.drop(seen->generation);
  touched_.whole = whole;
  return {};
}

/// The generation now; every transaction up to it has been heard.
std::optional<Generation> Watcher::generation_heard() {
  // A transaction is told of before the next one, or the question for the generation, may begin
  // (nf_tables_commit in net/netfilter/nf_tables_api.c).
  auto generation = session_.firewall().generation();
  hear();
  return generation;
}

// The base with the chains that changed since: as they were at one generation, if none of them changed while
// they were read.
Result<std::optional<State>> Watcher::read_chains(const State& base) {
  const auto place_of = [](const Generation& generation) {
    return std::pair{generation.boot, generation.network};
  };
  if (!base.generation || base.backends != name(Backend::nft) || session_.firewall().legacy_tables() ||
      base.files->contains("rules.v4.legacy") || base.files->contains("rules.v6.legacy"))
    return std::optional<State>{};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto now = generation_heard();
    if (!now || now->network == 0 || place_of(*now) != place_of(*base.generation) || touched_.whole ||
        touched_.more || touched_.chains.size() > kMostChains)
      return std::optional<State>{};
    // What nobody told of: not of iptables.
    const auto chains = touched_.names();
    auto sets = TRY(session_.firewall().sets());
    auto tables = chains.empty() ? std::optional(std::vector<ChainsOfTable>{}) : std::nullopt;
    if (!tables) {
      auto read = TRY(session_.firewall().read_chains(chains));
      tables = std::move(read);
    }
    generation_heard();
    const bool of_one_piece = std::ranges::none_of(chains, [&](const auto& chain) {
      return is_after(touched_.chains[chain.first].generation, now->number);
    });
    if (!of_one_piece || touched_.more) continue;
    if (!tables) return std::optional<State>{};
    auto files = std::make_shared<Files>(*base.files);
    (*files)["ipset"] = canonical_text(sets);
    for (const auto& table : *tables) {
      auto& text = (*files)[std::string(file_name({table.family}))];
      auto spliced = with_chains(text, table.table, table.chains);
      if (!spliced) return std::optional<State>{};
      text = *std::move(spliced);
    }
    return std::optional(
        State{.files = std::move(files), .backends = base.backends, .tools = base.tools, .generation = now});
  }
  return std::optional<State>{};
}

Result<State> Watcher::read_state(const State& base) {
  auto read = TRY(read_chains(base));
  if (read) return *std::move(read);
  auto capture = TRY(session_.capture());
  hear();
  return State{.files = std::make_shared<const Files>(files_of(capture.ruleset)),
               .backends = capture.backends,
               .tools = capture.tools,
               .generation = capture.generation};
}

void Watcher::collect_doers(const State& before, const State& after) {
  const auto generation =
      after.generation ? std::optional(after.generation->number) : std::optional<std::uint32_t>{};
  add(doers_, deeds_.take(generation, legacy_tables(before), legacy_tables(after)));
}

Status Watcher::commit(const State& state, const Attribution::Taken& doers, Difference difference) {
  Head head{.hash = head_,
            .backends = known_.backends,
            .files = *known_.files,
            .ruleset = std::move(difference.from)};
  if (expect_) head.files.emplace("expect", *expect_);
  const Capture live{.ruleset = std::move(difference.to),
                     .backends = state.backends,
                     .tools = state.tools,
                     .generation = state.generation};
  RecordOptions options{.trigger = "watch", .actor = nobody()};
  for (const auto& deed : doers.deeds) {
    if (options.commands.empty() || options.commands.back() != command_of(deed))
      options.commands.push_back(command_of(deed));
    options.notes.push_back(text_of(deed));
  }
  if (!doers.deeds.empty()) options.actor = actor_of(doers.deeds.front().who);
  if (doers.left_out > 0) options.notes.push_back(format("and {} more", counted(doers.left_out, "change")));
  const PreparedFiles written{.files = state.files, .diff = &difference.diff};
  auto recorded = TRY(record(session_, repository_, head, live, options, &written));
  if (recorded.changed) {
    ++metrics_.snapshots;
    metrics_.last_snapshot = now().seconds;
    each_(recorded);
    notify_manager(format("STATUS={} {}\n", recorded.hash.substr(0, 10), escape(recorded.subject)));
  }
  head_ = recorded.hash;
  known_ = state;
  return {};
}

// Holds what is foreign alone; what is not goes into the history, behind what was held.
Status Watcher::settle(State state, bool last) {
  const auto& before = held_ ? held_->state : known_;
  if (*state.files == *before.files && state.backends == before.backends) {
    doers_ = {};
    (held_ ? held_->state : known_).generation = state.generation;
    if (!held_)
      remember_generation(repository_, {.backends = state.backends, .generation = state.generation}, head_);
    return {};
  }
  auto owners = TRY(read_owners(repository_));
  auto difference = difference_of(before, state);
  if (!last && !foreign_only(difference.diff, difference.from, difference.to, owners).empty()) {
    if (!held_) held_ = Held{.since = touched_.any() ? touched_.first : boot_time()};
    held_->state = std::move(state);
    add(held_->doers, std::exchange(doers_, {}));
    return {};
  }
  if (held_) {
    TRY(commit(held_->state, held_->doers, difference_of(known_, held_->state)));
    held_.reset();
  }
  auto done = commit(state, doers_, std::move(difference));
  if (done) doers_ = {};
  return done;
}

Status Watcher::record_changes(bool last) {
  auto held = TRY(lock(session_));
  hear();
  TRY(catch_up());
  const State base = held_ ? held_->state : known_;
  auto state = TRY(read_state(base));
  const auto generation = state.generation;
  collect_doers(base, state);
  TRY(settle(std::move(state), last));
  touched_.drop(generation);
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
  // All is read again: nothing is lost that is still in the kernel.
  touched_.whole = true;
  if (!touched_.any()) touched_.at(boot_time());
  wait_to_retry(done.error().kind);
  if (done.error().message != failure_) {
    failure_ = done.error().message;
    log_warning("a change could not be recorded, and is tried again: {}", escape(failure_));
    if (!done.error().hint.empty()) log_warning("{}", escape(done.error().hint));
    notify_manager(format("STATUS=cannot record: {}\n", escape(failure_)));
  }
}

void Watcher::commit_held() {
  const auto done = [&]() -> Status {
    auto locked = TRY(lock(session_));
    if (auto good = catch_up(); !good || !held_) return good;
    TRY(commit(held_->state, held_->doers, difference_of(known_, held_->state)));
    held_.reset();
    return {};
  }();
  if (done) return run_queued_events(session_);
  log_warning("a foreign change could not be recorded, and is tried again: {}", escape(done.error().message));
  ++metrics_.failures;
  wait_to_retry(done.error().kind);
}

void Watcher::wait_to_retry(ErrorKind why) {
  retry_at_ = boot_time() + std::max(retry_pause_, budget_.wait());
  // A firewall that did not rest long enough to be read may rest any moment.
  const auto longest = why == ErrorKind::capture ? std::max(settings_.latest, kFirstRetry) : kLastRetry;
  retry_pause_ = std::min(2 * retry_pause_, longest);
}

void Watcher::keep_metrics() {
  if (settings_.metrics.empty()) return;
  if (auto written = write_metrics(settings_.metrics, metrics_); !written)
    log_warning("{}", escape(written.error().message));
}

Status Watcher::run() {
  TRY(open());
  // What happened while nobody watched.
  touched_.whole = true;
  touched_.at(boot_time());
  try_to_record();
  budget_ = CpuBudget(settings_.cpu);
  next_poll_ = boot_time() + settings_.poll;
  keep_metrics();
  notify_manager("READY=1\n");
  while (!stop_) {
    wait();
    notify_manager("WATCHDOG=1\n");
    heed_signals();
    hear();
    const auto begun = processor_time();
    const bool polls = boot_time() >= next_poll_;
    if (polls) poll();
    const bool records = due() <= boot_time();
    if (records) try_to_record();
    if (polls) {
      // What takes long to look at is looked at less often: in half of the budget.
      const auto cost = std::chrono::duration<double, std::milli>(processor_time() - begun);
      next_poll_ =
          boot_time() + std::max(settings_.poll, std::chrono::ceil<milliseconds>(cost * 2 / settings_.cpu));
    }
    if (polls || records) keep_metrics();
    if (held_ && !touched_.any() && held_->since + settings_.foreign <= boot_time() &&
        retry_at_ <= boot_time())
      commit_held();
  }
  notify_manager("STOPPING=1\n");
  hear();
  if (touched_.any() || held_) {
    touched_.at(boot_time());
    if (auto done = record_changes(true); !done)
      log_warning("a change could not be recorded: {}", escape(done.error().message));
    run_queued_events(session_);
    if (held_) commit_held();
  }
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
  auto repository = TRY(session.repository());
  auto alone = PidLock::begin(watch_lock(session.state_path()), "watch");
  if (!alone)
    return Error{.kind = ErrorKind::refused,
                 .message = format("another 'rewall watch' is at work here (process {})",
                                   watching_process(session.state_path()))};
  auto settings = TRY(read_watch_settings(*repository));
  give_back_large_memory();
  return Watcher(session, *repository, settings, each).run();
}

}  // namespace rewall
