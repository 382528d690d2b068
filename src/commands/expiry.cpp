#include "commands/expiry.h"

#include <algorithm>

#include "commands/command_output.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/time.h"
#include "ops/expiry/expiry.h"
#include "ops/guard/guard_state.h"

namespace rewall {
namespace {

constexpr std::size_t kShortId = 8;

std::int64_t seconds_left(const Expiry& expiry) {
  return std::max<std::int64_t>(expiry.due.seconds - now().seconds, 0);
}

Json parts_json(const Expiry& expiry) {
  Json parts = Json::array();
  for (const auto& part : expiry.parts) parts.push_back(to_text(part));
  return parts;
}

}  // namespace

void add_time(Syntax& syntax, const std::string& name, std::optional<std::chrono::milliseconds>& length,
              const std::string& what) {
  syntax.option(
      name, "TIME",
      [&length](const std::string& word) -> Status {
        const auto time = TRY(parse_duration(word));
        if (time.count() == 0) return error_of<messages::guard_without_time>();
        length = time;
        return {};
      },
      what);
}

void add_expire(Syntax& syntax, std::optional<std::chrono::milliseconds>& length) {
  add_time(syntax, "--expire", length, "Take out after TIME (2h, 1d) what this change adds");
}

Json expiry_json(const Expiry& expiry) {
  return {{"id", expiry.id},
          {"due", rfc3339(expiry.due)},
          {"seconds_left", seconds_left(expiry)},
          {"by", expiry.actor.text()},
          {"command", expiry.command},
          {"change", or_null(expiry.after)},
          {"parts", parts_json(expiry)},
          {"done", expiry.done ? Json(rfc3339(*expiry.done)) : Json(nullptr)}};
}

Json ended_json(const ExpiryEnding& ending) {
  return {{"id", ending.expiry.id},           {"ended", rfc3339(ending.ended)},
          {"by", ending.expiry.actor.text()}, {"command", ending.expiry.command},
          {"result", or_null(ending.result)}, {"says", ending.says}};
}

void say_brought_back(Context& context, const Diff& diff) {
  for (const auto& back : brought_back(context.session, diff))
    context.terminal.say(format("in force again, and does not expire again: {} {}, over since {}",
                                count_text(back.parts), origin_text(back.expiry), rfc3339(back.expiry.due)));
}

std::string expiry_text(const Context& context, const Expiry& expiry) {
  return format("{} {} at {} (in {}); keep for good: {}", count_text(expiry.parts),
                expiry.parts.size() == 1 ? "expires" : "expire", rfc3339(expiry.due),
                time_text(std::chrono::seconds(seconds_left(expiry))),
                rewall_command(context.session, "confirm --expiry " + expiry.id.substr(0, kShortId)));
}

}  // namespace rewall
