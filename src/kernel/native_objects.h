#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.h"
#include "kernel/expressions.h"
#include "kernel/netlink_socket.h"
#include "rules/native_tables.h"

namespace rewall {

std::uint8_t number_of(NativeFamily family);  ///< NFPROTO_*, linux/netfilter.h

/// An object of nf_tables as the kernel lists it: the attributes of the message, with their flags, in order.
struct RawObject {
  std::vector<std::pair<std::uint16_t, std::string>> attributes{};

  const std::string* find(std::uint16_t type) const;
  std::string text(std::uint16_t type) const;      ///< up to its NUL; empty when missing
  std::uint32_t number(std::uint16_t type) const;  ///< 0 when missing
};

/// An element of a set (NFTA_SET_ELEM_*).
struct RawElement {
  RawObject attributes{};

  bool is_running() const;       ///< its timeout runs
  bool ends_interval() const;    ///< NFT_SET_ELEM_INTERVAL_END
  std::string identity() const;  ///< what two elements that mean the same have in common
};

/// A table of nf_tables, read from the kernel as raw bytes. Objects are found by name.
struct RawTable {
  RawObject table{};
  std::map<std::string, RawObject> chains{};
  std::map<std::string, RawObject> sets{};
  std::vector<RawObject> objects{};  ///< counters, quotas, helpers, ...
  std::vector<RawObject> flowtables{};
};

/// Reads a table but its rules and elements; `socket` says in which namespace. Kind kernel: the kernel does
/// not answer, or has no such table.
Result<RawTable> read_raw_table(NetlinkSocket& socket, NativeFamily family, const std::string& table);

/// A rule with its handle.
struct HandledRule {
  RawRule rule{};
  std::uint64_t handle = 0;
};
/// The rules of a chain, in order. Kind refused where the list changed meanwhile, else as above.
Result<std::vector<HandledRule>> read_raw_rules(NetlinkSocket& socket, NativeFamily family,
                                                const std::string& table, const std::string& chain);

/// The elements of a set, those of an interval set by ascending key.
Result<std::vector<RawElement>> read_raw_elements(NetlinkSocket& socket, NativeFamily family,
                                                  const std::string& table, const std::string& set);

/// The expressions of a rule, with what names a nameless set or chain of the rule replaced: by the number
/// that the set or chain has in a transaction (NFTA_LOOKUP_SET_ID, NFTA_VERDICT_CHAIN_ID and their like).
class NamelessParts {
 public:
  virtual ~NamelessParts() = default;
  /// The number of a set or chain in the transaction; absent for one that has a name.
  virtual Result<std::optional<std::uint32_t>> number_of_set(const std::string& name) = 0;
  virtual Result<std::optional<std::uint32_t>> number_of_chain(const std::string& name) = 0;
};
Result<std::string> with_numbers(std::string_view expressions, NamelessParts& parts);

/// The name of a rule's own set in a message that makes it: the kernel names a nameless one itself, and a
/// meter has a name.
std::string name_in_transaction(const std::string& set);

}  // namespace rewall
