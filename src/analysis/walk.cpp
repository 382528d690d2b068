#include "analysis/walk.h"

#include "analysis/quick_walk.h"
#include "analysis/walker.h"

namespace rewall {
namespace {

// The first condition in it that fails by itself.
const Condition* failing(const Condition& condition, WalkState& state, Evaluator& evaluator) {
  if (condition.kind != Condition::Kind::all_of || condition.negated) return &condition;
  for (const auto& part : condition.parts) {
    WalkQuestion question;
    if (evaluator.test(part, state, question) == Truth::no) return failing(part, state, evaluator);
  }
  return &condition;
}

std::string what_it_has(const Condition& condition, WalkState& state, Evaluator& evaluator, Family family) {
  const auto shown = [&](Field field) {
    return std::string(words_of(field)) + " is " +
           values_text(field, evaluator.numbers_of(state.view(field), field, state), family);
  };
  switch (condition.kind) {
    case Condition::Kind::in:
    case Condition::Kind::masked:
      return shown(condition.field);
    case Condition::Kind::lookup: {
      std::string out;
      for (const auto field : condition.fields) out += (out.empty() ? "" : ", ") + shown(field);
      return out;
    }
    case Condition::Kind::all_of:
    case Condition::Kind::any_of:
      return condition.parts.empty() ? std::string{}
                                     : what_it_has(condition.parts[0], state, evaluator, family);
    case Condition::Kind::unknown:
      break;
  }
  return {};
}

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::accept:
      return "ACCEPT";
    case Verdict::drop:
      return "DROP";
    case Verdict::reject:
      return "REJECT";
    case Verdict::depends:
      break;
  }
  return "DEPENDS";
}

Mismatch explain(const ModelRule& rule, std::size_t place, WalkState& state, Evaluator& evaluator,
                 Family family) {
  Mismatch mismatch{.pos = place + 1, .rule = std::string(rule.words)};
  for (const auto& condition : rule.conditions) {
    WalkQuestion question;
    if (evaluator.test(condition, state, question) != Truth::no) continue;
    mismatch.condition = condition.words;
    mismatch.value = what_it_has(*failing(condition, state, evaluator), state, evaluator, family);
    break;
  }
  return mismatch;
}

Trace trace(const Model& model, const Packet& packet, Why why) {
  Walker walker(model, packet, {.path = true, .why = why});
  walker.run();
  return Trace{.verdict = walker.bounded() ? Verdict::depends : walker.verdict(),
               .depends_on = walker.depends_on(),
               .path = walker.take_path(),
               .packet = walker.main_packet(),
               .bounded = walker.bounded()};
}

Verdict verdict(const Model& model, const Packet& packet) {
  if (const auto quick = quick_verdict(model, packet)) return *quick;
  Walker walker(model, packet, {});
  walker.run();
  return walker.bounded() ? Verdict::depends : walker.verdict();
}

std::optional<std::vector<PacketOutcome>> outcomes(const Model& model, const Packet& packet,
                                                   std::size_t most) {
  constexpr std::size_t kMostLooks = 200'000'000;
  Walker walker(model, packet, {.most_ways = most, .most_looks = kMostLooks, .groups = true});
  walker.run();
  if (walker.bounded()) return std::nullopt;
  return walker.take_outcomes();
}

}  // namespace rewall
