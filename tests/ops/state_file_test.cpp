#include "ops/context/state_file.h"

#include <catch2/catch.hpp>

using namespace rewall;

namespace {

constexpr std::string_view kFirst = "thing 1";

/// A state with one key of each kind.
struct Thing {
  std::string name{};
  std::string hash{};
  std::string backends{};
  Time time{};
  std::optional<Generation> place{};
  BackendChoice choice = BackendChoice::automatic;
  int number = 0;
  std::vector<std::string> lines{};
};

Status read(Thing& thing, std::string_view text) {
  const StateKey line{.read =
                          [&thing](std::string_view value) {
                            thing.lines.emplace_back(value);
                            return true;
                          },
                      .repeats = true};
  return parse_state(text, kFirst,
                     {{"name", required(text_key(thing.name))},
                      {"hash", hash_key(thing.hash)},
                      {"backends", backends_key(thing.backends)},
                      {"time", time_key(thing.time)},
                      {"place", place_key(thing.place)},
                      {"choice", choice_key(thing.choice)},
                      {"number", number_key(thing.number)},
                      {"line", line}});
}

/// What is wrong with a state of these lines; empty where nothing is.
std::string fault(const std::string& lines) {
  Thing thing;
  const auto done = read(thing, "thing 1\n" + lines);
  if (!done) CHECK(done.error().kind == ErrorKind::repository);
  return done ? "" : done.error().message;
}

}  // namespace

TEST_CASE("a state is a line a key, between its version and its end") {
  StateLines lines;
  lines.add("name", "web1");
  lines.add("empty", "");
  lines.add("time", Time{.seconds = 1700000000, .offset = -90});
  lines.add("place", Generation{.boot = "0b", .network = 7, .number = 3});
  lines.add("nowhere", std::optional<Generation>{});
  lines.add("choice", BackendChoice::legacy);
  CHECK(lines.text(kFirst) == "thing 1\nname web1\ntime 1700000000 -90\nplace 0b 7\nchoice legacy\nend\n");
}

TEST_CASE("line ends and backslashes of a value stay on one line") {
  StateLines lines;
  lines.add("name", "a\nb\rc\\n d");
  CHECK(lines.text(kFirst) == "thing 1\nname a\\nb\\rc\\\\n d\nend\n");
  Thing thing;
  REQUIRE(read(thing, lines.text(kFirst)));
  CHECK(thing.name == "a\nb\rc\\n d");
}

TEST_CASE("every kind of value is read") {
  Thing thing;
  REQUIRE(read(thing,
               "thing 1\nhash 0123456789abcdef0123456789abcdef01234567\nname two words\nline one\nline two\n"
               "backends nft+legacy\ntime 5 -60\nplace 0b 7\nchoice nft\nnumber -4\nend\n"));
  CHECK(thing.name == "two words");
  CHECK(thing.hash == "0123456789abcdef0123456789abcdef01234567");
  CHECK(thing.backends == "nft+legacy");
  CHECK(thing.time == Time{.seconds = 5, .offset = -60});
  REQUIRE(thing.place);
  CHECK(thing.place->boot == "0b");
  CHECK(thing.place->network == 7);
  CHECK(thing.choice == BackendChoice::nft);
  CHECK(thing.number == -4);
  CHECK(thing.lines == std::vector<std::string>{"one", "two"});
}

TEST_CASE("a state of another version, or without its end, is none") {
  Thing thing;
  for (const char* text :
       {"", "\n", "thing 2\nname x\nend\n", "other 1\nname x\nend\n", "thing\nname x\nend\n"}) {
    INFO(text);
    const auto refused = read(thing, text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "line 1: no thing of this version");
  }
  CHECK(fault("name x\n") == "line 2: the end is missing");
  CHECK(fault("name x\nend") == "line 3: the end is missing");
  CHECK(fault("name x\nend\n\n") == "line 4: the end is missing");
  CHECK(fault("name x\nend\n").empty());
}

TEST_CASE("a line that a state cannot have is named by its number") {
  CHECK(fault("name x\nnews y\nend\n") == "line 3: unknown key");
  CHECK(fault("name x\n\nend\n") == "line 3: unknown key");
  CHECK(fault("name x\nend\nend\n") == "line 3: unknown key");
  CHECK(fault("name x\nname x\nend\n") == "line 3: said twice");
  CHECK(fault("number 1\nend\n") == "line 3: 'name' is missing");
  for (const char* line : {"name", "name a\\", "name a\\x", "hash 0123456789abcdef0123456789abcdef0123456",
                           "hash 0123456789ABCDEF0123456789abcdef01234567", "backends", "backends iptables",
                           "time 5", "time 5 x", "time 5 0 0", "place 7", "place  7", "place 0b x",
                           "choice both", "number", "number 1x", "number 99999999999"}) {
    INFO(line);
    CHECK(fault(std::string(line) + "\nname x\nend\n") == "line 2: no value that it can have");
  }
}

TEST_CASE("who did something reads back as it was written") {
  const Actor actor{.person = {.name = "Ann Äh", .email = "ann@example.org"},
                    .user = "ann",
                    .tty = "pts/3",
                    .address = "192.0.2.7"};
  StateLines lines;
  lines.add(actor);
  Actor again;
  StateKeys keys;
  add_actor_keys(keys, again);
  REQUIRE(parse_state(lines.text(kFirst), kFirst, keys));
  CHECK(again.person.name == actor.person.name);
  CHECK(again.person.email == actor.person.email);
  CHECK(again.text() == "ann, pts/3, 192.0.2.7");
}
