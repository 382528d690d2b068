#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/file.h"
#include "ops/context/session.h"
#include "ops/guard/guard_state.h"

namespace rewall {

// One guard at a time in a network namespace, whatever repository it belongs to. Its process holds an
// abstract unix socket (unix(7)), which belongs to the network namespace and is seen from every mount
// namespace; the file /run/rewall/armed-NAMESPACE is there as long as the guard, also when its process is
// dead.

/// A guard as the place of its network namespace names it.
struct PlacedGuard {
  std::string repository{};  ///< absolute; empty where its process gives no answer
  std::string id{};
  std::string name{};  ///< name_of()
};

/// The socket of a guard's process, as long as it lives.
class GuardPlace {
 public:
  /// Absent where another guard has the place (`taken` is true then), or there is no socket to be had.
  static std::optional<GuardPlace> take(const PlacedGuard& guard, bool& taken);

  /// Readable when somebody asks who is there.
  int descriptor() const { return socket_.get(); }
  /// Answers all who ask.
  void answer() const;

 private:
  GuardPlace(Fd socket, std::string words) : socket_(std::move(socket)), words_(std::move(words)) {}
  Fd socket_;
  std::string words_;
};

/// The guard that is armed in this network namespace; absent where none of another repository than this
/// session's is known. Only what root or this user holds counts.
std::optional<PlacedGuard> guard_of_other_repository(Session& session);

/// Writes and removes the file of a guard. Failures are logged.
void note_place(const std::filesystem::path& repository, const Guard& guard);
void clear_place(const Guard& guard);

}  // namespace rewall
