// Text of nft's listings, as a remote may send it in rules.nft.

#include "fuzz/must.h"
#include "rules/native_tables.h"

namespace rewall::fuzz {
namespace {

void check(const std::string& text) {
  (void)is_nft_text(text);
  const auto tables = parse_native(text, "text");
  if (!tables) return;
  const auto printed = print_native(*tables);
  const auto again = parse_native(printed, "printed");
  must(again.has_value(), again ? "" : again.error().message, printed);
  must(print_native(*again) == printed, "what is printed is no fixed point", printed);
  for (const auto& table : tables->tables) {
    for (const auto& part : table.parts) {
      auto texts = tables->texts;
      if (!part.has_elements()) continue;
      const auto same = with_elements(part, part.elements, texts);
      must(same.elements == part.elements, "elements change by themselves", std::string(part.text));
      const auto set = parse_native("table ip t {\n" + std::string(same.text) + "}\n", "set");
      must(set && set->tables.at(0).parts.at(0).elements == part.elements, "a set reads otherwise",
           std::string(same.text));
    }
  }
}

}  // namespace
}  // namespace rewall::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rewall;
  fuzz::check(std::string(fuzz::text_of(data, size)));
  return 0;
}
