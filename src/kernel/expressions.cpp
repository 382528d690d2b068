#include "kernel/expressions.h"

#include <netinet/in.h>

// After libc's own, which they would collide with.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>

#include <cstring>

#include "core/format.h"
#include "core/text.h"
#include "kernel/netlink_attributes.h"
#include "kernel/rule_list.h"
#include "rules/rule.h"
#include "rules/symbols.h"

namespace rewall {

namespace {

constexpr std::uint16_t kNoSet = 65535;  // IPSET_INVALID_ID, linux/netfilter/ipset/ip_set.h

template <class Each>
void for_each_expression(std::string_view expressions, const Each& each) {
  for_each_attribute(expressions.data(), expressions.data() + expressions.size(), [&](const nlattr* element) {
    const auto parts = attributes<NFTA_EXPR_MAX + 1>(element);
    each(text(parts[NFTA_EXPR_NAME]), parts[NFTA_EXPR_DATA]);
  });
}

}  // namespace

std::string comparable(std::string_view expressions, ExtensionData extension_data) {
  std::string text;
  const auto add = [&](const nlattr* attribute) { text.append(payload(attribute)).append(1, '\0'); };
  const bool taken = extension_data == ExtensionData::taken;
  for_each_expression(expressions, [&](std::string_view name, const nlattr* data) {
    text.append(name).append(1, '\0');
    if (!taken && name == "match") {
      const auto facts = attributes<NFTA_MATCH_MAX + 1>(data);
      for (const nlattr* fact : {facts[NFTA_MATCH_NAME], facts[NFTA_MATCH_REV]}) add(fact);
    } else if (!taken && name == "target") {
      const auto facts = attributes<NFTA_TARGET_MAX + 1>(data);
      for (const nlattr* fact : {facts[NFTA_TARGET_NAME], facts[NFTA_TARGET_REV]}) add(fact);
    } else if (name == "quota" && data != nullptr) {
      for_each_nested(data, [&](const nlattr* at) {
        if (mnl_attr_get_type(at) != NFTA_QUOTA_CONSUMED) add(at);
      });
    } else if (name != "counter" && name != "last") {
      add(data);
    }
  });
  return text;
}

std::string chain_behind(std::string_view expressions) {
  std::string chain;
  for_each_expression(expressions, [&](std::string_view name, const nlattr* data) {
    if (name != "immediate") return;
    const auto facts = attributes<NFTA_IMMEDIATE_MAX + 1>(data);
    const auto value = attributes<NFTA_DATA_MAX + 1>(facts[NFTA_IMMEDIATE_DATA]);
    chain = text(attributes<NFTA_VERDICT_MAX + 1>(value[NFTA_DATA_VERDICT])[NFTA_VERDICT_CHAIN]);
  });
  return chain;
}

bool has_extension(std::string_view expressions) {
  bool found = false;
  for_each_expression(expressions, [&](std::string_view name, const nlattr*) {
    found = found || name == "match" || name == "target";
  });
  return found;
}

std::vector<std::size_t> set_numbers(std::string_view expressions) {
  std::vector<std::size_t> places;
  const auto add = [&](const nlattr* info, std::size_t offset) {
    const auto bytes = payload(info);
    if (bytes.size() < offset + sizeof(std::uint16_t)) return;
    const auto place = static_cast<std::size_t>(bytes.data() - expressions.data()) + offset;
    std::uint16_t index = 0;
    std::memcpy(&index, expressions.data() + place, sizeof index);
    if (index != kNoSet) places.push_back(place);
  };
  for_each_expression(expressions, [&](std::string_view name, const nlattr* data) {
    if (name == "match") {
      const auto facts = attributes<NFTA_MATCH_MAX + 1>(data);
      if (text(facts[NFTA_MATCH_NAME]) == "set") add(facts[NFTA_MATCH_INFO], 0);
    } else if (name == "target") {
      const auto facts = attributes<NFTA_TARGET_MAX + 1>(data);
      if (text(facts[NFTA_TARGET_NAME]) != "SET") return;
      const nlattr* info = facts[NFTA_TARGET_INFO];
      const std::uint32_t revision = number(facts[NFTA_TARGET_REV]);
      const std::size_t step = revision == 0 ? 32 : 4;  // xt_set_info_v0, xt_set_info
      add(info, 0);
      add(info, step);
      if (revision >= 3) add(info, 2 * step);
    }
  });
  return places;
}

Result<Compat> compat_of(std::string_view words, Family family) {
  auto rule = parse_rule(words, family);
  if (!rule) {
    Error error = std::move(rule).error();
    error.kind = ErrorKind::kernel;
    return error;
  }
  for (const Option& option : rule->options) {
    if (option.name != "-p" || option.values.empty()) continue;
    const std::string& name = option.values.front();
    const auto number = name == "all" ? std::optional<std::uint8_t>(0) : protocol_number(name);
    if (!number)
      return Error{.kind = ErrorKind::kernel,
                   .message = format("this host knows no protocol {}: {}", escape(name), escape(words))};
    return Compat{.protocol = *number, .flags = option.negated ? std::uint32_t{NFT_RULE_COMPAT_F_INV} : 0};
  }
  return Compat{};
}

}  // namespace rewall
