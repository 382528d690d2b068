#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "core/result.h"
#include "kernel/base_chain.h"
#include "kernel/expressions.h"
#include "kernel/namespace.h"
#include "kernel/netlink_socket.h"
#include "kernel/programs.h"
#include "kernel/set_numbers.h"
#include "rules/ruleset.h"

namespace rewall {

/// A scratch namespace that holds staged rules of the nft backend, and open sockets to read them.
struct Scratch {
  /// Makes the namespace and opens its sockets. Errors as ScratchNamespace.
  static Result<std::shared_ptr<Scratch>> make();

  /// A family's table and chain.
  using Place = std::tuple<Family, std::string, std::string>;

  /// Takes the rules of a chain, in order: those of list_rules(), else it asks the kernel. Returns 0 or the
  /// errno.
  int take_rules(const Place& place, std::vector<RawRule>& rules) const;
  /// Lists the rules of all chains of `positions`, for take_rules().
  void list_rules();

  /// Takes the rules of a table of iptables, by chain, and deletes the table. Kind kernel.
  Result<std::map<std::string, std::vector<RawRule>>> take_table(
      Family family, const std::string& table, const std::vector<std::string>& chains) const;

  /// A base chain as the host's iptables makes it. Where none of its tables needed the chain yet, it makes
  /// the chain here and now. Kind kernel: it refuses, or makes none.
  Result<BaseChain> base_chain(Programs& programs, const Place& place) const;

  explicit Scratch(ScratchNamespace made) : space(std::move(made)) {}

  ScratchNamespace space;
  std::unique_ptr<NetlinkSocket> socket{};
  std::unique_ptr<SetNumbers> numbers{};
  /// For each chain: the k-th rule in this namespace is the wanted chain's rule at this position, from 0.
  std::map<Place, std::vector<std::uint32_t>> positions{};
  mutable std::map<Place, std::vector<RawRule>> listed{};
};

}  // namespace rewall
