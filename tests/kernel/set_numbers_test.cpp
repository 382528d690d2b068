#include "kernel/set_numbers.h"

#include <catch2/catch.hpp>

#include "support/kernel_lab.h"

using namespace rewall;

TEST_CASE("sets have numbers and names, which lead to each other") {
  in_lab([] {
    shell("ipset create addresses hash:ip; ipset create ports bitmap:port range 0-1023");
    const SetNumbers numbers;
    const auto addresses = numbers.number("addresses");
    const auto ports = numbers.number("ports");
    REQUIRE(addresses);
    REQUIRE(ports);
    CHECK(*addresses != *ports);
    CHECK(numbers.name(*addresses) == "addresses");
    CHECK(numbers.name(*ports) == "ports");
    shell("ipset rename ports services");
    CHECK(numbers.name(*ports) == "services");
  });
}

TEST_CASE("a set that is not there has neither number nor name") {
  in_lab([] {
    shell("ipset create here hash:ip");
    const SetNumbers numbers;
    CHECK_FALSE(numbers.number("gone"));
    CHECK_FALSE(numbers.number(""));
    CHECK_FALSE(numbers.number(std::string(200, 'x')));
    CHECK_FALSE(numbers.name(60000));
    const auto here = numbers.number("here");
    REQUIRE(here);
    shell("ipset destroy here");
    CHECK_FALSE(numbers.name(*here));
  });
}

TEST_CASE("numbers are asked of the namespace in which the object was made") {
  in_lab([] {
    shell("ipset create outside hash:ip");
    const SetNumbers outside;
    const auto inner = scratch_namespace();
    REQUIRE(inner.run([&] {
      shell("ipset create inside hash:ip");
      const SetNumbers inside;
      CHECK(inside.number("inside"));
      CHECK_FALSE(inside.number("outside"));
      CHECK(outside.number("outside"));
      CHECK_FALSE(outside.number("inside"));
    }));
  });
}

TEST_CASE("a namespace has no sets until one is created") {
  in_lab([] {
    CHECK(no_sets());
    shell("ipset create first hash:ip");
    CHECK_FALSE(no_sets());
    shell("ipset destroy first");
    CHECK(no_sets());
  });
}
