#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "kernel/programs.h"
#include "rules/ruleset.h"

namespace rewall {

/// Which backends to read.
struct Backends {
  bool nft = false;
  bool legacy = false;
};

/// What the programs say in one run, side by side.
struct Reading {
  Tables nft_v4{.family = Family::ipv4};
  Tables nft_v6{.family = Family::ipv6};
  Tables legacy_v4{.family = Family::ipv4};
  Tables legacy_v6{.family = Family::ipv6};
  Sets sets{};
  std::vector<std::string> notes{};

  Tables& tables(Backend backend, Family family);
  const Tables& tables(Backend backend, Family family) const;
  /// True when a table of this backend is not as the kernel makes it.
  bool holds(Backend backend) const;
};

/// Runs the programs for those tables that the kernel says are there, and believes nothing but whole text: an
/// exit status of 0 comes with half a table, with "incompatible", and with rules that iptables cannot say.
/// Errors as Firewall::capture.
///
/// `meanwhile` runs on another thread beside the programs, instead of the search for rules that nft made: for
/// a namespace in which nobody else makes any.
Result<Reading> read_once(Programs& programs, Backends backends, const std::function<void()>& meanwhile = {});

/// `ipset save`. Where there are no sets to be had (no program, no module) it is empty and `note` says why.
Result<Sets> read_sets(Programs& programs, std::string& note);

/// Tables that the legacy backend has in this namespace (/proc/net/ip_tables_names), which loads no module.
std::vector<std::string> legacy_table_names(Family family);

}  // namespace rewall
