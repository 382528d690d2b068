#include "diff/native_script.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "core/format.h"
#include "core/text.h"
#include "diff/diff.h"
#include "kernel_rules.h"
#include "rules/native_meaning.h"
#include "support/corpus.h"
#include "support/native.h"
#include "support/rulesets.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

class NftKernel {
 public:
  NftKernel() {
    if (find_program("nft").empty()) skip_without_kernel("no nft here");
  }

  /// False where nft or the kernel refuses the text.
  bool load(const std::string& text) const {
    return kernel_.run({"nft", "-f", "-"}, "flush ruleset\n" + text).ok();
  }

  std::string list() const {
    const auto listed = kernel_.run({"nft", "-s", "list", "ruleset"});
    REQUIRE(listed.ok());
    return listed.out;
  }

  /// The text as this nft and this kernel say it; nothing where they refuse it.
  std::optional<std::string> listed(const std::string& text) const {
    if (!load(text)) return std::nullopt;
    return list();
  }

  /// Runs the commands that make one of the other, as a person would, and holds the result against nft's own.
  void turn(const std::string& from, const std::string& to) const {
    REQUIRE(load(from));
    const auto lines = commands(native(from), native(to));
    INFO(join(lines, "\n"));
    kernel_.shell(lines);
    // nft sorts elements, but not those of every type: these come in the kernel's order.
    const auto now = list();
    if (!compare(native(now), native(to)).equal()) REQUIRE(now == to);
  }

 private:
  TestKernel kernel_{};
};

std::string spelled(const NftKernel& kernel, const std::string& text) {
  const auto listed = kernel.listed(text);
  REQUIRE(listed);
  return *listed;
}

using Random = std::mt19937;

std::size_t below(Random& random, std::size_t n) {
  return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
}

bool is_rule_line(const std::string& line) {
  return line.starts_with("\t\t") && line.find("elements") == std::string::npos && line[2] != '\t' &&
         !line.starts_with("\t\ttype");
}

/// One line deleted, doubled, moved, added or changed.
void mutate(Lines& lines, Random& random) {
  static const Lines kRules{"\t\taccept", "\t\tcounter packets 0 bytes 0", "\t\tmeta mark 0x00000007 drop",
                            "\t\tmeta mark { 0x00000001, 0x00000002 } return",
                            "\t\tlog prefix \"a; b { c\" comment \"d, e\""};
  std::vector<std::size_t> rules;
  std::vector<std::size_t> elements;
  std::vector<std::size_t> policies;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (is_rule_line(lines[i])) rules.push_back(i);
    if (lines[i].starts_with("\t\t\t     ")) elements.push_back(i);
    if (lines[i].find("policy accept;") != std::string::npos) policies.push_back(i);
  }
  const auto at = [&](const std::vector<std::size_t>& all) { return all[below(random, all.size())]; };
  switch (below(random, 7)) {
    case 0:
      if (!rules.empty()) lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at(rules)));
      break;
    case 1:
      if (!rules.empty()) {
        const auto from = at(rules);
        lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at(rules)), std::string(lines[from]));
      }
      break;
    case 2:
      if (!rules.empty()) std::swap(lines[at(rules)], lines[at(rules)]);
      break;
    case 3:
      if (!rules.empty())
        lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at(rules)),
                     kRules[below(random, kRules.size())]);
      break;
    case 4:
      if (!rules.empty()) lines[at(rules)] = kRules[below(random, kRules.size())];
      break;
    case 5:
      if (!elements.empty()) {
        const auto gone = at(elements);
        if (lines[gone].ends_with(',')) lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(gone));
      }
      break;
    default:
      if (!policies.empty()) {
        auto& line = lines[at(policies)];
        line.replace(line.find("policy accept;"), 14, "policy drop;");
      }
  }
}

std::string mutated(const std::string& text, Random& random) {
  Lines lines;
  for (const auto line : split_lines(text)) lines.emplace_back(line);
  for (std::size_t i = 0; i <= below(random, 3); ++i) mutate(lines, random);
  return join(lines, "\n") + "\n";
}

std::string meaning_of(const Ruleset& ruleset) {
  std::string out;
  write_native_meaning(*ruleset.native, [&](std::string_view piece) { out.append(piece).append("\n"); });
  return out;
}

std::size_t count(const Diff& diff, ChangeKind kind) {
  const auto counts = summary(diff);
  const auto found = counts.find(kind);
  return found == counts.end() ? 0 : found->second;
}

/// What holds of any two rulesets.
void check_diff(const std::string& one, const std::string& other) {
  const auto from = native(one);
  const auto to = native(other);
  CHECK(compare(from, from).identical());
  const auto there = compare(from, to);
  const auto back = compare(to, from);
  CHECK(there.identical() == (one == other));
  CHECK(count(there, ChangeKind::chain_added) == count(back, ChangeKind::chain_removed));
  CHECK(count(there, ChangeKind::set_added) == count(back, ChangeKind::set_removed));
  CHECK(count(there, ChangeKind::policy) == count(back, ChangeKind::policy));
  const bool only_comments = count(there, ChangeKind::comment) == there.changes.size();
  CHECK((meaning_of(from) == meaning_of(to)) == only_comments);
}

}  // namespace

TEST_CASE("a script says what differs in a table and no more") {
  const auto script = [](const std::string& from, const std::string& to) {
    return native_script(native_tables(from), native_tables(to), true);
  };
  const std::string one =
      "table inet t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.1, 192.0.2.2 }\n\t}\n\n"
      "\tchain c {\n\t\ttype filter hook input priority filter; policy accept;\n\t\tip saddr @s "
      "drop\n\t}\n}\n";
  const std::string other =
      "table inet t {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.2, 192.0.2.3 }\n\t}\n\n"
      "\tchain c {\n\t\ttype filter hook input priority filter; policy drop;\n\t\tip saddr @s "
      "accept\n\t}\n}\n";
  CHECK(script(one, one).empty());
  CHECK(script(one, other) ==
        "flush chain inet t c\n"
        "delete element inet t s { 192.0.2.1 }\n"
        "add element inet t s { 192.0.2.3 }\n"
        "table inet t {\n\tchain c {\n\t\tpolicy drop;\n\t\tip saddr @s accept\n\t}\n}\n");
  CHECK(script(one, "") == "delete table inet t\n");
  CHECK(script("", one) == one);
  const std::string raw =
      "table inet t {\n\tchain c {\n\t\ttype filter hook input priority raw; policy accept;\n\t}\n}\n";
  CHECK(script(one, raw) == "delete table inet t\n" + raw);
  // Of what nobody recorded a table may be there.
  CHECK(native_script({}, native_tables(one), false) == "table inet t\ndelete table inet t\n" + one);
}

TEST_CASE("commands for native tables are a here-document for nft") {
  const std::string table = "table ip x {\n}\n";
  CHECK(commands(native(""), native(table)) == Lines{"nft -f - <<'EOF'\n" + table + "EOF"});
  CHECK(commands(native(table), native(table)).empty());
  // Nobody recorded whether the wanted ruleset has any: they stay.
  CHECK(commands(native(table), Ruleset{}).empty());
}

TEST_CASE("the commands for native tables run, and nft lists what is wanted") {
  const NftKernel kernel;
  const auto turn = [&](const std::string& from, const std::string& to) {
    const auto one = spelled(kernel, from);
    const auto other = spelled(kernel, to);
    kernel.turn(one, other);
    kernel.turn(other, one);
  };
  const std::string begin = "table inet t {\n";
  const auto chain = [](const std::string& name, const std::string& lines) {
    return "\tchain " + name + " {\n" + lines + "\t}\n";
  };
  const std::string base = "\t\ttype filter hook input priority 0; policy accept;\n";
  const std::string drop = "\t\ttype filter hook input priority 0; policy drop;\n";
  SECTION("policies and rules") {
    turn(begin + chain("c", base + "\t\ttcp dport 22 accept\n") + "}\n",
         begin + chain("c", drop + "\t\ttcp dport { 80, 443 } accept comment \"a; b\"\n") + "}\n");
  }
  SECTION("jumps that would be a loop for a moment") {
    turn(begin + chain("b", "") + chain("a", "\t\tjump b\n") + "}\n",
         begin + chain("b", "") + chain("a", "") + "\tchain b {\n\t\tjump a\n\t}\n}\n");
  }
  SECTION("a map of verdicts") {
    const auto map = [](const std::string& elements) {
      return "\tmap m {\n\t\ttype inet_service : verdict\n\t\telements = { " + elements + " }\n\t}\n";
    };
    const std::string chains = chain("web", "") + chain("c", base + "\t\ttcp dport vmap @m\n");
    turn(begin + map("22 : accept, 80 : drop") + chains + "}\n",
         begin + map("22 : drop, 81 : accept") + chains + "}\n");
  }
  SECTION("intervals, comments and timeouts") {
    const auto set = [](const std::string& facts, const std::string& elements) {
      return "\tset s {\n\t\ttype ipv4_addr\n" + facts + "\t\telements = { " + elements + " }\n\t}\n";
    };
    turn(begin + set("\t\tflags interval\n", "192.0.2.0/24, 198.51.100.1-198.51.100.9") + "}\n",
         begin + set("\t\tflags interval\n", "192.0.2.0/25, 198.51.100.1") + "}\n");
    turn(begin + set("\t\tflags interval\n\t\tauto-merge\n", "192.0.2.0/24") + "}\n",
         begin + set("\t\tflags interval\n\t\tauto-merge\n", "192.0.2.0/25, 192.0.2.192/26") + "}\n");
    turn(begin + set("", "192.0.2.1 comment \"a\", 192.0.2.2") + "}\n",
         begin + set("", "192.0.2.1 comment \"b\", 192.0.2.3") + "}\n");
    turn(begin + set("\t\tflags timeout\n", "192.0.2.1 timeout 1h, 192.0.2.2") + "}\n",
         begin + set("\t\tflags timeout\n", "192.0.2.1 timeout 2h, 192.0.2.3") + "}\n");
  }
  SECTION("a table keeps its flags and its comment") {
    const std::string dormant = "table ip x {\n\tcomment \"a\"\n\tflags dormant\n";
    turn(dormant + chain("c", base) + "}\n", dormant + chain("c", drop + "\t\taccept\n") + "}\n");
  }
  SECTION("tables, flags and other hooks") {
    turn("table ip x {\n}\ntable ip6 y {\n\tchain c {\n\t\taccept\n\t}\n}\n",
         "table ip x {\n\tflags dormant\n}\ntable bridge z {\n}\n");
    turn(begin + chain("c", base) + "}\n", begin + chain("c", "") + chain("d", "\t\taccept\n") + "}\n");
  }
}

TEST_CASE("the commands turn real native tables into mutated ones") {
  const NftKernel kernel;
  Random random(20250721);
  std::vector<std::filesystem::path> files;
  for (const auto& file : std::filesystem::directory_iterator(corpus() / "nft")) files.push_back(file.path());
  std::ranges::sort(files);
  std::size_t turned = 0;
  for (const auto& file : files) {
    INFO(file);
    const auto from = kernel.listed(contents(file));
    if (!from) continue;  // for another kernel
    for (int i = 0; i < 3; ++i) {
      const auto to = kernel.listed(mutated(*from, random));
      if (!to) continue;
      check_diff(*from, *to);
      kernel.turn(*from, *to);
      ++turned;
    }
  }
  CHECK(turned > 50);
}
