#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "ops/context/session.h"
#include "ops/context/settings.h"
#include "support/fake_firewall.h"
#include "support/record_now.h"
#include "support/rulesets.h"
#include "support/temporary_folder.h"

namespace rewall {

/// A session of a repository in a folder of its own. The session's firewall is a `Fake`, which lives as long
/// as the session.
template <class Fake = FakeFirewall>
class TestSession {
 public:
  /// The repository is not made yet. The words make the firewall.
  template <class... Words>
  explicit TestSession(const Words&... words) {
    open(words...);
  }

  /// Replaces the session by a new one, as another process has it, on a firewall of its own.
  template <class Made = Fake, class... Words>
  Made& open(const Words&... words) {
    auto made = std::make_unique<Made>(words...);
    Made& its_firewall = *made;
    firewall = made.get();
    session = std::make_unique<Session>(path(), BackendChoice::automatic, std::move(made));
    return its_firewall;
  }
  std::filesystem::path path() const { return folder.path() / "repo"; }

  /// Makes the repository, whose first snapshot is LIVE.
  void make() { REQUIRE(make_repository(*session, "")); }
  /// Makes `now` LIVE and records it. Returns the hash of the snapshot.
  std::string record(const Ruleset& now) {
    firewall->change(now);
    const auto recorded = record_now(*session, {});
    if (!recorded) FAIL(recorded.error().message);
    return recorded->hash;
  }

  Repository& repository() { return *session->repository().value(); }
  void set(const std::string& key, const std::string& value) {
    REQUIRE(Settings::open(repository()).value().set(key, value));
  }
  Snapshot head() { return repository().snapshot(repository().head().value()).value(); }
  /// A file of a snapshot.
  std::string file(const std::string& revision, const std::string& name) {
    return repository().file(repository().resolve(revision).value(), name).value();
  }
  std::string live() const { return text_of(firewall->live); }

  TemporaryFolder folder{};
  Fake* firewall = nullptr;
  std::unique_ptr<Session> session{};
};

}  // namespace rewall
