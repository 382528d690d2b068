// A template, and values for a template: each line of the first part is PLACE=VALUE, behind a line `%` stands
// the text of a template.

#include "rules/template.h"

#include <algorithm>

#include "core/text.h"
#include "fuzz/must.h"

namespace {

using namespace rewall;
using fuzz::must;

const RulesTemplate& one_of_each() {
  static const RulesTemplate rules =
      parse_template(
          "# place a address 192.0.2.1 - x\n# place n networks 192.0.2.0/24,2001:db8::/32 - x\n"
          "# place i interfaces eth0 - x\n# place p ports 22 - x\n# place u users root - x\n"
          "-A A -s $a -j ACCEPT\n-A A -s $n -j ACCEPT\n-A A -i $i -j ACCEPT\n"
          "-A A -p tcp --dport $p -j ACCEPT\n-A A -m owner --uid-owner $u -j ACCEPT\n",
          "t", "t")
          .value();
  return rules;
}

/// No value is more than a word.
void hold_values(const std::string& text) {
  std::vector<std::string> settings;
  for (const auto line : split(text, '\n')) settings.emplace_back(line);
  const auto values = read_place_values(one_of_each(), settings);
  if (!values) return;
  const auto rendered = render_template(one_of_each(), *values);
  if (!rendered) return;
  for (const auto line : split_lines(*rendered)) {
    if (line.starts_with('#')) continue;
    must(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }), "a byte that is no text",
         text);
    must(line.find_first_of("\"'\\$#;|`") == std::string_view::npos, "a byte that means something", text);
    std::size_t jumps = 0;
    for (const auto word : split(line, ' ')) {
      must(!word.empty(), "a blank more", text);
      jumps += word == "-j" ? 1U : 0U;
    }
    must(jumps == 1, "an option more", text);
  }
  // Of what it printed it reads the same.
  std::vector<std::string> again;
  for (const auto& [place, value] : *values) again.push_back(place + "=" + value.text);
  const auto second = read_place_values(one_of_each(), again);
  must(second.has_value(), "the values are not read again", text);
  must(render_template(one_of_each(), *second).value() == *rendered, "the values are no fixed point", text);
}

void hold_template(const std::string& text) {
  const auto rules = parse_template(text, "fuzz", "fuzz");
  if (!rules) return;
  const auto values = read_place_values(*rules, {});
  if (!values) return;
  for (const auto family :
       {std::optional<Family>{}, std::optional(Family::ipv4), std::optional(Family::ipv6)})
    (void)render_template(*rules, *values, family);
  (void)render_expectations(*rules, *values);
  (void)tables_of_template(*rules, *values, Family::ipv4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  const auto middle = text.find("\n%\n");
  hold_values(text.substr(0, middle));
  if (middle != std::string::npos) hold_template(text.substr(middle + 3));
  return 0;
}
