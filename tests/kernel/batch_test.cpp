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

TEST_CASE("a name that no message holds refuses a batch and a request, and is written nowhere") {
  in_lab([] {
    NetlinkSocket socket;
    // An attribute has 16 bits for its length, with a header of four bytes and a NUL at the end of text; the
    // buffers of a batch and of a request have 128 KiB and 1 KiB.
    for (const std::size_t length : {256U, 65531U, 65536U, 70000U, 140000U, 8U << 20U}) {
      const std::string name(length, 'x');
      for (const bool checks : {true, false}) {
        Batch batch(0);
        add_table(batch, "here");
        add_chain(batch, "here", name);
        add_chain(batch, "here", "good");
        const auto refusal = checks ? batch.check(socket) : batch.send(socket);
        REQUIRE(refusal);
        CHECK(refusal->error ==
              (length < 65531 ? ERANGE : EMSGSIZE));  // nla_strings above the policy's length
        CHECK(refusal->message == 2);
      }
      NetlinkRequest request(NFT_MSG_GETCHAIN, NFPROTO_IPV4, 0);
      request.add(NFTA_CHAIN_TABLE, "filter");
      request.add(NFTA_CHAIN_NAME, name);
      CHECK(NetlinkSocket().ask(request, {}) == (length < 1024 ? ERANGE : EMSGSIZE));
    }
    Batch batch(0);
    add_table(batch, "here");
    auto message = batch.start(NFT_MSG_NEWCHAIN, NFPROTO_IPV4, NLM_F_CREATE);
    message.text(NFTA_CHAIN_TABLE, "here");
    message.text(NFTA_CHAIN_NAME, "nested");
    nlattr* nest = message.begin(NFTA_CHAIN_HOOK);
    for (int i = 0; i < 3; ++i) message.bytes(NFTA_HOOK_DEV, std::string(30000, 'x'));
    message.end(nest);
    batch.add(message);
    CHECK(batch.send(socket)->error == EMSGSIZE);
    CHECK(shell("nft list ruleset").empty());
  });
}
