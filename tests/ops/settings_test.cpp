#include "ops/context/settings.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {

bool takes(const std::string& key, const std::string& value) {
  const auto found = find_key(key);
  INFO(key << " = " << value);
  REQUIRE(found);
  const auto checked = check_value(*found, value);
  if (!checked) CHECK(checked.error().kind == ErrorKind::usage);
  if (!checked) CHECK(checked.error().message.starts_with(key + ": "));
  return checked.has_value();
}

}  // namespace

TEST_CASE("a switch is true or false, in the words of git") {
  for (const char* key : {"guard.tagGood", "push.auto", "sign.require"}) {
    for (const char* good : {"true", "yes", "on", "1", "True", "false", "no", "OFF", "0"})
      CHECK(takes(key, good));
    for (const char* bad : {"", "y", "2", "maybe", "true "}) CHECK_FALSE(takes(key, bad));
  }
}

TEST_CASE("a length of time has a unit that is known, or is in seconds") {
  for (const char* key : {"fleet.stale", "hooks.deadline", "lock.wait", "network.connect", "network.timeout",
                          "push.stale", "watch.foreign", "watch.latest", "watch.poll", "watch.settle"}) {
    for (const char* good : {"90s", "10m", "1h", "2d", "500ms", "7"}) CHECK(takes(key, good));
    for (const char* bad : {"", "soon", "5 s", "-1s", "3w"}) CHECK_FALSE(takes(key, bad));
  }
}

TEST_CASE("a path is absolute, or there is none") {
  for (const char* key : {"export.path", "fleet.vars", "hooks.path", "sign.allowed", "watch.metrics"}) {
    for (const char* good : {"", "/", "/etc/iptables"}) CHECK(takes(key, good));
    for (const char* bad : {"etc", "./x", "~/x", " /x"}) CHECK_FALSE(takes(key, bad));
  }
}

TEST_CASE("the number of loose objects is a whole one, 0 for never") {
  for (const char* good : {"0", "1000"}) CHECK(takes("gc.auto", good));
  for (const char* bad : {"", "-1", "1k", "1.5", " 7", "99999999999999999999"})
    CHECK_FALSE(takes("gc.auto", bad));
}

TEST_CASE("the expression of an owner's rules is one that can be used") {
  for (const char* good : {"", "--comment mine", "^-j (A|B)$"}) CHECK(takes("owner.mine.rule", good));
  CHECK_FALSE(takes("owner.mine.rule", "("));
  CHECK(takes("owner.mine.chain", "("));  // globs, of which each text is one
}

TEST_CASE("keys that take any text take any") {
  for (const char* key : {"push.remote", "sign.key", "ui.pager"})
    for (const char* good : {"", "less -R", "ssh-ed25519 AAAA"}) CHECK(takes(key, good));
}

TEST_CASE("a share of a core is more than nothing and not more than one core") {
  CHECK(parse_percent("5%").value() == 0.05);
  CHECK(parse_percent("5").value() == 0.05);
  CHECK(parse_percent("0.5%").value() == 0.005);
  CHECK(parse_percent("100%").value() == 1);
  for (const char* bad : {"", "%", "0", "0%", "-1%", "100.1%", "5%%", "5 %", "nan", "inf", "a"}) {
    INFO(bad);
    CHECK_FALSE(parse_percent(bad));
  }
  CHECK(takes("watch.cpu", "5%"));
  CHECK_FALSE(takes("watch.cpu", "0%"));
}

TEST_CASE("a size is in bytes or in powers of 1024, and fits 64 bits") {
  CHECK(parse_size("1").value() == 1);
  CHECK(parse_size("64k").value() == 65536);
  CHECK(parse_size("500M").value() == 524288000);
  CHECK(parse_size("2G").value() == 2147483648);
  CHECK(parse_size("1T").value() == 1099511627776);
  CHECK(parse_size("18446744073709551615").value() == 18446744073709551615U);
  CHECK(parse_size("16777215T").value() == 18446742974197923840U);
  for (const char* bad :
       {"", "k", "0", "0k", "-1", "1K", "1kB", "1.5G", " 1", "1 k", "16777216T", "18446744073709551616"}) {
    INFO(bad);
    CHECK_FALSE(parse_size(bad));
  }
  CHECK(takes("fetch.limit", "2G"));
  CHECK(takes("fetch.memory", "512M"));
  CHECK(takes("fetch.snapshot", "24M"));
  CHECK_FALSE(takes("fetch.limit", "0"));
}

TEST_CASE("a key that nobody knows has the nearest for a hint") {
  const auto wrong = find_key("lock.wiat");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().kind == ErrorKind::usage);
  CHECK(wrong.error().hint == "did you mean 'lock.wait'?");
  CHECK_FALSE(find_key(""));
  CHECK_FALSE(find_key("owner..chain"));
  CHECK_FALSE(find_key("owner.my own.chain"));
  CHECK(find_key("owner.my-own_1.set"));
}
