#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace rewall {

/// The families of nf_tables tables (nft(8), ADDRESS FAMILIES), in the order of a snapshot's file.
enum class NativeFamily : std::uint8_t { ip, ip6, inet, arp, bridge, netdev };
inline constexpr std::array kNativeFamilies{NativeFamily::ip,  NativeFamily::ip6,    NativeFamily::inet,
                                            NativeFamily::arp, NativeFamily::bridge, NativeFamily::netdev};

std::string_view name(NativeFamily family);  ///< "ip", "inet", ...
std::optional<NativeFamily> native_family(std::string_view name);

/// A part of a native table, as `nft -s list table` prints it: a chain, a set, a map, or one of the smaller
/// objects (counter, quota, limit, flowtable, ct helper, ct timeout, ct expectation, secmark, synproxy).
struct NativePart {
  std::string_view kind{};  ///< "chain", "set", "map", "counter", "ct helper", ...
  std::string_view name{};
  std::string_view text{};  ///< verbatim: all lines from "\tchain input {\n" to "\t}\n"
  /// The lines in the braces that are neither rules nor elements, without the tabs: "flags interval", "type
  /// ipv4_addr", and for a base chain "type filter hook input priority filter; policy drop;".
  std::vector<std::string_view> facts{};
  std::vector<std::string_view> rules{};     ///< of a chain, without the tabs
  std::vector<std::string_view> elements{};  ///< of a set or map

  bool is_chain() const { return kind == "chain"; }
  bool has_elements() const { return kind == "set" || kind == "map"; }
  /// The fact that makes a chain a base chain, up to its priority: "type filter hook input priority filter";
  /// empty for any other chain.
  std::string_view hook() const;
  std::string_view policy() const;  ///< "accept" or "drop"; empty for a chain without a hook
  /// True for a set whose elements packets add ("flags dynamic").
  bool is_dynamic() const;
};

/// What stands behind a rule with an extension of iptables (x_tables), which nft only translates: the words
/// that make the rule, for iptables-restore, without "-A CHAIN". nft reads a comment. In tables of iptables'
/// names alone (table_forms.h).
inline constexpr std::string_view kIptablesNote = " # iptables: ";

/// A rule of a chain, taken apart at its note.
struct NotedRule {
  std::string_view words{};     ///< of nft
  std::string_view iptables{};  ///< empty for a rule without a note
};
NotedRule split_note(std::string_view rule);

/// A table of nf_tables that is none of iptables, or that the words of iptables do not say whole
/// (table_forms.h). The views point into NativeTables::texts.
struct NativeTable {
  NativeFamily family = NativeFamily::inet;
  std::string name{};
  std::vector<std::string_view> facts{};  ///< "flags dormant", "comment \"...\""
  std::vector<NativePart> parts{};        ///< as nft orders them

  const NativePart* find(std::string_view kind, std::string_view part) const;
  std::string title() const;  ///< "inet filter"
};

/// The native tables of a ruleset, by family and name. A value: copies share the texts, which nobody changes.
struct NativeTables {
  std::vector<NativeTable> tables{};
  std::vector<std::shared_ptr<const std::string>> texts{};

  const NativeTable* find(NativeFamily family, std::string_view table) const;
  const NativeTable* find(std::string_view title) const;
  bool empty() const { return tables.empty(); }
  void sort();  ///< by family and name
};

/// Reads what `nft -s list table` or `nft -s list ruleset` printed, or print_native(); nothing else that
/// nft takes: no include, variable or command, and no word that nft prints for what it cannot say (`xt`).
/// Notes (kIptablesNote) stand behind rules of tables of iptables' names. What it returns loads as it is by
/// `nft -f`. On failure the error (kind usage) begins `NAME:LINE: `.
Result<NativeTables> parse_native(std::string text, std::string_view name);

/// Puts the notes (kIptablesNote) of a text that a person wrote behind the rules of `listed`, which nft made
/// of it: nft reads them as comments. Returns the line, from 1, of a note whose rule is not among those of
/// its chain; absent when all found theirs.
std::optional<std::size_t> put_notes(std::string_view text, NativeTables& listed);

/// True for a text that a person wrote for `nft -f`: its first line that is no comment begins as a command of
/// nft does, which no line of iptables-save or ipset does.
bool is_nft_text(std::string_view text);

/// The tables as nft prints them, in the order they have; empty for none. For text of nft itself, what was
/// read comes back.
std::string print_native(const NativeTables& tables);
std::string print_native(const NativeTable& table);

/// A chain with other rules, in nft's words; `text` keeps the characters.
NativePart with_rules(const NativePart& chain, const std::vector<std::string_view>& rules,
                      std::vector<std::shared_ptr<const std::string>>& texts);

/// A base chain with another policy, "accept" or "drop"; `text` keeps the characters. Any other chain as it
/// is.
NativePart with_policy(const NativePart& chain, std::string_view policy,
                       std::vector<std::shared_ptr<const std::string>>& texts);

/// A set or map with other elements, in nft's words; `text` keeps the characters.
NativePart with_elements(const NativePart& part, const std::vector<std::string_view>& elements,
                         std::vector<std::shared_ptr<const std::string>>& texts);

/// What an element is found by in its set: its words before a colon, a comment, a counter, a limit, a quota
/// or a timeout.
std::string_view element_key(std::string_view element);

}  // namespace rewall
