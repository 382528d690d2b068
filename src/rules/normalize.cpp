#include "rules/normalize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>

#include "core/format.h"
#include "core/text.h"
#include "rules/normalize_parts.h"
#include "rules/symbols.h"
#include "rules/value_parse.h"

namespace rewall {
namespace {

std::string sorted_list(std::string_view text) {
  std::vector<std::string> items;
  for (const auto item : split(text, ',')) items.push_back(upper(trim(item)));
  std::ranges::sort(items);
  items.erase(std::unique(items.begin(), items.end()), items.end());
  return join(items, ",");
}

// "user", "0", "0-99".
std::optional<std::string> read_ids(const std::string& text, bool group) {
  const auto dash = text.find('-');
  const auto first = read_number(text.substr(0, dash), 0xffffffff);
  const auto last = dash == std::string::npos ? first : read_number(text.substr(dash + 1), 0xffffffff);
  if (first && last) return format("{}-{}", *first, *last);
  const auto number = group ? group_number(text) : user_number(text);
  if (!number) return std::nullopt;
  return format("{}-{}", *number, *number);
}

std::optional<std::string> read_mac(std::string_view text) {
  std::string out;
  const auto bytes = split(text, ':');
  if (bytes.size() != 6) return std::nullopt;
  for (const auto byte : bytes) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(byte.data(), byte.data() + byte.size(), value, 16);
    if (error != std::errc{} || end != byte.data() + byte.size() || value > 255) return std::nullopt;
    out += format("{:02X}", value);
  }
  return out;
}

template <class Value, class Show>
std::optional<std::string> shown(const std::optional<Value>& value, Show show) {
  if (!value) return std::nullopt;
  return show(*value);
}

std::optional<std::string> read_one(const OptionSpec& spec, const std::string& value, Family family) {
  const auto as_number = [](auto number) { return format("{}", number); };
  const auto as_range = [](const Interval& range) { return to_text(Intervals{range}); };
  switch (spec.kind) {
    case ValueKind::number:
      return shown(read_number(value), as_number);
    case ValueKind::list:
      return quote_word(sorted_list(value));
    case ValueKind::protocol:
      return shown(protocol_number(value), as_number);
    case ValueKind::port:
    case ValueKind::ports:
      return shown(read_ports(value), [](const Intervals& ports) { return to_text(ports); });
    case ValueKind::range8:
      return shown(read_range(value, 0xff), as_range);
    case ValueKind::range16:
      return shown(read_range(value, 0xffff), as_range);
    case ValueKind::range32:
      return shown(read_range(value, 0xffffffff), as_range);
    case ValueKind::address:
      return shown(read_address(value, family),
                   [family](const Address& address) { return to_text(address, family); });
    case ValueKind::host:
      return shown(read_host(value, family),
                   [family](const Address& address) { return to_text(address, family); });
    case ValueKind::address_range:
      return read_address_range(value, family);
    case ValueKind::caseless:
      return quote_word(upper(value));
    case ValueKind::mark:
      return shown(read_mark(value), [](Mark mark) { return to_text(mark); });
    case ValueKind::mac:
      return read_mac(value);
    case ValueKind::id:
      return read_ids(value, spec.group);
    default:
      return quote_word(value.substr(0, spec.longest));
  }
}
}  // namespace

Option* find_option(std::vector<Option>& options, std::string_view name) {
  const auto found = std::ranges::find(options, name, &Option::name);
  return found == options.end() ? nullptr : &*found;
}

void add_default(std::vector<Option>& options, std::string name, std::string value) {
  if (find_option(options, name) == nullptr)
    options.push_back(Option{.name = std::move(name), .values = {std::move(value)}});
}

void add_flag(std::vector<Option>& options, std::string name) {
  options.push_back(Option{.name = std::move(name)});
}

void set_value(Option* option, const std::optional<std::string>& value) {
  if (option != nullptr && value) option->values = {*value};
}

void remove_default(std::vector<Option>& options, std::string_view name, std::uint64_t number) {
  std::erase_if(options, [&](const Option& option) {
    return option.name == name && option.values.size() == 1 && read_number(option.values[0]) == number;
  });
}

void remove_flag(std::vector<Option>& options, std::string_view name) {
  std::erase_if(options, [name](const Option& option) { return option.name == name; });
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return out;
}

std::optional<std::uint64_t> leading_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  return number;
}

std::optional<std::string> read_prefix(const std::string& text, Family family) {
  const auto address = read_host((family == Family::ipv4 ? "0.0.0.0/" : "::/") + text, family);
  if (!address) return std::nullopt;
  int bits = 0;
  for (const auto byte : address->mask) bits += std::popcount(byte);
  return format("{}", bits);
}

void name_of_class_to_number(std::vector<Option>& options, std::string_view by_class,
                             std::string_view by_number) {
  auto* option = find_option(options, by_class);
  if (option == nullptr) return;
  const auto value = dscp_class(option->values[0]);
  if (value)
    *option =
        Option{.name = std::string(by_number), .negated = option->negated, .values = {format("{}", *value)}};
}

Match normal_form(Match match, Family family) {
  if (!match.known) return match;
  if (const auto rule = match_rule(match.name)) rule(match, family);
  return match;
}

Target normal_form(Target target, Family family) {
  if (!target.known) return target;
  if (const auto rule = target_rule(target.name)) rule(target, family);
  return target;
}

std::string normal_value(const OptionSpec* spec, const Option& option, Family family) {
  if (spec != nullptr && option.values.size() == 1) {
    return read_one(*spec, option.values[0], family).value_or('?' + quote_word(option.values[0]));
  }
  std::string out;
  for (const auto& value : option.values) {
    if (!out.empty()) out += ' ';
    out += quote_word(value);
  }
  return out;
}

}  // namespace rewall
