// The built-in chains of all tables, made by each way back from nothing.
#include "support/guarded_host.h"

using namespace rewall;

namespace {

/// Type, hook, priority and policy of all base chains, a line each.
std::string base_chains(const Host& host) {
  return host.ok(
      "nft list chains | awk '/^table/ { t = $2 \" \" $3 } /chain/ { c = $2 } /hook/ { print t, c, $0 }' | "
      "sort");
}

}  // namespace

TEST_CASE("every way of putting rules in force makes the built-in chains that iptables makes") {
  const GuardedHost host;
  host.ok(R"(for p in ip ip6; do
  for t in raw:PREROUTING,OUTPUT mangle:PREROUTING,INPUT,FORWARD,OUTPUT,POSTROUTING \
      nat:PREROUTING,INPUT,OUTPUT,POSTROUTING filter:INPUT,FORWARD,OUTPUT security:INPUT,FORWARD,OUTPUT; do
    echo "*${t%%:*}"
    for c in $(echo ${t#*:} | tr , ' '); do echo "-A $c -p udp -j ACCEPT"; done
    echo COMMIT
  done >$p.rules; done
nft flush ruleset; iptables-restore ip.rules; ip6tables-restore ip6.rules; rewall snapshot; rewall tag full
iptables-save | grep -v '^#' >rules.v4; ip6tables-save | grep -v '^#' >rules.v6)");
  const std::string expected = base_chains(host);
  const std::string way = GENERATE(
      "nft flush ruleset; rewall restore --yes --exact full", "nft flush ruleset; rewall restore --boot",
      "nft flush ruleset; rewall apply --yes --exact rules.v4; rewall apply --yes --exact rules.v6",
      "rewall try --for 1m -- nft flush ruleset; rewall rollback",
      "rewall try --for 1m -- nft flush ruleset; ./leave 0; "
      "until [ ! -e repo/.git/rewall/guard ]; do sleep 0.05; done",
      "nft flush ruleset; rewall -q snapshot; rewall undo --yes");
  INFO(way);
  host.ok(way);
  CHECK(base_chains(host) == expected);
  host.ok(R"(for p in iptables ip6tables; do
  $p-save | sed -n 's/^\*//p; s/^:\([^ ]*\) .*/\1/p' | while read -r word; do
    case $word in
      [a-z]*) table=$word ;;
      *) $p -t $table -A $word -p tcp -j ACCEPT; $p -t $table -D $word 2; $p -t $table -P $word ACCEPT; echo $word ;;
    esac || exit 1
  done >changed; [ $(wc -l <changed) = 17 ] || exit 1; done)");
  CHECK(host.ok("iptables-save | grep -v '^#'| sed 's/\\[[0-9:]*\\]//'") ==
        host.ok("sed 's/\\[[0-9:]*\\]//' rules.v4"));
}
