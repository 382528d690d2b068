#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <map>

#include "core/file.h"
#include "differential/bend.h"
#include "differential/reasons.h"
#include "kernel/process.h"
#include "ops/history/revision.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules_file.h"
#include "support/host.h"
#include "support/scratch_namespace.h"

using namespace rewall;

namespace {

/// A whole number of the environment (REWALL_DIFFERENTIAL, ..._SEED, ..._EVERY).
unsigned number(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

double seconds_of(int who) {
  rusage used{};
  getrusage(who, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class Trial {
 public:
  Trial(Backend backend, unsigned seed) : backend_(backend), bender_(corpus(), seed) {
    for (const auto family : {Family::ipv4, Family::ipv6}) {
      restore_[family] = find_program(program(family, "restore"));
      save_[family] = find_program(program(family, "save"));
      REQUIRE_FALSE(restore_[family].empty());
      REQUIRE_FALSE(save_[family].empty());
    }
  }

  void run(unsigned files, unsigned every) {
    for (unsigned i = 0; i < files; ++i) {
      const auto file = bender_.next();
      judge(file);
      if (i % every == 0) judge_apply(file);
    }
    std::cout << name(backend_) << ": " << files << " files, " << taken_ << " taken by both, " << refused_
              << " refused by both, "
              << static_cast<long>(seconds_of(RUSAGE_SELF) + seconds_of(RUSAGE_CHILDREN))
              << " s of the processor so far\n";
    for (const auto& [why, count] : listed_) std::cout << "  " << count << " x " << why << std::endl;
  }

 private:
  std::string program(Family family, const char* what) const {
    return (family == Family::ipv4 ? "iptables-" : "ip6tables-") + std::string(name(backend_)) + '-' + what;
  }

  // In a namespace of its own: nothing of the file before is left.
  Ending by_program(Family family, const std::string& text) const {
    Ending ending;
    const auto space = scratch_namespace();
    // The lock of others is not waited for.
    const std::string lock = "XTABLES_LOCKFILE=" + (host_.folder() / "lock").string();
    const auto start = [&](std::vector<std::string> words, std::string input) {
      auto outcome = rewall::run(
          {.words = std::move(words), .input = std::move(input), .environment = {lock}}, ErrorKind::kernel);
      if (!outcome) FAIL(outcome.error().message);
      return *std::move(outcome);
    };
    REQUIRE(space.run([&] {
      auto restored = start({restore_.at(family)}, text);
      ending = {.taken = restored.ok(), .said = std::move(restored.err), .signal = restored.signal};
      if (!ending.taken) return;
      auto saved = start({save_.at(family)}, "");
      ending.taken = saved.ok();
      ending.said += saved.err;
      ending.save = without_counters(saved.out);
    }));
    return ending;
  }

  Ending by_reader(Family family, const std::string& text) const {
    auto read = read_rules_file(text, family, "text");
    if (!read) return {.said = read.error().message};
    if (read->tables.tables.empty()) return {.said = "no table"};
    if (auto good = check_rules(read->tables, "text"); !good) return {.said = good.error().message};
    return by_program(family, canonical_text(read->tables));
  }

  Ending by_apply(const Bender::File& file) const {
    REQUIRE(write_file(host_.folder() / "text", file.text, 0600, Sync::no));
    const std::string options = " --backend " + std::string(name(backend_)) + ' ';
    const std::string family = file.family == Family::ipv4 ? "ipv4" : "ipv6";
    REQUIRE(write_file(host_.folder() / "trial",
                       "rm -rf \"$REWALL_REPO\"; " + shell_quote(REWALL_PROGRAM) + options +
                           "-q init >/dev/null || exit 9\n" + shell_quote(REWALL_PROGRAM) + options +
                           "apply --yes --exact --family " + family + " text >/dev/null && " +
                           program(file.family, "save"),
                       0600, Sync::no));
    const auto outcome = host_.sh("unshare -n bash trial");
    REQUIRE(outcome.status != 9);
    return {.taken = outcome.status == 0, .save = without_counters(outcome.out), .said = outcome.err};
  }

  // No line of a save begins with '#' or '[' but remarks.
  static std::string without_counters(const std::string& text) {
    const auto tables = parse_saved(text, Family::ipv4, "save");
    return tables ? canonical_text(*tables) : text;
  }

  /// Why the two end differently in this text, and in all that is left of it without the reason; empty: they
  /// do not. False: for no reason.
  bool explain(Family family, const std::string& text, std::vector<std::string>& reasons) const {
    const auto host = by_program(family, text);
    const auto ours = by_reader(family, text);
    if (same(host, ours)) return true;
    if (host.taken && !ours.taken && !by_program(family, host.save).taken) {
      reasons.emplace_back("what iptables-save says does not load");
      return true;
    }
    const auto why = reason(backend_, family, text, host, ours);
    constexpr std::size_t kMost = 8;
    if (!why || reasons.size() == kMost) return false;
    reasons.push_back(why->name);
    return !why->rest || explain(family, *why->rest, reasons);
  }

  void judge(const Bender::File& file) {
    const auto host = by_program(file.family, file.text);
    const auto ours = by_reader(file.family, file.text);
    if (same(host, ours)) {
      ++(host.taken ? taken_ : refused_);
      return;
    }
    std::vector<std::string> reasons;
    if (explain(file.family, file.text, reasons)) {
      for (const auto& why : reasons) ++listed_[why];
      return;
    }
    report(file, "reader", host, ours);
    for (const auto& why : reasons) std::cout << "but for: " << why << std::endl;
  }

  // The command ends as the reader does, but where what iptables-save says makes another rule.
  void judge_apply(const Bender::File& file) {
    const auto ours = by_reader(file.family, file.text);
    const auto applied = by_apply(file);
    if (same(ours, applied)) return;
    if (ours.taken && !applied.taken && !same(by_program(file.family, ours.save), ours))
      ++listed_["apply: what iptables-save says of a rule makes another"];
    else
      report(file, "apply", ours, applied);
  }

  void report(const Bender::File& file, const char* by, const Ending& host, const Ending& ours) const {
    std::cout << "=== by " << by << " on " << name(backend_) << ", " << name(file.family) << "\n"
              << file.text << "--- iptables-restore: " << host.said << host.save
              << "--- rewall: " << ours.said << ours.save << std::endl;
    CHECK(false);
  }

  Backend backend_;
  Bender bender_;
  Host host_{};
  std::map<Family, std::string> restore_{};
  std::map<Family, std::string> save_{};
  std::size_t taken_ = 0;
  std::size_t refused_ = 0;
  std::map<std::string, std::size_t> listed_{};
};

void run(Backend backend) {
  Trial trial(backend, number("REWALL_DIFFERENTIAL_SEED", 1));
  trial.run(number("REWALL_DIFFERENTIAL", 40), number("REWALL_DIFFERENTIAL_EVERY", 20));
}

}  // namespace

TEST_CASE("bent rules files end as they do by iptables-nft-restore, or are refused by both", "[nft]") {
  run(Backend::nft);
}

TEST_CASE("bent rules files end as they do by iptables-legacy-restore, or are refused by both", "[legacy]") {
  run(Backend::legacy);
}
