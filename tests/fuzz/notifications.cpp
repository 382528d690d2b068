// What a netlink socket receives of nf_tables: messages of every kind, of any length and content.

#include "fuzz/must.h"
#include "kernel/events.h"
#include "kernel/expressions.h"
#include "kernel/rule_shape.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rewall;
  using fuzz::must;
  // The reader sees what one call received, and goes on with what the next one brings.
  const auto received = fuzz::text_of(data, size);
  EventReader reader;
  std::vector<Committed> transactions;
  reader.take(received, transactions);
  reader.take(received, transactions);
  for (const auto& transaction : transactions) {
    must(transaction.steps.size() <= size, "more steps than bytes", "");
    for (const auto& step : transaction.steps) {
      must(transaction.chains.contains(step.chain), "a step of a chain that did not change",
           step.chain.chain);
      (void)comparable(step.rule.expressions, ExtensionData::taken);
      (void)comparable(step.rule.expressions, ExtensionData::left_out);
      (void)chain_behind(step.rule.expressions);
      (void)set_numbers(step.rule.expressions);
      (void)has_extension(step.rule.expressions);
      (void)native_part(step.rule.expressions, step.chain.family, [](std::string_view, const nlattr*) {});
    }
  }
  return 0;
}
