// What the templates expect of packets, held against their rules by the analysis.
#include "rules/template.h"

#include <catch2/catch.hpp>
#include <sstream>
#include <string>

#include "analysis/expectations.h"
#include "analysis/model.h"
#include "core/file.h"
#include "support/templates.h"

using namespace rewall;

namespace {

std::vector<std::string> settings_in(const std::string& values) {
  std::vector<std::string> settings;
  std::istringstream words(values);
  for (std::string word; words >> word;)
    if (word != "--set") settings.push_back(word);
  return settings;
}

struct Held {
  std::size_t count = 0;
  std::string faults{};
};

Held hold(const RulesTemplate& rules, const std::string& given) {
  const auto values = read_place_values(rules, settings_in(given));
  REQUIRE(values);
  Ruleset ruleset;
  ruleset.v4 = tables_of_template(rules, *values, Family::ipv4).value();
  ruleset.v6 = tables_of_template(rules, *values, Family::ipv6).value();
  std::string text;
  for (const auto& line : render_expectations(rules, *values)) text += line + "\n";
  const auto expectations = read_expectations(text, rules.name);
  INFO(text << (expectations ? "" : expectations.error().message));
  REQUIRE(expectations);
  Held held{.count = expectations->size()};
  for (const auto& checked : check_expectations(*expectations, ruleset, HostFacts{}))
    if (checked.answered != Answered::holds) held.faults += checked.text() + "\n";
  return held;
}

}  // namespace

TEST_CASE("the rules of every template do what it expects, by both families") {
  for (const auto& one : filled_templates()) {
    const auto path = std::string(REWALL_SOURCE_DIR "/templates/") + one.name + ".rules";
    const auto rules = parse_template(read_file(path).value(), one.name, path);
    REQUIRE(rules);
    for (const auto& values : {one.needed, one.given}) {
      INFO(one.name << " " << values);
      const auto held = hold(*rules, values);
      CHECK(held.faults == "");
      CHECK(held.count >= 4);
    }
  }
}

TEST_CASE("an expectation of a template that its rules break is seen") {
  const std::string text =
      "# t: for a test\n# place from networks any - who\n# expect drop -i eth0 ! -s $from -p tcp --dport 22\n"
      "# expect accept -i eth0 -s $from -p tcp --dport 22\n*filter\n:INPUT DROP [0:0]\n"
      "-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -s $from -j LOG\nCOMMIT\n";
  const auto rules = parse_template(text, "t", "t");
  REQUIRE(rules);
  CHECK(hold(*rules, "").faults == "");
  const auto held = hold(*rules, "from=192.0.2.1");
  CHECK(held.faults.find("drop -i eth0 ! -s 192.0.2.1 -p tcp --dport 22") != std::string::npos);
  CHECK(held.faults.find("drop -6 -i eth0 -p tcp --dport 22") != std::string::npos);
}
