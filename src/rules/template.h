#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "rules/ruleset.h"

namespace rewall {

/// The kinds of values that a place of a template takes (rewall-template(5), TYPES).
enum class PlaceType : std::uint8_t {
  address,    ///< an IPv4 or IPv6 address; at most one of each
  network,    ///< an address or a network, or `any`
  interface,  ///< the name of a network interface, also with `+`
  port,       ///< a number from 1 to 65535; in a list also FIRST:LAST
  user,       ///< the name or the number of a user
};

/// A named place of a template: `# place NAME TYPE [DEFAULT] - DESCRIPTION`. A value.
struct TemplatePlace {
  std::string name{};
  PlaceType type = PlaceType::address;
  bool list = false;                    ///< takes several values, `none`, and mostly `any`
  std::optional<std::string> preset{};  ///< the default, as --set takes it
  std::string description{};
};

/// "address", "networks": the type as a template writes it.
std::string type_name(const TemplatePlace& place);

/// What stands at a place: read from a text, printed in the spelling of iptables. A value.
struct PlaceValue {
  bool any = false;  ///< everything of its type: the option is left out
  std::vector<std::string> v4{};
  std::vector<std::string> v6{};
  std::vector<std::string> plain{};  ///< interfaces, ports and users: for both families
  std::string text{};                ///< as --set takes it
};
using PlaceValues = std::map<std::string, PlaceValue>;

/// Reads a value of the place's type. What it returns holds only letters, digits and the punctuation of the
/// type, no blank and no leading dash: it can be no option, no line and no quote. Kind usage: the text is of
/// another type.
Result<PlaceValue> read_place_value(const TemplatePlace& place, std::string_view text);

/// A word of a rule or of an expectation; `place` is the number of the place in RulesTemplate::places that it
/// names.
struct TemplateWord {
  std::string text{};
  std::optional<std::size_t> place{};
};

/// A line of a template: with places, or one to print as it is. A value.
struct TemplateLine {
  std::string text{};
  std::optional<Family> marked{};     ///< by -4 or -6
  std::vector<TemplateWord> words{};  ///< of a line with places, without the mark
};

/// An expectation of a template: `# expect VERDICT PACKET  # COMMENT`. A value.
struct TemplateExpectation {
  TemplateLine packet{};
  std::string verdict{};  ///< "accept", "drop", "reject"
  std::string comment{};
};

/// A ruleset of both families with named places, and what it is expected to do (rewall-template(5)). A value.
struct RulesTemplate {
  std::string name{};
  std::string summary{};  ///< what it is for, in one line
  std::string text{};     ///< as it is written
  std::vector<TemplatePlace> places{};
  std::vector<TemplateLine> lines{};  ///< all but those of places and expectations
  std::vector<TemplateExpectation> expectations{};

  const TemplatePlace* find(std::string_view place) const;
};

/// Reads a template. `path` is for errors, which begin `PATH:LINE: `. Kind usage: a place that is not
/// declared or is not used, a default of another type, a place that is no word of its own behind an option.
/// The rules are not checked otherwise: the kernel does it.
Result<RulesTemplate> parse_template(std::string text, std::string_view name, std::string_view path);

/// Reads the values of `PLACE=VALUE` for a template; the other places get their defaults. Kind usage: no such
/// place, a place set twice or without a value, a value of another type, several addresses of a family where
/// DNAT takes one.
Result<PlaceValues> read_place_values(const RulesTemplate& rules, std::span<const std::string> settings);

/// What was set and changes nothing, as every rule with that place has another one that is `none`:
/// "forward_ports=80 changes nothing, as forward_to is none".
std::vector<std::string> idle_settings(const RulesTemplate& rules, const PlaceValues& values,
                                       std::span<const std::string> settings);

/// The template with its values, as a rules file. A rule with a list becomes one for each value, behind
/// `--dports` of -m multiport one for 15 ports; a rule whose place is `none`, or has no address of the
/// family, is left out. Without `family` lines of one family are marked -4 and -6. Kind usage: more than
/// kMostTemplateRules.
Result<std::string> render_template(const RulesTemplate& rules, const PlaceValues& values,
                                    std::optional<Family> family = {});
inline constexpr std::size_t kMostTemplateRules = 20'000;

/// The expectations with the values, each as the file `expect` has it: "accept -p tcp --dport 80  # the web".
/// One of no family (-4, -6, an address, ICMP) stands twice, the second with -6. A list is all packets with
/// one of its values; `any` of networks is every address but those of loopback.
std::vector<std::string> render_expectations(const RulesTemplate& rules, const PlaceValues& values);

/// The tables of render_template(). Kind usage: a line that iptables-restore does not take.
Result<Tables> tables_of_template(const RulesTemplate& rules, const PlaceValues& values, Family family);

}  // namespace rewall
