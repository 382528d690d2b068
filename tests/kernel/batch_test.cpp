#include "kernel/batch.h"

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <catch2/catch.hpp>
#include <cerrno>

#include "kernel/nftables.h"
#include "support/kernel_lab.h"

using namespace rewall;

namespace {

void add_table(Batch& batch, const std::string& name) {
  auto message = batch.start(NFT_MSG_NEWTABLE, NFPROTO_IPV4, NLM_F_CREATE);
  message.text(NFTA_TABLE_NAME, name);
  batch.add(message);
}

void add_chain(Batch& batch, const std::string& table, const std::string& name) {
  auto message = batch.start(NFT_MSG_NEWCHAIN, NFPROTO_IPV4, NLM_F_CREATE);
  message.text(NFTA_CHAIN_TABLE, table);
  message.text(NFTA_CHAIN_NAME, name);
  batch.add(message);
}

}  // namespace

TEST_CASE("of more refusals than a socket holds the first is told") {
  in_lab([] {
    NetlinkSocket socket;
    const bool checks = GENERATE(true, false);
    Batch batch(0);
    add_table(batch, "here");
    add_chain(batch, "here", "good");
    for (int i = 0; i < 50000; ++i) add_chain(batch, "nowhere", "chain-" + std::to_string(i));
    const auto refusal = checks ? batch.check(socket) : batch.send(socket);
    REQUIRE(refusal);
    CHECK(refusal->error == ENOENT);
    CHECK(refusal->message == 3);
    CHECK(shell("nft list ruleset").empty());
  });
}

TEST_CASE("a batch that is checked changes nothing, and can be sent by another socket afterwards") {
  in_lab([] {
    const auto before = read_generation();
    const auto build = [](Batch& batch) {
      add_table(batch, "here");
      add_chain(batch, "here", "good");
    };
    NetlinkSocket socket;
    Batch checked(before->number);
    build(checked);
    CHECK_FALSE(checked.check(socket));
    CHECK(shell("nft list ruleset").empty());
    CHECK(read_generation() == before);
    Batch sent(before->number);
    build(sent);
    CHECK_FALSE(sent.send(socket));
    CHECK(shell("nft list chains") == "table ip here {\n\tchain good {\n\t}\n}\n");
  });
}
