#pragma once

#include <algorithm>
#include <list>
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

/// The chains of the table that is being read, by name; a built-in chain need not be declared. To find, add,
/// rename or remove one takes the same time however many there are, and moves no other.
class OpenTable {
 public:
  explicit OpenTable(std::string_view name) : name_(name), built_in_(built_in_chains(name)) {}
  OpenTable(OpenTable&&) noexcept = default;
  OpenTable& operator=(OpenTable&&) noexcept = default;
  ~OpenTable() = default;

  const std::string& name() const { return name_; }
  Table take();
  const std::vector<std::string>& built_in() const { return built_in_; }
  bool is_built_in(std::string_view chain) const {
    return std::ranges::find(built_in_, chain) != built_in_.end();
  }

  /// Null for a chain of one's own that was not declared.
  Chain* find(std::string_view chain);
  /// The chain, if a line of its own made it.
  const Chain* declared(std::string_view chain) const;
  Chain& add(Chain chain);
  void rename(std::string_view from, std::string to);
  void remove(std::string_view chain);
  /// The chains of one's own, in the order in which they were made.
  std::vector<Chain*> own_chains();
  std::vector<std::string> names() const;

 private:
  std::string name_;
  std::vector<std::string> built_in_;
  std::list<Chain> chains_{};
  std::unordered_map<std::string_view, std::list<Chain>::iterator> places_{};  ///< by the chain's own name
  Chain* last_ = nullptr;
};

/// `*NAME`, without the star, of a table that iptables has. Errors name the line.
Result<OpenTable> open_table(const Lines& lines, std::string_view name);

/// Refuses iptables-save's own "is incompatible" remark.
Status check_remark(const Lines& lines, std::string_view line);

/// The error for a rule of a chain that is not there.
Error unknown_chain(const Lines& lines, const OpenTable& table, std::string_view chain);

}  // namespace rewall
