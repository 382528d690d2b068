#include "commands/command_output.h"

#include <algorithm>
#include <filesystem>

#include "commands/expiry.h"
#include "commands/guard.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "kernel/process.h"
#include "ops/context/rewall_command.h"
#include "ops/context/settings.h"
#include "ops/guard/guard_place.h"
#include "ops/history/change_stack.h"
#include "rules/print.h"
#include "ui/width.h"

namespace rewall {
std::string short_hash(const std::string& hash) {
  return hash.substr(0, 10);
}

std::string fitted(const std::string& text, std::size_t width) {
  const auto padded = [width](std::string shown) {
    const auto columns = display_width(shown);
    return std::move(shown) + std::string(columns < width ? width - columns : 0, ' ');
  };
  if (display_width(text) <= width) return padded(text);
  // The names of people are UTF-8: never leave half a character.
  std::size_t end = text.size();
  while (end > 0 && ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80 ||
                     display_width(text.substr(0, end)) >= width))
    --end;
  return padded(text.substr(0, end) + "…");
}

void add_family(Syntax& syntax, std::optional<Family>& family, const std::string& what) {
  syntax.option(
      "--family", "FAMILY",
      [&family](const std::string& word) -> Status {
        if (word == "ipv4" || word == "ip" || word == "4") {
          family = Family::ipv4;
        } else if (word == "ipv6" || word == "ip6" || word == "6") {
          family = Family::ipv6;
        } else {
          return error_of<messages::unknown_family>(escape(word));
        }
        return {};
      },
      what);
}

namespace {

Status check_table(const std::string& table) {
  if (table.empty() || !built_in_chains(table).empty()) return {};
  static const std::vector<std::string> kTables{"raw", "mangle", "nat", "filter", "security"};
  auto error = error_of<messages::unknown_table>(table, join(kTables, ", "));
  if (const auto near = nearest(table, kTables); !near.empty())
    error.hint = format("did you mean '{}'?", near);
  return error;
}

Status check_recorded_table(const std::string& table) {
  const auto blank = table.find(' ');
  const bool native = native_family(table.substr(0, blank)) && blank != std::string::npos &&
                      !trim(table.substr(blank)).empty();
  if (native) return {};
  auto known = check_table(table);
  if (!known)
    known.error().hint += format("{} a table of nft has its family before its name: 'inet fw'",
                                 known.error().hint.ends_with('?') ? "" : ";");
  return known;
}

void add_checked_table(Syntax& syntax, std::string& table, const std::string& what,
                       Status (*check)(const std::string& name)) {
  syntax.option(
      "--table", "TABLE",
      [&table, check](const std::string& word) -> Status {
        TRY(check(word));
        table = word;
        return {};
      },
      what);
}

}  // namespace

void add_table(Syntax& syntax, std::string& table, const std::string& what) {
  add_checked_table(syntax, table, what, check_table);
}

void add_recorded_table(Syntax& syntax, std::string& table, const std::string& what) {
  add_checked_table(syntax, table, what, check_recorded_table);
}

void print_recorded(Context& context, const Recorded& recorded, const std::string& restored,
                    const std::optional<Guard>& guard, const std::optional<Expiry>& expiry,
                    const Json& more) {
  for (const auto& note : recorded.notes) context.terminal.say(escape(note));
  if (context.json) {
    Json json = answer_json(recorded.hash, recorded.subject, recorded.changed, restored);
    if (guard) json["guard"] = guard_json(*guard, guard->deadline - boot_time(), false);
    if (expiry) json["expiry"] = expiry_json(*expiry);
    json.update(more);
    context.terminal.out(print(json));
    return;
  }
  context.terminal.out(format("{} {}\n", short_hash(recorded.hash), escape(recorded.subject)));
}

std::string rewall_command(const Session& session, const std::string& words) {
  return format("{} {}", rewall_command(session.path()), words);
}

namespace {

bool is_command(std::string_view word) {
  return std::ranges::any_of(command_table(), [&](const CommandEntry& entry) {
    return word == entry.name || (!entry.alias.empty() && word == entry.alias);
  });
}

// The word that a text begins with.
std::string_view first_of(std::string_view text) {
  return text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz"));
}

}  // namespace

std::string for_repository(std::string_view hint, const std::filesystem::path& repository) {
  constexpr std::string_view kProgram = "rewall ";
  constexpr std::string_view kFolder = "REPOSITORY";
  const auto program = rewall_command(repository) + " ";
  std::string text;
  while (!hint.empty()) {
    const bool begins = text.empty() || std::string_view(" '`(").find(text.back()) != std::string_view::npos;
    if (begins && hint.starts_with(kProgram) && is_command(first_of(hint.substr(kProgram.size())))) {
      text += program;
      hint.remove_prefix(kProgram.size());
    } else if (hint.starts_with(kFolder)) {
      std::error_code failed;
      const auto absolute = std::filesystem::absolute(repository, failed);
      text += shell_quote((failed ? repository : absolute).lexically_normal().string());
      hint.remove_prefix(kFolder.size());
    } else {
      text += hint.front();
      hint.remove_prefix(1);
    }
  }
  return text;
}

namespace {

// What takes the change back that HEAD recorded; empty where nothing does.
std::string go_back(Context& context) {
  auto repository = context.session.repository();
  if (!repository) return "";
  const auto hash = (*repository)->head();
  const auto head = hash ? (*repository)->snapshot(*hash) : Result<Snapshot>(hash.error());
  if (!head) return "";
  const auto& trigger = head->trailers.trigger;
  if (trigger == "rollback" && !head->parent.empty())
    return "; to try the change again: " +
           rewall_command(context.session, "restore --for 10m " + short_hash(head->parent));
  if (trigger == "rollback" || trigger == "boot") return "";
  if (trigger == "undo") return "; go back: " + rewall_command(context.session, "redo");
  const auto done = newest_done(**repository, *hash);
  return done && *done ? "; go back: " + rewall_command(context.session, "undo") : "";
}

}  // namespace

void say_in_force(Context& context, const Recorded& recorded) {
  const auto what = format("{} {}", short_hash(recorded.hash), recorded.subject);
  const auto guard = read_guard(context.session.state_path());
  if (guard && !*guard) {
    const auto other = guard_of_other_repository(context.session);
    // What a boot put in force without a snapshot of its own is no change that undo would take back.
    if (!other)
      return context.terminal.say(
          format("in force: {}{}", what, recorded.changed ? go_back(context) : std::string{}));
    const auto there = "rewall -C " + shell_quote(other->repository);
    return context.terminal.say(format(
        "in force, unless {} reverts it: {}{}", escape(other->name), what,
        other->repository.empty() ? std::string{}
                                  : format("; keep both: {0} confirm; take both back: {0} rollback", there)));
  }
  context.terminal.say(format("in force, unless the guard reverts it: {}; keep it: {}; go back: {}", what,
                              rewall_command(context.session, "confirm"),
                              rewall_command(context.session, "rollback")));
}

Json findings_json(const Context& context, std::span<const Finding> findings) {
  Json json = Json::array();
  for (const auto& finding : findings)
    json.push_back({{"check", finding.check},
                    {"ok", finding.ok},
                    {"message", finding.message},
                    {"hint", or_null(for_repository(finding.hint, context.session.path()))}});
  return json;
}

Answer answer_of(std::span<const Finding> findings) {
  return std::ranges::all_of(findings, &Finding::ok) ? Answer::same : Answer::different;
}

Json print_refused(const Context& context, const std::string& remote, std::span<const RefusedPart> refused) {
  Json json = Json::array();
  for (const auto& part : refused) {
    json.push_back({{"name", part.name}, {"why", part.why}});
    auto error = error_of<messages::branch_refused>(remote, part.name, part.why);
    const auto limit = limit_in(part);
    Terminal::error(limit.empty() ? error
                                  : std::move(error).hinted(format(
                                        "if you trust the remote, allow more: {}",
                                        rewall_command(context.session, format("config {} 4G", limit)))));
  }
  return json;
}

std::string exact_text(const Context& context, const std::string& text) {
  if (!context.terminal.on_terminal()) return text;
  std::vector<std::string> lines;
  for (const auto line : split(text, '\n')) lines.push_back(escape(line));
  return join(lines, "\n");
}

std::vector<std::string> program_words(const std::string& text) {
  std::vector<std::string> words;
  for (const auto word : split(text, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  if (!words.empty() && !words[0].starts_with('/')) words[0] = find_program(words[0]);
  if (!words.empty() && words[0].empty()) return {};
  return words;
}

namespace {

// As git: the program's own variable, the setting, everybody's variable.
std::string pager_of(Session& session) {
  if (const char* own = std::getenv("REWALL_PAGER"); own != nullptr) return own;
  const char* general = std::getenv("PAGER");
  if (auto repository = session.repository()) {
    const auto origin = setting_origin(**repository, Key{.name = std::string(settings::ui_pager.name)});
    if (general == nullptr || (origin && !origin->empty()))
      if (auto value = read_setting(**repository, settings::ui_pager)) return *value;
  }
  return general != nullptr ? general : std::string(settings::ui_pager.standard);
}

}  // namespace

void name_actions_in_help(Syntax& syntax, const std::vector<OptionForActions>& all) {
  for (const auto& [option, actions] : all) {
    auto& help = syntax.find(option.name())->help;
    help.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(help.front())));
    help = format("{}: {}", join(std::vector<std::string>(actions.begin(), actions.end()), ", "), help);
  }
}

Status check_action(std::string_view command, const std::vector<OptionForActions>& all,
                    std::string_view action) {
  for (const auto& [option, actions] : all) {
    if (!option.given || std::ranges::find(actions, action) != actions.end()) continue;
    const std::vector<std::string> names(actions.begin(), actions.end());
    return Error{.message = format("{} {} takes no {}", command, action, option.name()),
                 .hint = format("{} is for {} {}", option.name(), command, join(names, ", "))};
  }
  return {};
}

void start_pager(Context& context) {
  if (context.json || !context.terminal.on_terminal()) return;
  if (const auto pager = program_words(pager_of(context.session)); !pager.empty())
    context.terminal.page(pager);
}

}  // namespace rewall
