#include "ops/guard/new_ssh.h"

#include "analysis/model.h"
#include "core/format.h"
#include "kernel/connects_through.h"
#include "ops/context/host_facts.h"
#include "ops/restore/lockout.h"

namespace rewall {
namespace {

NewSsh unknown_because(std::string why) {
  return {.answer = NewSsh::Answer::unknown, .why = std::move(why)};
}

}  // namespace

std::string_view NewSsh::word() const {
  switch (answer) {
    case Answer::ok:
      return "ok";
    case Answer::blocked:
      return "BLOCKED";
    case Answer::unknown:
      break;
  }
  return "unknown";
}

std::optional<SessionWay> callers_ssh() {
  auto session = caller_session();
  for (auto& way : session.ways)
    if (way.name == "ssh") return std::move(way);
  return std::nullopt;
}

NewSsh try_new_ssh(Firewall& firewall, BackendChoice backend, const SessionWay& way) {
  if (way.interface.empty()) return unknown_because("no route leads to the client");
  const auto live = firewall.capture(backend);
  if (!live) return unknown_because(live.error().message);
  const auto need = new_connection(way, Model(live->ruleset, way.ends.family, host_facts_if_known()));
  if (need.passage == Passage::doubtful) return unknown_because(need.why);
  const auto staged = firewall.stage(live->ruleset, nullptr);
  if (!staged) return unknown_because(staged.error().message);
  const auto connected =
      connects_through(*staged, {.ends = way.ends,
                                 .dialled = way.tracked ? way.tracked->original_destination : way.ends.here,
                                 .interface = way.interface});
  if (!connected) return unknown_because(connected.error().message);
  const bool open = need.passage == Passage::open;
  if (*connected != open)
    return unknown_because(*connected ? format("tried, it is let in; but by the rules {}", need.why)
                                      : "tried, it is not let in; but nothing in the rules stops it");
  if (open) return {.answer = NewSsh::Answer::ok};
  return {.answer = NewSsh::Answer::blocked, .why = need.why};
}

}  // namespace rewall
