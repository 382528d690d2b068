#include "ui/json.h"

#include <catch2/catch.hpp>

using namespace rewall;

TEST_CASE("an error as JSON has its exit status, the whole message, and null for what is not known") {
  CHECK(print(to_json(Error{.kind = ErrorKind::remote, .message = "origin: no route"})) ==
        R"({"error":{"code":7,"message":"origin: no route","hint":null,"live":null}})"
        "\n");
  CHECK(print(to_json(Error{.kind = ErrorKind::refused,
                            .message = "not applied",
                            .hint = "try again",
                            .live = LiveState::put_back})) ==
        R"({"error":{"code":3,"message":"not applied; LIVE is what it was before","hint":"try again","live":)"
        R"("untouched"}})"
        "\n");
}

TEST_CASE("a change as JSON has every field, null where it does not apply") {
  const Diff diff{.changes = {{.kind = ChangeKind::changed,
                               .family = Family::ipv4,
                               .backend = Backend::nft,
                               .table = "filter",
                               .chain = "INPUT",
                               .from_pos = 1,
                               .to_pos = 2,
                               .from = "-p tcp --dport 22 -j ACCEPT",
                               .to = "-p tcp --dport 23 -j ACCEPT",
                               .parts = {{.part = "--dport", .from = "22", .to = "23"}}},
                              {.kind = ChangeKind::set_added, .set = "banned", .to = "hash:ip family inet"},
                              {.kind = ChangeKind::moved, .no_effect = true, .foreign = "docker"}}};
  CHECK(
      print(changes_json(diff)) ==
      R"([{"kind":"changed","family":"ipv4","backend":"nft","table":"filter","chain":"INPUT","set":null,)"
      R"("from_pos":1,"to_pos":2,"from":"-p tcp --dport 22 -j ACCEPT","to":"-p tcp --dport 23 -j ACCEPT",)"
      R"("parts":[{"part":"--dport","from":"22","to":"23"}],"foreign":null,"effect":null,"object":null},)"
      R"({"kind":"set-added","family":null,"backend":null,"table":null,"chain":null,"set":"banned",)"
      R"("from_pos":null,"to_pos":null,"from":null,"to":"hash:ip family inet","parts":null,"foreign":null,)"
      R"("effect":null,"object":null},)"
      R"({"kind":"moved","family":null,"backend":null,"table":null,"chain":null,"set":null,"from_pos":null,)"
      R"("to_pos":null,"from":null,"to":null,"parts":null,"foreign":"docker","effect":"none","object":null}])"
      "\n");
}

TEST_CASE("a change of a native table as JSON has the family of the table") {
  const Diff diff{.changes = {{.kind = ChangeKind::members,
                               .native = NativeFamily::inet,
                               .table = "f2b-table",
                               .set = "addr-set-sshd",
                               .object = "set",
                               .parts = {{.part = "member", .to = "192.0.2.1"}}}}};
  CHECK(
      print(changes_json(diff)) ==
      R"([{"kind":"members","family":"inet","backend":"nft-native","table":"f2b-table","chain":null,)"
      R"("set":"addr-set-sshd","from_pos":null,"to_pos":null,"from":null,"to":null,)"
      R"("parts":[{"part":"member","from":null,"to":"192.0.2.1"}],"foreign":null,"effect":null,"object":"set"}])"
      "\n");
}

TEST_CASE("a diff as JSON counts its changes by kind, and an equal one has neither changes nor counts") {
  CHECK(print(to_json(Diff{}, "HEAD", "LIVE")) ==
        R"({"from":"HEAD","to":"LIVE","equal":true,"changes":[],"summary":{}})"
        "\n");
  const Diff diff{.changes = {{.kind = ChangeKind::removed}, {.kind = ChangeKind::removed}}};
  const auto json = print(to_json(diff, "good", "HEAD"));
  CHECK(json.find(R"({"from":"good","to":"HEAD","equal":false,"changes":[{"kind":"removed")") == 0);
  CHECK(json.ends_with(R"(],"summary":{"removed":2}})"
                       "\n"));
}

TEST_CASE("a snapshot as JSON has its facts, and a summary where a diff was made") {
  Snapshot snapshot{.hash = "1a2b",
                    .author = {.name = "Ann", .email = "ann@web1"},
                    .time = {.seconds = 0, .offset = 0},
                    .subject = "open https",
                    .trailers = {.trigger = "manual", .commands = {"iptables -A INPUT"}}};
  CHECK(
      print(to_json(snapshot, std::nullopt)) ==
      R"({"hash":"1a2b","time":"1970-01-01T00:00:00+00:00","author":"Ann <ann@web1>",)"
      R"("subject":"open https","trigger":"manual","backend":null,"actor":null,)"
      R"("commands":["iptables -A INPUT"],"parts":[],"foreign":[],"restores":null,"undoes":null,"exact":false,)"
      R"("summary":null})"
      "\n");
  const auto json = print(to_json(snapshot, Diff{.changes = {{.kind = ChangeKind::policy}}}));
  CHECK(json.ends_with(R"("summary":{"policy":1}})"
                       "\n"));
}

TEST_CASE("an answer as JSON has null for a hash, a subject or a restored revision that there is not") {
  CHECK(print(answer_json("", "", false, "")) ==
        R"({"hash":null,"subject":null,"changed":false,"restored":null})"
        "\n");
  CHECK(print(answer_json("1a", "undo", true, "2b")) ==
        R"({"hash":"1a","subject":"undo","changed":true,"restored":"2b"})"
        "\n");
}

TEST_CASE("JSON is one line of ASCII, whatever the text holds") {
  CHECK(print(Json("a\nb\x1b[2J")) == R"("a\nb\u001b[2J")"
                                      "\n");
  CHECK(print(Json("J\xc3\xbcrgen")) == R"("J\u00fcrgen")"
                                        "\n");
  // Invalid UTF-8 becomes U+FFFD.
  CHECK(print(Json("\xff")) == R"("\ufffd")"
                               "\n");
}
