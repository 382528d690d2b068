#include <catch2/catch.hpp>

#include "rules/foreign.h"
#include "rules/owners.h"
#include "support/native.h"

using namespace rewall;
using namespace rewall::testing;

namespace {

std::string owner_of(NativeFamily family, const std::string& table) {
  const auto owners = default_owners();
  const Ruleset nothing;
  const std::array<const Ruleset*, 1> rulesets{&nothing};
  const Ownership ownership(owners, rulesets);
  const auto* owner = ownership.of_table(family, table);
  return owner == nullptr ? "" : owner->name;
}

const std::string kOwn = "table inet filter {\n\tchain input {\n\t\tdrop\n\t}\n}\n";

std::string banned(const std::string& address) {
  return "table inet f2b-table {\n\tset addr-set-sshd {\n\t\ttype ipv4_addr\n\t\telements = { " + address +
         " }\n\t}\n\n\tchain f2b-chain {\n\t\ttype filter hook input priority filter - 1; policy accept;\n"
         "\t\ttcp dport 22 ip saddr @addr-set-sshd reject\n\t}\n}\n";
}

ForeignMerge merged(const Ruleset& wanted, const Ruleset& live, LostForeign lost = LostForeign::stays_lost) {
  const auto owners = default_owners();
  return keep_foreign(wanted, live, owners, lost);
}

std::string text(const ForeignMerge& merge) {
  REQUIRE(merge.ruleset.native);
  return print_native(*merge.ruleset.native);
}

}  // namespace

TEST_CASE("programs own the native tables that their sources name") {
  CHECK(owner_of(NativeFamily::inet, "f2b-table") == "fail2ban");
  CHECK(owner_of(NativeFamily::ip, "f2b-other") == "fail2ban");
  CHECK(owner_of(NativeFamily::ip, "docker-bridges") == "docker");
  CHECK(owner_of(NativeFamily::ip6, "docker-bridges") == "docker");
  CHECK(owner_of(NativeFamily::inet, "firewalld") == "firewalld");
  CHECK(owner_of(NativeFamily::inet, "firewalld_policy_drop") == "firewalld");
  CHECK(owner_of(NativeFamily::ip, "libvirt_network") == "libvirt");
  CHECK(owner_of(NativeFamily::ip6, "kube-proxy") == "kubernetes");
  CHECK(owner_of(NativeFamily::inet, "netavark") == "podman");
  CHECK(owner_of(NativeFamily::inet, "cni_plugins_masquerade") == "podman");
  CHECK(owner_of(NativeFamily::ip, "flannel-ipv4") == "flannel");
  CHECK(owner_of(NativeFamily::ip, "calico") == "calico");
  CHECK(owner_of(NativeFamily::ip, "crowdsec") == "crowdsec");
  CHECK(owner_of(NativeFamily::ip6, "crowdsec6") == "crowdsec");
  CHECK(owner_of(NativeFamily::ip, "sshguard") == "sshguard");
}

TEST_CASE("other native tables belong to people") {
  CHECK(owner_of(NativeFamily::inet, "filter").empty());
  CHECK(owner_of(NativeFamily::inet, "docker-bridges").empty());
  CHECK(owner_of(NativeFamily::inet, "my-f2b-table").empty());
}

TEST_CASE("a native table of an owner stays as it is in LIVE") {
  const auto merge = merged(native(banned("192.0.2.1") + kOwn), native(banned("192.0.2.9")));
  CHECK(text(merge) == banned("192.0.2.9") + kOwn);
  CHECK(to_text(merge.kept) == "fail2ban (1 table)");
  CHECK(merge.left_out.empty());
  // The same on both sides is no news.
  CHECK(merged(native(banned("192.0.2.1")), native(banned("192.0.2.1"))).kept.empty());
  const auto only_live = merged(native(kOwn), native(banned("192.0.2.9")));
  CHECK(text(only_live) == banned("192.0.2.9") + kOwn);
  CHECK(to_text(only_live.kept) == "fail2ban (1 table)");
}

TEST_CASE("a native table of an owner that LIVE lacks is left out, or comes back") {
  const auto wanted = native(banned("192.0.2.1") + kOwn);
  const auto live = native(kOwn);
  const auto out = merged(wanted, live);
  CHECK(text(out) == kOwn);
  CHECK(to_text(out.left_out) == "fail2ban (1 table)");
  const auto back = merged(wanted, live, LostForeign::comes_back);
  CHECK(text(back) == banned("192.0.2.1") + kOwn);
  CHECK(to_text(back.brought) == "fail2ban (1 table)");
  CHECK(back.left_out.empty());
}

TEST_CASE("people's native tables are those that are wanted") {
  const auto merge = merged(native(""), native(kOwn));
  CHECK(text(merge).empty());
  CHECK(merge.kept.empty());
}

TEST_CASE("native tables that nobody recorded stay unrecorded") {
  const auto merge = merged(Ruleset{}, native(banned("192.0.2.1")));
  CHECK_FALSE(merge.ruleset.native);
  CHECK(merge.kept.empty());
}

TEST_CASE("a ruleset of people's own has no native table of an owner") {
  const auto owners = default_owners();
  OwnerExpressions expressions;
  const OwnRuleset own(native(banned("192.0.2.1") + kOwn), owners, expressions);
  REQUIRE(own.ruleset.native);
  CHECK(print_native(*own.ruleset.native) == kOwn);
}
