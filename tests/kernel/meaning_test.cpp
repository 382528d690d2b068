#include "rules/meaning.h"

#include <catch2/catch.hpp>
#include <iostream>
#include <random>
#include <set>

#include "core/file.h"
#include "core/text.h"
#include "kernel/process.h"
#include "rules/rules_file.h"
#include "support/corpus.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

using Lines = std::vector<std::string>;

/// So many rules of a line at most.
constexpr std::size_t kRules = 20;

/// A line of spellings.txt.
struct Template {
  std::string families{};
  std::string table{};
  std::string chain{};
  std::vector<Lines> parts{};  ///< what stands there always is the only value of its part
  bool all_equal = false;
};

Template read_template(std::string_view line) {
  Template out;
  out.all_equal = line.starts_with('=');
  if (out.all_equal) line.remove_prefix(1);
  for (auto* word : {&out.families, &out.table, &out.chain}) {
    *word = line.substr(0, line.find(' '));
    line.remove_prefix(word->size() + 1);
  }
  for (bool inside = false; !line.empty(); inside = !inside) {
    const auto end = std::min(line.find(inside ? '}' : '{'), line.size());
    auto& values = out.parts.emplace_back();
    if (inside) {
      for (const auto value : split(line.substr(0, end), '|')) {
        // A bar between quotes is none.
        if (!values.empty() && std::ranges::count(values.back(), '"') % 2 == 1) {
          values.back() += '|' + std::string(value);
        } else {
          values.emplace_back(value);
        }
      }
    } else {
      values.emplace_back(line.substr(0, end));
    }
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return out;
}

/// Rules of a template in which each of its values occurs once at least.
Lines rules_of(const Template& line, std::mt19937& random) {
  std::set<std::string> seen;
  Lines out;
  const auto add = [&](std::size_t fixed, std::size_t value) {
    std::string rule;
    for (std::size_t i = 0; i < line.parts.size(); ++i)
      rule += line.parts[i][i == fixed ? value : random() % line.parts[i].size()];
    const std::string words(trim(rule));
    if (seen.insert(words).second) out.push_back(words);
  };
  for (std::size_t i = 0; i < line.parts.size(); ++i) {
    for (std::size_t value = 0; line.parts[i].size() > 1 && value < line.parts[i].size(); ++value)
      add(i, value);
  }
  for (std::size_t tries = 0; tries < 2 * kRules && out.size() < kRules; ++tries) add(line.parts.size(), 0);
  return out;
}

/// What the host's programs of one family and backend make of rules.
class Programs {
 public:
  Programs(Family family, Backend backend)
      : prefix_((family == Family::ipv4 ? "iptables-" : "ip6tables-") + std::string(name(backend))) {}

  /// The rules as they are saved; nothing when one of them is refused.
  std::optional<Lines> load(const Template& line, const Lines& rules) const {
    std::string text = "*" + line.table + "\n-F " + line.chain + "\n";
    for (const auto& rule : rules) text += "-A " + line.chain + ' ' + rule + '\n';
    const auto restored = run(
        {.words = {"/usr/sbin/" + prefix_ + "-restore", "-n"}, .input = text + "COMMIT\n"}, ErrorKind::usage);
    if (!restored || !restored->ok()) return std::nullopt;
    Lines out;
    const auto begin = "-A " + line.chain;
    const auto printed = saved(prefix_ + "-save -t " + line.table);
    for (const auto rule : split_lines(printed)) {
      if (rule.starts_with(begin)) out.emplace_back(trim(rule.substr(begin.size())));
    }
    if (out.size() != rules.size()) return std::nullopt;
    return out;
  }

 private:
  std::string prefix_;
};

struct Loaded {
  std::string written{};
  std::string saved{};
};

std::vector<Loaded> load_all(const Programs& programs, const Template& line, const Lines& rules) {
  std::vector<Loaded> out;
  if (const auto all = programs.load(line, rules)) {
    for (std::size_t i = 0; i < rules.size(); ++i) out.push_back({rules[i], (*all)[i]});
    return out;
  }
  for (const auto& rule : rules) {
    if (const auto one = programs.load(line, {rule})) out.push_back({rule, one->front()});
  }
  return out;
}

void check_pairs(const std::vector<Loaded>& rules, Family family, bool all_equal) {
  Lines keys;
  for (const auto& rule : rules) {
    INFO(rule.written << "  is saved as  " << rule.saved);
    keys.push_back(meaning(rule.saved, family).key);
    CHECK(meaning(rule.written, family).key == keys.back());
  }
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if ((keys[i] == keys[j]) == (all_equal || rules[i].saved == rules[j].saved)) continue;
      FAIL_CHECK(rules[j].saved << (all_equal ? "  !=  " : "  ==  ") << rules[i].saved);
    }
  }
}

std::string meaning_of(Tables tables, Family family) {
  Ruleset ruleset;
  (family == Family::ipv4 ? ruleset.v4 : ruleset.v6) = std::move(tables);
  std::string key;
  std::string out;
  write_meaning(
      ruleset,
      [&key](std::string_view rule, Family of) -> std::string_view { return key = meaning(rule, of).key; },
      [&out](std::string_view piece) { out.append(piece).append("\n"); });
  return out;
}

}  // namespace

TEST_CASE("every dump of the corpus that loads means the same once the kernel has it") {
  const Backend backend = GENERATE(Backend::nft, Backend::legacy);
  const auto folder = corpus();
  const auto manifest = read_file(folder / "manifest.tsv");
  REQUIRE(manifest);
  int loaded = 0;
  for (const auto line : split_lines(*manifest)) {
    const auto fields = split(line, '\t');  // file, ..., family, rules, test_status, load_status
    // The one with more than 10,000 rules takes as long as all the others.
    if (fields.size() < 9 || fields[8] != "0" || fields[6].size() > 4) continue;
    INFO(fields[0] << " on " << name(backend));
    const auto family = fields[5] == "6" ? Family::ipv6 : Family::ipv4;
    const auto program = (family == Family::ipv4 ? "iptables-" : "ip6tables-") + std::string(name(backend));
    const auto text = contents(folder / "dumps" / std::string(fields[0]));
    const auto written = parse_tables(text, family, "dump");
    if (!written) continue;
    in_lab([&] {
      const auto restored =
          run({.words = {"/usr/sbin/" + program + "-restore"}, .input = text}, ErrorKind::usage);
      if (!restored || !restored->ok()) return;
      ++loaded;
      const auto kept = parse_tables(saved(program + "-save"), family, "saved");
      REQUIRE(kept);
      CHECK(meaning_of(*written, family) == meaning_of(*kept, family));
    });
  }
  CHECK(loaded > 50);
}

TEST_CASE("however a rule is written, what is saved of it means the same, and another rule does not") {
  const Family family = GENERATE(Family::ipv4, Family::ipv6);
  const Backend backend = GENERATE(Backend::nft, Backend::legacy);
  const auto text = read_file(REWALL_SOURCE_DIR "/tests/kernel/spellings.txt");
  REQUIRE(text);
  std::mt19937 random(21);
  std::size_t loaded = 0;
  in_lab([&] {
    shell("ipset create s4 hash:ip counters skbinfo timeout 0; ipset create s5 hash:ip counters");
    const Programs programs(family, backend);
    for (const auto line : split_lines(*text)) {
      if (line.empty() || line.starts_with('#')) continue;
      const auto parts = read_template(line);
      if (parts.families.find(family == Family::ipv4 ? '4' : '6') == std::string::npos) continue;
      const auto rules = load_all(programs, parts, rules_of(parts, random));
      check_pairs(rules, family, parts.all_equal);
      loaded += rules.size();
    }
  });
  std::cout << loaded << " spellings on " << name(backend) << "\n";
  CHECK(loaded > 800);
}
