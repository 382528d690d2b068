// Files of many lines: the time to read one grows with its length, and not with its square.
#include <catch2/catch.hpp>

#include "core/format.h"
#include "rules/parse.h"
#include "rules/rules_file.h"
#include "rules/sets.h"
#include "support/cpu_time.h"

namespace rewall {
namespace {

// Twenty thousand lines took a minute and more where each looked at all before it.
constexpr int kMany = 20'000;
constexpr std::chrono::seconds kEnough{24};

template <class Line>
std::string lines(Line line) {
  std::string all;
  for (int i = 0; i < kMany; ++i) all += line(i);
  return all;
}

// The table `filter`, with the text that its rules are views of.
struct Read {
  Tables tables{};
  const std::vector<Chain>& chains() const { return tables.tables.at(0).chains; }
  std::string rule(std::size_t place) const {
    return std::string(chains().at(0).rules.at(place).words) + "\n";
  }
};

Read read(const std::string& text) {
  Read table;
  CHECK(cpu_time([&] {
          auto file =
              read_rules_file("*filter\n:INPUT ACCEPT [0:0]\n" + text + "COMMIT\n", Family::ipv4, "r");
          if (!file) FAIL(file.error().message);
          table.tables = std::move(file->tables);
        }) < kEnough);
  return table;
}

Sets read_sets(const std::string& text) {
  Sets sets;
  CHECK(cpu_time([&] {
          auto read = parse_sets(text, "s", SetsText::by_hand);
          if (!read) FAIL(read.error().message);
          sets = *std::move(read);
        }) < kEnough);
  return sets;
}

std::string rule(int i) {
  return format("-s 10.0.{}.{} -j DROP\n", i / 256, i % 256);
}

}  // namespace

TEST_CASE("chains that are made and removed again") {
  const auto some = lines([](int i) { return "-A INPUT " + rule(i); });
  const auto made = lines([](int i) { return format("-N c{}\n", i); });
  CHECK(read(some + made + lines([](int i) { return format("-X c{}\n", i); })).chains().size() == 1);
  CHECK(read(some + lines([](int i) { return format("-N c{0}\n-X c{0}\n", i); })).chains().size() == 1);
  CHECK(read(lines([](int i) { return "-A INPUT " + rule(i) + format("-N c{}\n", i); })).chains().size() ==
        kMany + 1);
  const auto renamed = read(made + lines([](int i) { return format("-E c{0} d{0}\n", i); }));
  CHECK(renamed.chains().at(1).name == "d0");
  CHECK(renamed.chains().at(kMany).name == format("d{}", kMany - 1));
  CHECK(read(made + lines([](int) { return "-F\n"; })).chains().size() == kMany + 1);
}

TEST_CASE("rules that are put before others, in their place and taken out") {
  const auto added = lines([](int i) { return "-A INPUT " + rule(i); });
  const auto first = read(lines([](int i) { return "-I INPUT " + rule(i); }));
  CHECK(first.rule(0) == rule(kMany - 1));
  CHECK(first.rule(kMany - 1) == rule(0));
  const auto between = read(lines([](int i) { return format("-I INPUT {} ", i / 2 + 1) + rule(i); }));
  CHECK(between.rule(0) == rule(1));
  CHECK(between.rule(kMany - 1) == rule(0));
  CHECK(read(added + lines([](int) { return "-D INPUT 1\n"; })).chains().at(0).rules.empty());
  CHECK(read(added + lines([](int i) { return "-D INPUT " + rule(kMany - 1 - i); }))
            .chains()
            .at(0)
            .rules.empty());
  const auto replaced = read(added + lines([](int i) { return format("-R INPUT {} ", i + 1) + rule(0); }));
  CHECK(replaced.rule(kMany - 1) == rule(0));
}

TEST_CASE("members that are added and taken out") {
  const auto member = [](int i) { return format(" a 10.0.{}.{}\n", i / 256, i % 256); };
  const auto added = "create a hash:ip\n" + lines([&](int i) { return "add" + member(i); });
  CHECK(read_sets(added + lines([&](int i) { return "del" + member(i); })).sets.at(0).members.empty());
  const auto some = read_sets(added + lines([&](int i) { return "del" + member(i) + "add" + member(i); }));
  CHECK(some.sets.at(0).members.size() == kMany);
  CHECK(some.sets.at(0).members.at(1) == "10.0.0.1");
  const auto many = lines([](int i) { return format("create s{0} hash:ip\nadd s{0} 10.0.0.1\n", i); });
  const auto flushed =
      read_sets(many + lines([](int) { return "flush\n"; }) + "add s0 10.0.0.2\nadd s1 10.0.0.2\n");
  CHECK(flushed.sets.at(0).members == std::vector<std::string_view>{"10.0.0.2"});
  CHECK(flushed.sets.at(2).members.empty());
  // What comes after a flush of all is no exception to the next.
  CHECK(read_sets("create a hash:ip\nadd a 10.0.0.1\nflush\nadd a 10.0.0.2\nflush\n")
            .sets.at(0)
            .members.empty());
}

}  // namespace rewall
