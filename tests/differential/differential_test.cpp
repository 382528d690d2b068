#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <map>

#include "core/file.h"
#include "differential/bend.h"
#include "ops/history/revision.h"
#include "rules/print.h"
#include "rules/rules_file.h"
#include "support/host.h"

using namespace rewall;

namespace {

/// A whole number of the environment (REWALL_DIFFERENTIAL, ..._SEED, ..._EVERY).
unsigned number(const char* name, unsigned otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

/// How a program took a file: what it refused with, or the save that it left.
struct Ending {
  bool taken = false;
  std::string save{};
  std::string said{};
  bool on_purpose = false;  ///< rewall said that it reads what iptables-restore refuses
};

class Trial {
 public:
  Trial(Backend backend, unsigned seed) : backend_(name(backend)), bender_(corpus(), seed) {}

  void run(unsigned files, unsigned every) {
    for (unsigned i = 0; i < files; ++i) {
      const auto file = bender_.next();
      const auto host = by_host(file);
      judge(file, host, by_reader(file), "reader");
      if (i % every == 0) judge(file, host, by_apply(file), "apply");
    }
    std::cout << backend_ << ": " << files << " files, " << taken_ << " taken by both, " << refused_
              << " refused by both\n";
    for (const auto& [why, count] : listed_) std::cout << "  " << count << " x " << why << "\n";
  }

 private:
  std::string program(const Bender::File& file, const char* what) const {
    return (file.family == Family::ipv4 ? "iptables-" : "ip6tables-") + std::string(backend_) + '-' + what;
  }
  std::string save(const Bender::File& file) const {
    return program(file, "save") + R"( | sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]/[0:0]/')";
  }
  void write(const std::string& name, const std::string& text) const {
    REQUIRE(write_file(host_.folder() / name, text, 0600, Sync::no));
  }

  // In a namespace of its own: nothing of the file before is left.
  Ending by_program(const Bender::File& file, const std::string& text) const {
    write("text", text);
    write("trial", program(file, "restore") + " <text >/dev/null && " + save(file));
    const auto outcome = host_.sh("unshare -n bash -o pipefail trial");
    return {.taken = outcome.status == 0, .save = outcome.out, .said = outcome.err};
  }

  Ending by_host(const Bender::File& file) const { return by_program(file, file.text); }

  Ending by_reader(const Bender::File& file) const {
    auto read = read_rules_file(file.text, file.family, "text");
    if (!read) return {.said = read.error().message};
    if (read->tables.tables.empty()) return {.said = "no table"};
    if (auto good = check_rules(read->tables, "text"); !good) return {.said = good.error().message};
    auto ending = by_program(file, canonical_text(read->tables));
    ending.on_purpose = !read->notes.empty();
    return ending;
  }

  Ending by_apply(const Bender::File& file) const {
    write("text", file.text);
    const std::string options = " --backend " + std::string(backend_) + ' ';
    const std::string family = file.family == Family::ipv4 ? "ipv4" : "ipv6";
    write("trial", "rm -rf \"$REWALL_REPO\"; " + shell_quote(REWALL_PROGRAM) + options +
                       "-q init >/dev/null || exit 9\n" + shell_quote(REWALL_PROGRAM) + options +
                       "apply --yes --family " + family + " text >/dev/null && " + save(file));
    const auto outcome = host_.sh("unshare -n bash -o pipefail trial");
    REQUIRE(outcome.status != 9);
    return {
        .taken = outcome.status == 0,
        .save = outcome.out,
        .said = outcome.err,
        .on_purpose = has(outcome.err, "iptables-restore refuses") || has(outcome.err, "byte order mark")};
  }

  /// Why the two may end differently; empty: there is no reason (tests/README.md has them all).
  std::string reason(const Bender::File& file, const Ending& host, const Ending& ours) const {
    if (has(host.said, "Segmentation fault")) return "iptables-restore crashed";
    if (!host.taken && ours.on_purpose) return "read on purpose, with a note";
    if (!host.taken && backend_ == "legacy" && !file.text.ends_with('\n')) return "no newline at the end";
    if (has(host.said, "RULE_INSERT failed")) return "iptables-nft-restore refers to a rule that it removed";
    if (has(host.said, "No chain/target/match") && has(file.text, "-Z"))
      return "-Z of a chain that nft lacks yet";
    if (ours.taken) return "";
    for (const char* why :
         {"is made twice", "has rules and no declaration", "negates nothing", "invalid counters",
          "cannot have a policy", "missing closing quote", "is longer than", "is not allowed in a rules file",
          "comes twice", "ends within a line", "cannot begin with", "no table"}) {
      if (has(ours.said, why)) return why;
    }
    return "";
  }

  void judge(const Bender::File& file, const Ending& host, const Ending& ours, const char* by) {
    if (host.taken == ours.taken && (!host.taken || same(host.save, ours.save))) {
      ++(host.taken ? taken_ : refused_);
      return;
    }
    const auto why = reason(file, host, ours);
    if (!why.empty()) {
      ++listed_[why];
      return;
    }
    std::cout << "=== by " << by << " on " << backend_ << ", " << name(file.family) << "\n"
              << file.text << "--- iptables-restore: " << host.said << host.save
              << "--- rewall: " << ours.said << ours.save;
    CHECK(false);
  }

  // An empty table is no table, as in a snapshot.
  static bool same(const std::string& one, const std::string& other) {
    const auto canonical = [](const std::string& text) {
      const auto tables = parse_tables(text, Family::ipv4, "save");
      return tables ? canonical_text(*tables) : text;
    };
    return one == other || canonical(one) == canonical(other);
  }

  std::string_view backend_;
  Bender bender_;
  Host host_{};
  std::size_t taken_ = 0;
  std::size_t refused_ = 0;
  std::map<std::string, std::size_t> listed_{};
};

}  // namespace

TEST_CASE("bent rules files end as they do by iptables-restore, or are refused by both") {
  const Backend backend = GENERATE(Backend::nft, Backend::legacy);
  Trial trial(backend, number("REWALL_DIFFERENTIAL_SEED", 1));
  trial.run(number("REWALL_DIFFERENTIAL", 40), number("REWALL_DIFFERENTIAL_EVERY", 20));
}
