#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/result.h"
#include "rules/lines.h"
#include "rules/print.h"
#include "rules/ruleset.h"
#include "rules/tokenizer.h"

namespace rewall {

// What the reader of iptables-save's output and the reader of rules files share (parse.h).

/// The text without the blanks (space and tab, as iptables counts them) around it.
std::string_view without_blanks(std::string_view text);

/// Takes the first word, up to a blank, off the text and the blanks behind it.
std::string_view first_word(std::string_view& rest);

/// "12:3400", without the brackets.
std::optional<Counters> to_counters(std::string_view text);

/// Reads `[12:3400]` at the begin of a line and takes it off, with the blanks behind it.
std::optional<Counters> take_counters(std::string_view& line);

/// Owns texts that were not in the file: each rule of an address list.
class Texts {
 public:
  std::string_view keep(const std::string& words);
  void move_to(std::vector<std::shared_ptr<const std::string>>& texts) const {
    texts.insert(texts.end(), all_.begin(), all_.end());
  }

 private:
  std::shared_ptr<std::string> chunk_{};
  std::vector<std::shared_ptr<const std::string>> all_{};
};

/// The chains of the table that is being read, by name; a built-in chain need not be declared.
class OpenTable {
 public:
  explicit OpenTable(std::string_view name)
      : table_{.name = std::string(name)}, built_in_(built_in_chains(name)) {}

  const std::string& name() const { return table_.name; }
  Table take() { return std::move(table_); }
  std::vector<Chain>& chains() { return table_.chains; }
  const std::vector<Chain>& chains() const { return table_.chains; }
  bool is_built_in(std::string_view chain) const {
    return std::ranges::find(built_in_, chain) != built_in_.end();
  }

  /// Null for a chain of one's own that was not declared.
  Chain* find(std::string_view chain);
  /// The chain, if a line of its own made it.
  const Chain* declared(std::string_view chain) const;
  void add(Chain chain);
  void rename(const std::string& from, std::string to) {
    find(from)->name = std::move(to);
    index();
  }
  template <class Unwanted>
  void remove(Unwanted unwanted) {
    std::erase_if(table_.chains, unwanted);
    index();
  }
  std::vector<std::string> names() const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  void index();

  Table table_;
  std::vector<std::string> built_in_;
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> places_{};
  std::size_t last_ = 0;
};

/// `*NAME`, without the star, of a table that iptables has. Errors name the line.
Result<OpenTable> open_table(const Lines& lines, std::string_view name);

/// Refuses iptables-save's own "is incompatible" remark.
Status check_remark(const Lines& lines, std::string_view line);

/// The error for a rule of a chain that is not there.
Error unknown_chain(const Lines& lines, const OpenTable& table, std::string_view chain);

}  // namespace rewall
