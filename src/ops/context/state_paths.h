#pragma once

#include <array>
#include <filesystem>
#include <string_view>
#include <utility>

#include "store/repository.h"

namespace rewall {

/// The folder of what must be at hand where a repository is not, until the next boot.
inline constexpr const char* kRunFolder = "/run/rewall";

/// The paths of the files of `.git/rewall/` that ops writes (rewall-repository(5), STATE). The store writes
/// `config` and `lock` there. A value.
class StatePaths {
 public:
  /// `state` is the folder `.git/rewall`.
  explicit StatePaths(std::filesystem::path state) : state_(std::move(state)) {}
  explicit StatePaths(const Repository& repository) : StatePaths(repository.state_path()) {}

  std::filesystem::path journal() const { return state_ / "journal"; }       ///< ops/restore/journal.h
  std::filesystem::path guard() const { return state_ / "guard"; }           ///< ops/guard/guard_state.h
  std::filesystem::path guard_endings() const { return state_ / "guards"; }  ///< ops/guard/guard_ending.h
  /// The second copy of `guard`: a boot asks it where the first tells nothing.
  std::filesystem::path guard_copy(const std::string& id) const { return guard_endings() / (id + ".armed"); }
  /// ops/guard/tried_command.h
  std::filesystem::path guard_command(const std::string& id) const {
    return guard_endings() / (id + ".command");
  }
  std::filesystem::path guard_lock() const { return state_ / "guard.lock"; }    ///< the guard's process
  std::filesystem::path expiries() const { return state_ / "expiries"; }        ///< ops/expiry/expiry_state.h
  std::filesystem::path expiry_lock() const { return state_ / "expire.lock"; }  ///< the process that waits
  std::filesystem::path generation() const { return state_ / "seen"; }    ///< ops/history/generation_cache.h
  std::filesystem::path proofs() const { return state_ / "proofs"; }      ///< kernel/proofs.h
  std::filesystem::path opened() const { return state_ / "opened"; }      ///< ops/host/opened_ports.h
  std::filesystem::path exported() const { return state_ / "exported"; }  ///< ops/history/export.h
  std::filesystem::path push_queue() const { return state_ / "push"; }    ///< ops/remote/push_queue.h
  std::filesystem::path notices() const { return state_ / "notices"; }    ///< ops/remote/notify.h
  std::filesystem::path notices_taken() const { return state_ / "notices.taken"; }
  std::filesystem::path notified() const { return state_ / "notified"; }
  std::filesystem::path fetch_status() const { return state_ / "fetched"; }   ///< ops/remote/fetch_status.h
  std::filesystem::path refused_parts() const { return state_ / "refused"; }  ///< ops/remote/refused_parts.h
  std::filesystem::path network_lock() const { return state_ / "network"; }   ///< one push or fetch at a time
  std::filesystem::path background_lock() const {
    return state_ / "background";
  }  ///< ops/remote/background.h
  std::filesystem::path background_environment() const { return state_ / "environment"; }
  std::filesystem::path gc_lock() const { return state_ / "gc"; }             ///< ops/remote/gc.h
  std::filesystem::path network() const { return state_ / "namespace"; }      ///< ops/context/network_place.h
  std::filesystem::path machine() const { return state_ / "machine"; }        ///< ops/context/machine.h
  std::filesystem::path watch_lock() const { return state_ / "watch.lock"; }  ///< ops/watch/watcher.h

  /// The files that are only written with the repository's lock held. The next holder of the lock removes the
  /// half-written versions that a killed holder left (Repository::lock()).
  static constexpr std::array<std::string_view, 2> kWrittenUnderLock{"journal", "seen"};

 private:
  std::filesystem::path state_;
};

}  // namespace rewall
