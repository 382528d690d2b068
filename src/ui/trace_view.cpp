#include "ui/trace_view.h"

#include <algorithm>
#include <array>

#include "core/format.h"
#include "core/text.h"
#include "ui/diff_view.h"
#include "ui/width.h"

namespace rewall {
namespace {

constexpr std::size_t kIndent = 10;  // of what stands behind the position of a rule

bool is_native(const Step& step) {
  return step.chain.empty() && !step.table.empty();
}

std::string heading_of(const Step& step, Family family) {
  if (step.table.empty()) return "kernel";
  if (is_native(step)) return escape(step.table);
  return format("{}{} {} {}", short_name(family), step.backend == Backend::legacy ? " (legacy)" : "",
                escape(step.table), escape(step.chain));
}

/// Writes the lines of a trace.
class TraceLines {
 public:
  TraceLines(Family family, std::size_t width, Paint paint) : family_(family), width_(width), paint_(paint) {}

  void step(const Step& step, bool alone) {
    if (auto heading = heading_of(step, family_); heading != heading_) {
      heading_ = std::move(heading);
      text_ += paint_.heading(heading_);
      // A chain that has nothing but its policy takes one line.
      if (alone && step.rule.empty() && step.passed.empty()) {
        text_ += "  " + action(step) + "\n";
        if (step.perhaps) hangs(step);
        return;
      }
      text_ += "\n";
    }
    for (const auto& mismatch : step.passed) passed(mismatch);
    if (step.rule.empty())
      text_ += "  " + action(step) + "\n";
    else
      rule(step.pos, readable_rule(step.rule), step.perhaps && !step.taken ? '?' : '>');
    if (step.perhaps) hangs(step);
  }

  void line(std::string_view name, const std::string& text) {
    text_ += format("{:<9}{}\n", name, wrapped(text, 9, 9, width_));
  }
  void add(std::string_view text) { text_ += text; }
  std::string take() && { return std::move(text_); }

 private:
  std::string action(const Step& step) const {
    if (step.action == "policy DROP") return paint_.removed(step.action);
    return escape(step.action);
  }

  void rule(std::size_t pos, const std::string& words, char mark) {
    const auto line = wrapped(words, kIndent, kIndent, width_);
    text_ += format("  {} {:<6}{}\n", mark, pos, line);
  }

  void passed(const Mismatch& mismatch) {
    std::string text = format("    {:<6}{}\n", mismatch.pos,
                              wrapped(readable_rule(mismatch.rule), kIndent, kIndent, width_));
    const auto reason = mismatch.condition.empty() ? mismatch.value
                        : mismatch.value.empty()   ? format("not {}", mismatch.condition)
                                                   : format("not {}: {}", mismatch.condition, mismatch.value);
    text += format("{:<{}}{}\n", "", kIndent, wrapped(escape(reason), kIndent, kIndent, width_));
    for (const auto part : split_lines(text)) text_ += paint_.quiet(part) + "\n";
  }

  void hangs(const Step& step) {
    const auto text = step.taken ? format("hangs on {}; shown as if it matches", step.hangs_on)
                                 : format("hangs on {}; shown as if it does not match", step.hangs_on);
    text_ +=
        format("{:<{}}{}\n", "", kIndent, paint_.changed(wrapped(escape(text), kIndent, kIndent, width_)));
  }

  Family family_;
  std::size_t width_;
  Paint paint_;
  std::string heading_{};
  std::string text_{};
};

bool rewrites(const Step& step) {
  static constexpr std::array<std::string_view, 11> kTargets = {
      "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP", "MARK", "CONNMARK", "TTL", "HL", "TOS", "DSCP"};
  const auto target = std::string_view(step.action).substr(0, step.action.find(' '));
  return (!step.perhaps || step.taken) && std::ranges::find(kTargets, target) != kTargets.end();
}

// The fields that NAT, marks and the like changed, in words of a packet. A field that the way only narrowed
// is not changed.
std::string changed_fields(const Trace& trace, const Packet& packet) {
  static constexpr std::array<Field, 8> kFieldsOfPackets = {
      Field::source, Field::destination,     Field::source_port, Field::destination_port,
      Field::mark,   Field::connection_mark, Field::ttl,         Field::tos};
  if (std::ranges::none_of(trace.path, rewrites)) return {};
  std::string text;
  for (const auto field : kFieldsOfPackets) {
    const auto& left = trace.packet[field];
    const bool changed = !without(left, packet[field]).empty() || (left.is_one() && left != packet[field]);
    // 0 is the mark of a new connection.
    if (!changed || left == whole(field, packet.family) ||
        (field == Field::connection_mark && left == NumberSet::one(0)))
      continue;
    text +=
        format("{}{} {}", text.empty() ? "" : " ", words_of(field), values_text(field, left, packet.family));
  }
  return text;
}

std::string painted_verdict(Verdict verdict, Paint paint) {
  const auto text = name(verdict);
  switch (verdict) {
    case Verdict::accept:
      return paint.added(text);
    case Verdict::depends:
      return paint.changed(text);
    default:
      return paint.removed(text);
  }
}

// True where the step before and the step behind are of other chains.
bool stands_alone(const std::vector<Step>& path, std::size_t i, Family family) {
  const auto here = heading_of(path[i], family);
  return (i == 0 || heading_of(path[i - 1], family) != here) &&
         (i + 1 == path.size() || heading_of(path[i + 1], family) != here);
}

}  // namespace

std::string render(const Trace& trace, const Packet& packet, std::size_t width, Paint paint) {
  TraceLines lines(packet.family, width, paint);
  lines.line("packet", escape(packet_words(packet)));
  lines.add("\n");
  for (std::size_t i = 0; i < trace.path.size(); ++i)
    lines.step(trace.path[i], stands_alone(trace.path, i, packet.family));
  lines.add("\n");
  if (const auto changed = changed_fields(trace, packet); !changed.empty())
    lines.line("left as", escape(changed));
  lines.line("verdict", painted_verdict(trace.verdict, paint));
  bool first = true;
  for (const auto& unknown : trace.depends_on) {
    lines.line(first ? "hangs on" : "", escape(unknown));
    first = false;
  }
  if (trace.bounded) lines.line("", "the ways are too many to try them all");
  return std::move(lines).take();
}

namespace {

Json step_json(const Step& step, Family family, Why why) {
  Json json = {{"family", name(family)},
               {"backend", step.table.empty() ? Json(nullptr)
                           : is_native(step)  ? Json(kNativeBackend)
                                              : Json(name(step.backend))},
               {"hook", name(step.hook)},
               {"table", or_null(step.table)},
               {"chain", or_null(step.chain)},
               {"pos", step.pos == 0 ? Json(nullptr) : Json(step.pos)},
               {"rule", or_null(step.rule)},
               {"action", step.action},
               {"perhaps", step.perhaps},
               {"taken", !step.perhaps || step.taken},
               {"hangs_on", or_null(step.hangs_on)},
               {"why", nullptr}};
  if (why == Why::no) return json;
  json["why"] = Json::array();
  for (const auto& mismatch : step.passed)
    json["why"].push_back({{"pos", mismatch.pos},
                           {"rule", mismatch.rule},
                           {"condition", or_null(mismatch.condition)},
                           {"value", or_null(mismatch.value)}});
  return json;
}

}  // namespace

Json to_json(const Trace& trace, const Packet& packet, Why why) {
  Json json = {{"verdict", name(trace.verdict)},
               {"depends_on", trace.depends_on},
               {"path", Json::array()},
               {"family", name(packet.family)},
               {"hook", name(packet.hook)},
               {"packet", packet_words(packet)},
               {"left", or_null(changed_fields(trace, packet))},
               {"bounded", trace.bounded}};
  for (const auto& step : trace.path) json["path"].push_back(step_json(step, packet.family, why));
  return json;
}

}  // namespace rewall
