#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/netlink_socket.h"
#include "rules/ruleset.h"

namespace rewall::judge {

/// A rule of the kernel, or the policy of a built-in chain (`pos` 0, legacy alone).
struct Place {
  Backend backend = Backend::nft;
  std::string table{};
  std::string chain{};
  std::size_t pos = 0;  ///< from 1
  auto operator<=>(const Place&) const = default;
};

/// Reads how many packets each rule of a family has counted, in the namespace of the thread that makes it.
class Counts {
 public:
  explicit Counts(Family family);
  Counts(const Counts&) = delete;
  Counts& operator=(const Counts&) = delete;
  ~Counts();

  /// After a load: which rules there are. `legacy`: whether the tables of the legacy backend are read.
  void learn(bool nft, bool legacy);
  /// The rules that counted since the last call, each as often as it did. Throws std::runtime_error where the
  /// kernel has other rules than learned.
  std::vector<Place> since();

 private:
  void read(std::vector<std::uint64_t>& out, std::vector<Place>* places);
  void read_nft(std::vector<std::uint64_t>& out, std::vector<Place>* places);
  void read_legacy(const char* table, std::vector<std::uint64_t>& out, std::vector<Place>* places);

  Family family_;
  NetlinkSocket netlink_{};
  int fd_ = -1;
  bool nft_ = false;
  bool legacy_ = false;
  std::vector<Place> places_{};
  std::vector<std::uint64_t> last_{};
  std::vector<std::uint64_t> now_{};
  std::vector<char> buffer_{};
};

}  // namespace rewall::judge
