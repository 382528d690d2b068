#include "rules/set_delta.h"

#include <catch2/catch.hpp>

#include "rules/parse.h"
#include "rules/print.h"
#include "rules/set_change.h"
#include "rules/set_digest.h"
#include "rules/sets.h"

using namespace rewall;

namespace {

Sets read(const std::string& text) {
  auto sets = parse_sets(text, "ipset");
  if (!sets) FAIL(sets.error().message);
  return *std::move(sets);
}

std::string net(const std::string& members) {
  std::string text = "create s hash:net family inet\n";
  for (std::size_t at = 0; at < members.size(); at = members.find(';', at) + 1)
    text += "add s " + members.substr(at, members.find(';', at) - at) + '\n';
  return text;
}

std::optional<FewMembers> few(const std::string& from, const std::string& to) {
  return few_members(read(net(from)).sets[0], read(net(to)).sets[0]);
}

}  // namespace

TEST_CASE("members come or go one after the other where no packet can see the difference") {
  using Words = std::vector<std::string>;
  SECTION("all come, or all go") {
    const auto more = few("10.0.0.0/8;", "10.0.0.0/8;11.0.0.0/8;12.0.0.0/8;");
    REQUIRE(more);
    CHECK(more->added == Words{"11.0.0.0/8", "12.0.0.0/8"});
    CHECK(more->removed.empty());
    const auto less = few("10.0.0.0/8;11.0.0.0/8;", "11.0.0.0/8;");
    REQUIRE(less);
    CHECK(less->removed == Words{"10.0.0.0/8"});
  }
  SECTION("one has another comment") {
    const auto change = few("10.0.0.0/8 comment \"a\";", "10.0.0.0/8 comment \"b\";");
    REQUIRE(change);
    CHECK(change->added == Words{"10.0.0.0/8 comment \"b\""});
    CHECK(change->removed.empty());
  }
  SECTION("not where some come and some go, nor with exceptions, nor for many") {
    CHECK_FALSE(few("10.0.0.0/8;", "11.0.0.0/8;"));
    CHECK_FALSE(few("10.0.0.0/8;", "10.0.0.0/8;10.1.0.0/16 nomatch;"));
    std::string many;
    for (int i = 0; i < 255; ++i)
      many += "10." + std::to_string(i) + ".0.0/16;11." + std::to_string(i) + ".0.0/16;";
    CHECK_FALSE(few("9.0.0.0/8;", "9.0.0.0/8;" + many));
  }
}

TEST_CASE("sets have equal digests when they have the same members, in whatever order they are listed") {
  const auto digest = [](const std::string& text) { return digest_of(read(text)); };
  CHECK(digest(net("10.0.0.0/8;11.0.0.0/8;")) == digest(net("11.0.0.0/8;10.0.0.0/8;")));
  CHECK_FALSE(digest(net("10.0.0.0/8;11.0.0.0/8;")) == digest(net("10.0.0.0/8;")));
  CHECK_FALSE(digest(net("10.0.0.0/8;11.0.0.0/8;")) == digest(net("10.0.0.0/8;11.0.0.0/9;")));
  CHECK_FALSE(digest(net("10.0.0.0/8;")) ==
              digest("create s hash:net family inet maxelem 9\nadd s 10.0.0.0/8\n"));
  CHECK_FALSE(digest(net("10.0.0.0/8;")) == digest("create t hash:net family inet\nadd t 10.0.0.0/8\n"));
  const std::string lists = "create a hash:ip\ncreate b hash:ip\ncreate l list:set size 8\n";
  CHECK_FALSE(digest(lists + "add l a\nadd l b\n") == digest(lists + "add l b\nadd l a\n"));
  CHECK(digest("create c hash:ip counters\nadd c 1.2.3.4 packets 5 bytes 6\n") ==
        digest("create c hash:ip counters\nadd c 1.2.3.4\n"));
}

TEST_CASE("the digest of a text is that of its sets") {
  const auto [text] = GENERATE(table<std::string>({
      {""},
      {"create s hash:ip family inet timeout 5 comment\nadd s 10.0.0.10 timeout 0 comment \"a b\"\n"
       "create zz list:set size 8\nadd zz s\n"},
      {"create e hash:net\ncreate f hash:net\nadd f 10.0.0.0/8 nomatch\n"},
  }));
  CHECK(digest_of_text(text) == digest_of(read(text)));
}

TEST_CASE("two texts of sets are cut to what differs, and grow whole again") {
  const std::string many = "10.0.0.0/8;11.0.0.0/8;12.0.0.0/8;13.0.0.0/8;";
  const std::string same = "create a hash:ip\nadd a 192.0.2.1\nadd a 192.0.2.2\n";
  const std::string list = "create z list:set size 8\nadd z s\nadd z a\n";
  const auto [one, other, members] = GENERATE_COPY(table<std::string, std::string, std::size_t>({
      {net(many), net(many), 0},
      {net(many), net("10.0.0.0/8;12.0.0.0/8;13.0.0.0/8;"), 1},
      {net(many), net(many + "14.0.0.0/8;15.0.0.0/8;"), 0},
      {net(many), net("1.0.0.0/8;" + many + "14.0.0.0/8;"), 0},
      {net(many), net("10.0.0.0/8;12.0.0.0/8;13.0.0.0/8;14.0.0.0/8;"), 4},
      {net(many), "create s hash:net family inet6\nadd s 2001:db8::/32\n", 4},
      {net("10.0.0.0/8 comment \"1\";11.0.0.0/8;"), net("10.0.0.0/8 comment \"2\";11.0.0.0/8;"), 1},
  }));
  for (const auto& [from, to] : {std::pair{one, other}, std::pair{other, one}}) {
    const std::string first = same + from + list;
    const std::string second = same + to + list;
    const auto cut = differing_sets(first, second, digest_of_text(first));
    REQUIRE(cut);
    if (from == one) CHECK(cut->first.find("s")->members.size() == members);
    CHECK(cut->first.find("a")->members.empty());
    CHECK(digest_of(cut->first) == digest_of_text(first));
    CHECK(digest_of(cut->second) == digest_of_text(second));
    CHECK(canonical_text(with_left_out(read(first), cut->first, cut->second)) == second);
  }
}

TEST_CASE("a set that only one text has stays whole") {
  const auto cut = differing_sets(net("10.0.0.0/8;"), "create t hash:ip\nadd t 192.0.2.1\n", {});
  REQUIRE(cut);
  CHECK(canonical_text(cut->first) == net("10.0.0.0/8;"));
  CHECK(canonical_text(cut->second) == "create t hash:ip\nadd t 192.0.2.1\n");
}
