#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/file.h"

namespace rewall {

/// The numbers that the kernel knows ipsets by, in the namespace that the calling thread is in when this is
/// made: rules hold them instead of names (linux/netfilter/xt_set.h), and they differ between namespaces
/// (SO_IP_SET, linux/netfilter/ipset/ip_set.h).
class SetNumbers {
 public:
  SetNumbers();

  /// Nothing when there is no such set, or no way to ask.
  std::optional<std::uint16_t> number(const std::string& name) const;
  std::optional<std::string> name(std::uint16_t number) const;

 private:
  Fd socket_{};
  unsigned version_ = 0;
};

/// True when the kernel says that this namespace has no sets: no program need be asked. False also where it
/// does not tell.
bool no_sets();

}  // namespace rewall
