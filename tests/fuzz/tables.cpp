// Text of iptables-save, as rules of either family: by the reader of files, and by that of what a program
// prints.

#include "fuzz/must.h"
#include "rules/meaning.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rule.h"
#include "rules/rules_file.h"

namespace rewall::fuzz {
namespace {

// The same parts, whichever way a rule comes to be written.
void check_rule_of(std::string_view words, Family family) {
  (void)check_rule(words, family);
  (void)named_parts(words, family);
  const auto key = meaning(words, family).key;
  must(meaning(words, family).key == key, "the meaning changes by itself", std::string(words));
  must(interchangeable(words, "-j ACCEPT", family) == interchangeable("-j ACCEPT", words, family),
       "one may change places with the other, and not the other with the one", std::string(words));
  const auto split = split_words(words);
  if (!split) return;
  std::string quoted;
  for (const auto& word : *split) quoted += (quoted.empty() ? "" : " ") + quote_word(word);
  const auto again = split_words(quoted);
  must(again && *again == *split, "quoted words are other words", quoted);
}

void check(const Tables& first, Family family) {
  const auto canonical = canonical_text(first);
  const auto printed = print_tables(first);
  for (const auto read : {parse_tables, parse_saved}) {
    const auto second = read(canonical, family, "canonical");
    must(second.has_value(), second ? "" : second.error().message, canonical);
    must(canonical_text(*second) == canonical, "the canonical text is no fixed point", canonical);
    const auto third = read(printed, family, "printed");
    must(third.has_value(), third ? "" : third.error().message, printed);
    must(print_tables(*third) == printed, "what is printed is no fixed point", printed);
    must(canonical_text(*third) == canonical, "what is printed is another ruleset", printed);
  }
  for (const auto& table : first.tables) {
    for (const auto& chain : table.chains) {
      for (const auto& rule : chain.rules) check_rule_of(rule.words, family);
    }
  }
}

void check(std::string_view text, Family family) {
  if (const auto file = parse_tables(std::string(text), family, "file")) check(*file, family);
  const auto whole = parse_saved(std::string(text), family, "whole");
  if (whole) check(*whole, family);
  // In pieces, as it comes from a program.
  TablesStream stream(family, "pieces");
  for (std::size_t at = 0; at < text.size(); at += 7) stream.take(text.substr(at, 7));
  const auto pieces = stream.finish();
  must(pieces.has_value() == whole.has_value() &&
           (!whole || canonical_text(*pieces) == canonical_text(*whole)),
       "in pieces it is another ruleset", std::string(text));
}

}  // namespace
}  // namespace rewall::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rewall;
  const auto text = fuzz::text_of(data, size);
  (void)find_families("text", text);
  for (const auto family : {Family::ipv4, Family::ipv6}) fuzz::check(text, family);
  return 0;
}
