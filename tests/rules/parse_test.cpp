#include "rules/parse.h"

#include <catch2/catch.hpp>
#include <random>

#include "core/text.h"
#include "rules/print.h"
#include "support/corpus.h"

using namespace rewall;

namespace {

Tables read(const std::string& text, Family family = Family::ipv4) {
  auto tables = parse_saved(text, family, "iptables-save");
  if (!tables) FAIL(tables.error().message);
  return *std::move(tables);
}

std::vector<std::string> words_of(const Tables& tables, std::string_view chain) {
  std::vector<std::string> words;
  for (const auto& rule : tables.tables.at(0).find(chain)->rules) words.emplace_back(rule.words);
  return words;
}

// What iptables-save printed: without its remarks, and without the blanks that people put in later.
std::string as_printed(const std::string& text) {
  std::string out;
  for (auto line : split_lines(text)) {
    while (line.ends_with(' ')) line.remove_suffix(1);
    if (!line.empty() && line[0] != '#') out += std::string(line) + '\n';
  }
  return out;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("no word of a saved rule is anything but a word of the rule") {
  // Each is what iptables-save 1.8.9 prints of a rule that the kernel holds.
  const auto words =
      GENERATE(as<std::string>(),
               "-m hashlimit --hashlimit-above 5/sec --hashlimit-burst 5 --hashlimit-name -6 -j DROP",
               "-i -6 -p tcp -j DROP", "-m helper --helper -4 -j ACCEPT",
               "-m hashlimit --hashlimit-upto 1/sec --hashlimit-burst 5 --hashlimit-name -c -j DROP",
               "-j IDLETIMER --timeout 5 --label -t", "-m comment --comment -A -j DROP",
               "-m comment --comment \"-s a,b\" -j DROP", "-m comment --comment \"x\r\"");
  for (const std::string counters : {"", "[5:600] "}) {
    const auto tables =
        read("*filter\n:INPUT ACCEPT [0:0]\n" + counters + "-A INPUT " + words + "\nCOMMIT\n");
    CHECK(words_of(tables, "INPUT") == Words{words});
    CHECK(tables.tables[0].find("INPUT")->rules[0].counters.has_value() == !counters.empty());
  }
}

TEST_CASE("a chain's name is what stands between the blanks, quotes included") {
  const auto tables = read("*filter\n:a\"b - [0:0]\n-A a\"b -j DROP\nCOMMIT\n");
  CHECK(words_of(tables, "a\"b") == Words{"-j DROP"});
}

TEST_CASE("what iptables-save does not print is refused with its line") {
  const auto [text, message] = GENERATE(table<std::string, std::string>({
      {"*filter\n-I INPUT -j DROP\nCOMMIT\n", "saved:2: unexpected word '-I'"},
      {"*filter\n-6 -A INPUT -j DROP\nCOMMIT\n", "saved:2: unexpected word '-6'"},
      {"*filter\n--append INPUT -j DROP\nCOMMIT\n", "saved:2: unexpected word '--append'"},
      {"*filter\n[1:2] -D INPUT 1\nCOMMIT\n", "saved:2: unexpected word '-D'"},
      {"*filter\n -A INPUT -j DROP\nCOMMIT\n", "saved:2: unexpected word ''"},
      {"*filter\n\"-A INPUT -j ACCEPT\nCOMMIT\n", "saved:2: unexpected word '\"-A'"},
      {"*filter extra\nCOMMIT\n", "saved:1: unknown table 'filter extra'"},
      {"*filter\n:INPUT DROP 0:0\nCOMMIT\n", "saved:2: chain 'INPUT': invalid counters '0:0'"},
      {"*filter\n:MY - [0:0]\n:MY - [0:0]\nCOMMIT\n", "saved:3: chain 'MY' already exists"},
      {"*filter\n:MY ACCEPT [0:0]\nCOMMIT\n",
       "saved:2: chain 'MY' cannot have a policy: it is not a built-in chain of table 'filter'"},
      {"*filter\n-A INPUT -j DROP\r\nCOMMIT\r\n", "saved:3: unexpected word 'COMMIT\\x0d'"},
  }));
  const auto tables = parse_saved(text, Family::ipv4, "saved");
  REQUIRE_FALSE(tables.has_value());
  CHECK(tables.error().message == message);
}

TEST_CASE("strange bytes in a comment are kept whole") {
  const std::string words = "-m comment --comment \"\xff\xfe \x1b[2J \xe2\x80\xae\" -j DROP";
  CHECK(words_of(read("*filter\n-A INPUT " + words + "\nCOMMIT\n"), "INPUT") == Words{words});
  const std::string long_words = "-m comment --comment \"" + std::string(1 << 20, 'x') + "\"";
  CHECK(words_of(read("*filter\n-A INPUT " + long_words + "\nCOMMIT\n"), "INPUT") == Words{long_words});
}

TEST_CASE("a text that comes in pieces reads as it does whole") {
  const auto folder = corpus();
  std::mt19937 random(7);
  for (const auto& row : rows(folder / "manifest.tsv")) {
    const auto& file = row.at("file");
    const auto dump = contents(folder / "dumps" / file);
    std::string text = dump;
    while (!dump.empty() && text.size() < (1U << 19))
      text += dump;  // of a table that comes again the last counts
    const auto whole = parse_saved(text, family_of(row), file);
    TablesStream stream(family_of(row), file);
    for (std::size_t at = 0; at < text.size();) {
      const auto size = std::uniform_int_distribution<std::size_t>(1, 1U << 17)(random);
      stream.take(std::string_view(text).substr(at, size));
      at += size;
    }
    const auto read = stream.finish();
    INFO(file);
    REQUIRE(static_cast<bool>(read) == static_cast<bool>(whole));
    if (whole) {
      CHECK(canonical_text(*read) == canonical_text(*whole));
    } else {
      CHECK(read.error().message == whole.error().message);
    }
  }
}

TEST_CASE("what iptables-save printed comes back byte for byte") {
  const auto folder = corpus();
  int saved = 0;
  for (const auto& row : rows(folder / "manifest.tsv")) {
    const auto text = contents(folder / "dumps" / row.at("file"));
    // Files of other origin may order their lines as they like.
    if (text.find("-save v1.") == std::string::npos) continue;
    const auto tables = parse_saved(text, family_of(row), row.at("file"));
    if (!tables) continue;
    INFO(row.at("file"));
    CHECK(print_tables(*tables) == as_printed(text));
    ++saved;
  }
  WARN(saved << " dumps of iptables-save compared");
  CHECK(saved >= 10);
}

TEST_CASE("no saved rule names the program that loads modules") {
  const auto saved = [](const std::string& rule) {
    return parse_saved("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT " + rule + "\nCOMMIT\n", Family::ipv4,
                       "rules.v4");
  };
  const auto refused =
      GENERATE(as<std::string>(), "-M /tmp/evil -j ACCEPT", "-j ACCEPT -M/tmp/evil",
               "-j ACCEPT --modprobe=/tmp/evil", "--mod /tmp/evil -j ACCEPT", "\"-M\" /tmp/evil",
               "\"-\\M\" /tmp/evil", "-m unknown -M /tmp/evil", "-j UNKNOWN --modprobe /tmp/evil");
  CAPTURE(refused);
  CHECK_FALSE(saved(refused));
  // Values of other options.
  for (const char* taken : {"-j LOG --log-prefix -M", "-m comment --comment -M -j ACCEPT",
                            "-m comment --comment \"a \\\"--modprobe=x\\\" b\" -j ACCEPT",
                            "-m statistic --mode random --probability 0.5 -j DROP", "-j CHAIN-M"}) {
    CAPTURE(taken);
    CHECK(saved(taken));
  }
}
