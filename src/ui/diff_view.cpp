#include "ui/diff_view.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "core/format.h"
#include "core/text.h"
#include "rules/native_meaning.h"
#include "rules/nft_as_iptables.h"
#include "rules/rule.h"
#include "rules/table_forms.h"
#include "ui/width.h"

namespace rewall {
namespace {

constexpr std::size_t kMembersShown = 100;
constexpr std::size_t kRuleColumn = 10;   // where the words of a rule begin
constexpr std::size_t kMemberColumn = 4;  // and of a member

struct Shown {
  std::string rule{};
  std::string comment{};
};

// Quotes a word only if it would look like two words: people need fewer quotes than a shell or iptables-save.
std::string readable_word(const std::string& word) {
  return word.find_first_of(" \t\"") == std::string::npos && !word.empty() ? word : quote_word(word);
}

// `-m tcp` without an option has a meaning of its own: it does not match fragments.
bool options_follow(const std::vector<std::string>& words, std::size_t at) {
  if (at < words.size() && words[at] == "!") ++at;
  return at < words.size() && words[at].starts_with("--");
}

// Drops words that add nothing for a reader, `-m tcp` after `-p tcp`, and moves the comment behind the rule.
Shown shown(std::string_view words) {
  auto split = split_words(words);
  if (!split) return {std::string(words), ""};
  const auto& all = *split;
  Shown out;
  std::string protocol;
  const auto add = [&](const std::string& word) {
    if (!out.rule.empty()) out.rule += ' ';
    out.rule += readable_word(word);
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool has_value = i + 1 < all.size();
    if (all[i] == "-p" && has_value) protocol = all[i + 1];
    if (all[i] == "-m" && has_value &&
        (all[i + 1] == "comment" || (all[i + 1] == protocol && options_follow(all, i + 2)))) {
      ++i;
    } else if (all[i] == "--comment" && has_value) {
      if (!out.comment.empty()) out.comment += ' ';
      out.comment += all[++i];
    } else {
      add(all[i]);
    }
  }
  return out;
}

// nft's words are printed as they are, in one line.
Shown shown_native(std::string_view words) {
  return {.rule = native_rule_words(words), .comment = native_meaning(words).comment};
}

/// A change from one form of a table to the other has rules of both.
Shown shown_in_its_words(std::string_view words) {
  return is_in_words_of_nft(words) ? shown_native(words) : shown(words);
}

std::string with_comment(const Shown& shown) {
  return escape(shown.rule) + (shown.comment.empty() ? "" : "  # " + escape(shown.comment));
}

// Replaces `from`, between blanks, by `to`; false when `from` does not occur.
bool replace_words(std::string& text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) {
    const auto end = at + from.size();
    if ((at == 0 || text[at - 1] == ' ') && (end == text.size() || text[end] == ' ')) {
      text.replace(at, from.size(), to);
      return true;
    }
  }
  return false;
}

std::string join_part(const std::string& name, const std::string& value) {
  return value.empty() ? name : name + " " + value;
}

// A verdict has no name in front of it. Of another order the older rule is shown.
std::string native_part_words(const PartChange& part, const std::string& value) {
  const auto name = part.part.substr(0, part.part.find(" #"));
  return name.empty() || name == "verdict" || name == "order" ? value : join_part(name, value);
}

std::string changed_native_rule(const Change& change) {
  Shown rule = shown_in_its_words(*change.to);
  for (const auto& part : change.parts) {
    if (part.part == "comment") {
      rule.comment = format("{{{} -> {}}}", part.from.value_or(""), part.to.value_or(""));
    } else if (part.part == "order") {
      rule.rule += format(" {{was {}}}", part.from.value_or(""));
    } else if (part.from && part.to) {
      const auto words = native_part_words(part, format("{{{} -> {}}}", *part.from, *part.to));
      if (!replace_words(rule.rule, native_part_words(part, *part.to), words)) rule.rule += " " + words;
    } else if (part.to) {
      const auto words = native_part_words(part, *part.to);
      if (!replace_words(rule.rule, words, format("{{+ {}}}", words)))
        rule.rule += format(" {{+ {}}}", words);
    } else if (part.from) {
      rule.rule += format(" {{- {}}}", native_part_words(part, *part.from));
    }
  }
  return with_comment(rule);
}

std::string changed_rule(const Change& change) {
  const bool of_nft = std::ranges::any_of(change.parts, [](const PartChange& part) {
    return part.part != "comment" && is_in_words_of_nft(part.part);
  });
  if (change.native && (of_nft || change.parts.empty())) return changed_native_rule(change);
  const auto newer = change.to.value_or("");
  Shown rule = shown(is_in_words_of_nft(newer) ? in_words_of_iptables(newer).value_or(newer) : newer);
  for (const auto& part : change.parts) {
    if (part.part == "--comment") {
      rule.comment = format("{{{} -> {}}}", part.from.value_or(""), part.to.value_or(""));
    } else if (part.from && part.to) {
      const auto words = format("{} {{{} -> {}}}", part.part, *part.from, *part.to);
      if (!replace_words(rule.rule, join_part(part.part, *part.to), words)) rule.rule += " " + words;
    } else if (part.to) {
      const auto words = join_part(part.part, *part.to);
      if (!replace_words(rule.rule, words, format("{{+ {}}}", words)))
        rule.rule += format(" {{+ {}}}", words);
    } else if (part.from) {
      rule.rule += format(" {{- {}}}", join_part(part.part, *part.from));
    }
  }
  return with_comment(rule);
}

std::string place(const Change& change) {
  if (change.native) {
    const auto table = format("{} {}", name(*change.native), escape(change.table));
    if (!change.set.empty()) return format("{} {} {}", table, change.object, escape(change.set));
    return change.chain.empty() ? table : format("{} {}", table, escape(change.chain));
  }
  if (!change.set.empty()) return format("set {}", escape(change.set));
  std::string text(short_name(*change.family));
  if (change.backend == Backend::legacy) text += " (legacy)";
  text += " " + escape(change.table);
  return change.chain.empty() ? text : text + " " + escape(change.chain);
}

std::string comment_change(const Change& change) {
  std::string from;
  std::string to;
  for (const auto& part : change.parts) {
    if (part.part == "comment" || part.part == "--comment") {
      from = part.from.value_or("");
      to = part.to.value_or("");
    }
  }
  const std::string rule = escape(shown_in_its_words(change.to.value_or("")).rule);
  return format("{}  # {{{} -> {}}}", rule, escape(from), escape(to));
}

std::string object_of(const Change& change) {
  return change.native ? change.object : "set";
}

std::string facts(const std::optional<std::string>& words) {
  return words && !words->empty() ? "  " + escape(*words) : "";
}

// "flags {interval -> timeout}  {+ size 100}".
std::string native_facts(const Change& change) {
  std::vector<std::string> out;
  for (const auto& part : change.parts) {
    if (part.from && part.to) {
      out.push_back(format("{} {{{} -> {}}}", part.part, *part.from, *part.to));
    } else {
      out.push_back(
          format("{{{} {}}}", part.to ? '+' : '-', join_part(part.part, (part.to ? *part.to : *part.from))));
    }
  }
  return escape(join(out, "  "));
}

// A policy that opens is what nobody may miss.
std::string policy_words(const Change& change, Paint paint) {
  const auto words =
      format("policy {} -> {}", escape(change.from.value_or("")), escape(change.to.value_or("")));
  return change.to == "ACCEPT" || change.to == "accept" ? paint.removed(words) : paint.added(words);
}

// The words for a block's heading; empty for a change that has its own line.
std::string heading_words(const Change& change, Paint paint) {
  switch (change.kind) {
    case ChangeKind::policy:
      return policy_words(change, paint);
    case ChangeKind::chain_added:
      return paint.added("chain added");
    case ChangeKind::chain_removed:
      return paint.removed("chain removed");
    case ChangeKind::chain_renamed:
      return format("chain renamed from {}", escape(change.from.value_or("")));
    case ChangeKind::set_added:
      return paint.added(object_of(change) + " added") + facts(change.to);
    case ChangeKind::set_removed:
      return paint.removed(object_of(change) + " removed") + facts(change.from);
    case ChangeKind::table_added:
      return paint.added("table added") + facts(change.to);
    case ChangeKind::table_removed:
      return paint.removed("table removed") + facts(change.from);
    case ChangeKind::table_changed:
      return native_facts(change);
    case ChangeKind::set_changed:
      if (change.native) return native_facts(change);
      return format("set changed  {} -> {}", escape(change.from.value_or("")),
                    escape(change.to.value_or("")));
    default:
      return {};
  }
}

std::string rule_of(const std::optional<std::string>& words) {
  return with_comment(shown_in_its_words(words.value_or("")));
}

std::string rule_line(const Change& change, Paint paint) {
  const auto line = [](char sign, const std::string& position, const std::string& text) {
    return format("  {} {:<5} {}", sign, position, text);
  };
  const auto at = [](std::optional<std::uint32_t> position) {
    return position ? format("{}", *position) : "";
  };
  switch (change.kind) {
    case ChangeKind::added:
      return paint.added(line('+', at(change.to_pos), rule_of(change.to)));
    case ChangeKind::removed:
      return paint.removed(line('-', at(change.from_pos), rule_of(change.from)));
    case ChangeKind::changed:
      return paint.changed(line('~', at(change.to_pos), changed_rule(change)));
    case ChangeKind::comment:
      return paint.quiet(line('#', at(change.to_pos), comment_change(change)));
    case ChangeKind::moved:
      return paint.moved(line('>', format("{}->{}", at(change.from_pos), at(change.to_pos)),
                              change.parts.empty() ? rule_of(change.to) : comment_change(change))) +
             (change.no_effect ? paint.quiet("  (changes no verdict)") : "");
    default:
      return {};
  }
}

std::string member_lines(const Change& change, Paint paint) {
  std::string text;
  std::size_t shown_count = 0;
  // A native set's facts are in the heading.
  if (change.native && change.kind == ChangeKind::set_changed) return text;
  for (const auto& part : change.parts) {
    if (++shown_count > kMembersShown) {
      return text + format("  and {} more (--json has them all)\n", change.parts.size() - kMembersShown);
    }
    if (change.kind == ChangeKind::set_changed && part.from && part.to) {
      text += paint.changed(
                  format("  ~ {} {{{} -> {}}}", escape(part.part), escape(*part.from), escape(*part.to))) +
              "\n";
      continue;
    }
    if (part.from) text += paint.removed(format("  - {}", escape(*part.from))) + "\n";
    if (part.to) text += paint.added(format("  + {}", escape(*part.to))) + "\n";
  }
  return text;
}

std::string block(const std::string& title, const std::vector<const Change*>& changes, Paint paint,
                  std::size_t width) {
  std::string heading = paint.heading(title);
  std::string lines;
  for (const auto* change : changes) {
    if (const auto words = heading_words(*change, paint); !words.empty()) heading += "  " + words;
    if (!change->set.empty()) {
      lines += wrapped_lines(member_lines(*change, paint), kMemberColumn, width);
    } else if (const auto line = rule_line(*change, paint); !line.empty()) {
      lines += wrapped(line, 0, kRuleColumn, width) + "\n";
    }
  }
  return wrapped(heading, 0, 2, width) + "\n" + lines;
}

struct Block {
  std::string title{};
  std::vector<const Change*> changes{};
};

std::vector<Block> blocks(const Diff& diff, const std::string& owner = "") {
  std::vector<Block> out;
  for (const auto& change : diff.changes) {
    if (change.foreign != owner) continue;
    auto title = place(change);
    if (out.empty() || out.back().title != title) out.push_back({std::move(title), {}});
    out.back().changes.push_back(&change);
  }
  return out;
}

struct Tally {
  std::size_t added = 0;
  std::size_t removed = 0;
  std::size_t changed = 0;
  std::size_t moved = 0;

  void count(const Change& change) {
    switch (change.kind) {
      case ChangeKind::added:
        ++added;
        break;
      case ChangeKind::removed:
        ++removed;
        break;
      case ChangeKind::moved:
        ++moved;
        break;
      case ChangeKind::members:
      case ChangeKind::set_added:
      case ChangeKind::set_removed:
        for (const auto& part : change.parts) ++(part.to ? added : removed);
        break;
      default:
        ++changed;
    }
  }

  std::string text(Paint paint) const {
    std::vector<std::string> words;
    if (added > 0) words.push_back(paint.added(format("+{}", added)));
    if (removed > 0) words.push_back(paint.removed(format("-{}", removed)));
    if (changed > 0) words.push_back(paint.changed(format("~{}", changed)));
    if (moved > 0) words.push_back(paint.moved(format(">{}", moved)));
    return join(words, " ");
  }
};

// The changes to the parts of one owner, for one line.
struct Fold {
  std::string owner{};
  Tally tally{};
  std::size_t places = 0;
};

std::vector<Fold> folds(const Diff& diff) {
  std::set<std::string> owners;
  for (const auto& change : diff.changes) owners.insert(change.foreign);
  owners.erase("");
  std::vector<Fold> out;
  for (const auto& owner : owners) {
    Fold& fold = out.emplace_back(Fold{.owner = owner});
    for (const auto& b : blocks(diff, owner)) {
      ++fold.places;
      for (const auto* change : b.changes) fold.tally.count(*change);
    }
  }
  return out;
}

}  // namespace

std::string readable_rule(std::string_view words) {
  return with_comment(shown(words));
}

std::string readable_native_rule(std::string_view words) {
  return with_comment(shown_native(words));
}

std::string render(const Diff& diff, Paint paint, std::size_t width) {
  std::string text;
  for (const auto& b : blocks(diff)) {
    if (!text.empty()) text += "\n";
    text += block(b.title, b.changes, paint, width);
  }
  const auto foreign = folds(diff);
  if (!text.empty() && !foreign.empty()) text += "\n";
  for (const auto& fold : foreign)
    text += format("{}  {} in {}\n", paint.heading(escape(fold.owner)), fold.tally.text(paint),
                   counted(fold.places, "place"));
  return text;
}

namespace {

std::string chain_text(const std::string& place, const Chain& chain, Paint paint) {
  std::string text = "\n" + paint.heading(format("{} {}", place, escape(chain.name)));
  if (chain.built_in()) text += format("  policy {}", escape(chain.policy));
  text += "\n";
  std::size_t position = 0;
  for (const auto& rule : chain.rules) text += format("  {:<5} {}\n", ++position, readable_rule(rule.words));
  return text;
}

std::string with_tabs(std::string_view line) {
  const auto tabs = std::min(line.find_first_not_of('\t'), line.size());
  return std::string(2 * tabs, ' ') + escape(line.substr(tabs));
}

std::string set_text(const Set& set, Paint paint) {
  std::string text =
      "\n" + paint.heading(format("set {}", escape(set.name))) +
      format("  {} {}  {}\n", escape(set.type), escape(set.options), counted(set.members.size(), "member"));
  std::size_t number = 0;
  for (const auto member : set.members) {
    if (++number > kMembersShown)
      return text + format("  and {} more (--json has them all)\n", set.members.size() - kMembersShown);
    text += format("  {}\n", escape(member));
  }
  return text;
}

/// In nft's words.
std::string native_text(const NativeTable& table, Paint paint) {
  const auto printed = print_native(table);
  std::string text = "\n";
  for (const auto line : split_lines(printed))
    text += (line.starts_with("table ") ? paint.heading(escape(line)) : with_tabs(line)) + "\n";
  return text;
}

}  // namespace

std::string render_rules(const Ruleset& ruleset, Paint paint) {
  std::string text;
  for (const Slot slot : Ruleset::slots()) {
    for (const auto& table : ruleset[slot].tables) {
      const auto place =
          format("{}{} {}", short_name(slot.family), slot.beside ? " (legacy)" : "", escape(table.name));
      for (const auto& chain : table.chains)
        if (!chain.rules.empty() || chain.policy != "ACCEPT") text += chain_text(place, chain, paint);
    }
  }
  for (const auto& set : ruleset.sets.sets) text += set_text(set, paint);
  if (ruleset.native)
    for (const NativeTable& table : ruleset.native->tables) text += native_text(table, paint);
  return text.empty() ? "\nno rules\n" : text;
}

std::string render_stat(const Diff& diff, Paint paint, std::size_t width) {
  const auto all = blocks(diff);
  const auto foreign = folds(diff);
  std::size_t titles = 0;
  for (const auto& b : all) titles = std::max(titles, b.title.size());
  for (const auto& fold : foreign) titles = std::max(titles, escape(fold.owner).size());
  Tally sum;
  for (const auto& change : diff.changes) sum.count(change);
  std::size_t places = all.size();
  std::string text;
  for (const auto& b : all) {
    Tally tally;
    std::string words;
    for (const auto* change : b.changes) {
      tally.count(*change);
      if (!change->set.empty()) {
        if (change->kind != ChangeKind::members) words += format("  {}", name(change->kind));
      } else if (const auto heading = heading_words(*change, paint); !heading.empty()) {
        words += "  " + heading;
      }
    }
    text += format(" {:<{}} | {}{}\n", b.title, titles, tally.text(paint), words);
  }
  for (const auto& fold : foreign) {
    text += format(" {:<{}} | {}\n", escape(fold.owner), titles, fold.tally.text(paint));
    places += fold.places;
  }
  text += format(" {} in {}: {}\n", counted(diff.changes.size(), "change"), counted(places, "place"),
                 sum.text(paint));
  return wrapped_lines(text, kMemberColumn, width);
}

std::string render_unified(std::string_view text, Paint paint) {
  std::string out;
  for (const auto line : split_lines(text)) {
    const auto safe = escape(line);
    if (line.starts_with("---") || line.starts_with("+++")) {
      out += paint.heading(safe);
    } else if (line.starts_with("@@")) {
      out += paint.moved(safe);
    } else if (line.starts_with('+')) {
      out += paint.added(safe);
    } else if (line.starts_with('-')) {
      out += paint.removed(safe);
    } else {
      out += safe;
    }
    out += '\n';
  }
  return out;
}

std::string counts(const Diff& diff) {
  Tally tally;
  for (const auto& change : diff.changes) tally.count(change);
  return tally.text(Paint{});
}

}  // namespace rewall
