// Text of ipset save.

#include "diff/diff.h"
#include "fuzz/must.h"
#include "rules/parse.h"
#include "rules/print.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rewall;
  using fuzz::must;
  const std::string text(fuzz::text_of(data, size));
  const auto first = parse_sets(text, "fuzz");
  if (!first) return 0;
  const auto canonical = canonical_text(*first);
  const auto second = parse_sets(canonical, "canonical");
  must(second.has_value(), second ? "" : second.error().message, canonical);
  must(canonical_text(*second) == canonical, "the canonical text is no fixed point", canonical);
  const Ruleset from{.sets = *first};
  const Ruleset to{.sets = *second};
  must(compare(from, from).equal(), "it differs from itself", text);
  must(compare(from, to).equal(), "it differs from its canonical text", canonical);
  (void)commands(from, Ruleset{});
  (void)commands(Ruleset{}, from);
  return 0;
}
