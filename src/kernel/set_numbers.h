#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/file.h"

namespace rewall {

/// Translates between names of ipsets and the kernel's numbers for them (SO_IP_SET,
/// linux/netfilter/ipset/ip_set.h). A rule holds the number of its set (linux/netfilter/xt_set.h), which
/// differs from one network namespace to another. An object asks the namespace of the thread that made it.
class SetNumbers {
 public:
  SetNumbers();

  /// Absent when there is no such set, and when the kernel has no sets.
  std::optional<std::uint16_t> number(const std::string& name) const;
  std::optional<std::string> name(std::uint16_t number) const;

 private:
  Fd socket_{};
  unsigned version_ = 0;
};

/// True when the kernel says that this namespace has no sets, so that no program need be run. False also when
/// the kernel does not answer.
bool no_sets();

}  // namespace rewall
