#include "ui/ports_view.h"

#include <catch2/catch.hpp>

using namespace rewall;

TEST_CASE("of many ports the first are named, and the others counted") {
  NumberSet odd;
  for (unsigned port = 1; port < 20; port += 2) odd = either(odd, NumberSet::one(port));
  const PortChange change{.family = Family::ipv4, .protocol = "tcp", .numbers = odd, .to = OpenTo::world};
  CHECK(changed_ports_text({change}) == "tcp 1,3,5,7,9,11,13,15 and 2 more (ip)");
}
