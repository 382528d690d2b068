#include "commands/check.h"

#include <algorithm>
#include <filesystem>
#include <memory>

#include "commands/command_output.h"
#include "commands/define.h"
#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/history/asked_revision.h"
#include "ops/host/expect.h"
#include "ops/restore/recovery.h"
#include "ui/width.h"

namespace rewall {
namespace {

constexpr std::string_view kFile = "expect";

std::filesystem::path expect_path(const Session& session) {
  return session.path() / kFile;
}

// Empty where there is none; one that cannot be read is an error.
Result<std::string> expect_text(Context& context) {
  TRY(context.session.repository());
  const auto path = expect_path(context.session);
  std::error_code failed;
  const auto facts = std::filesystem::symlink_status(path, failed);
  if (facts.type() == std::filesystem::file_type::not_found) return std::string{};
  return read_plain_file(path);
}

std::string_view word_of(Answered answered) {
  switch (answered) {
    case Answered::holds:
      return "holds";
    case Answered::fails:
      return "fails";
    case Answered::unproved:
      break;
  }
  return "unproved";
}

std::string totals(const std::vector<CheckedExpectation>& all) {
  const auto count = [&](Answered answered) {
    return std::ranges::count(all, answered, &CheckedExpectation::answered);
  };
  const auto held = count(Answered::holds);
  const auto failed = count(Answered::fails);
  const auto open = count(Answered::unproved);
  auto text = format("{}: {} {}", counted(all.size(), "expectation"), held, held == 1 ? "holds" : "hold");
  if (failed != 0) text += format(", {} {}", failed, failed == 1 ? "fails" : "fail");
  if (open != 0) text += format(", {} cannot be proved", open);
  return text;
}

}  // namespace

Json checked_json(const CheckedExpectation& checked) {
  const auto& expectation = *checked.expectation;
  return {{"line", expectation.line},
          {"expect", expected_word(expectation.verdict)},
          {"packet", expectation.packet_text()},
          {"comment", or_null(expectation.comment)},
          {"answer", word_of(checked.answered)},
          {"verdict", checked.verdict_name()},
          {"depends_on", checked.depends_on},
          {"decided_by", or_null(checked.decided_by)}};
}

std::string checked_line(const CheckedExpectation& checked, const Paint& paint) {
  const auto line = escape(print_expectation(*checked.expectation));
  if (checked.answered == Answered::holds) return format("{}  {}\n", paint.added("holds   "), line);
  const bool fails = checked.answered == Answered::fails;
  return format("{}  {}\n            {}\n", fails ? paint.removed("FAILS   ") : paint.changed("unproved"),
                line, escape(checked.reason()));
}

bool all_hold(std::span<const CheckedExpectation> all) {
  return std::ranges::all_of(
      all, [](const CheckedExpectation& checked) { return checked.answered == Answered::holds; });
}

namespace {

struct CheckOptions {
  std::string revision = "LIVE";
  std::string file{};
  bool suggest = false;
};

Result<Answer> run_suggest(Context& context, const Ruleset& ruleset) {
  auto present = TRY(expect_text(context));
  const auto known = read_expectations(present, kFile);
  const auto lines = suggest_expectations(ruleset, known ? *known : std::vector<Expectation>{});
  if (context.json) {
    Json all = Json::array();
    for (const auto& line : lines) all.push_back(print_expectation(line));
    context.terminal.out(print(all));
    return Answer::same;
  }
  for (const auto& line : lines) context.terminal.out(print_expectation(line) + "\n");
  context.terminal.say(lines.empty() ? "nothing to suggest"
                                     : format("these hold today; to keep them, put them into {}",
                                              expect_path(context.session).string()));
  return Answer::same;
}

Result<Answer> run_check(Context& context, const CheckOptions& options) {
  auto revision = TRY(read_asked_revision(context.session, options.revision));
  if (options.suggest) return run_suggest(context, revision.ruleset);
  const bool own = options.file.empty();
  auto text = own ? expect_text(context) : read_text(options.file, Pipes::read);
  if (!text) return std::move(text).error();
  auto expectations = TRY(read_expectations(*text, own ? std::string(kFile) : options.file));
  const auto all = check_here(expectations, revision.ruleset);
  if (context.json) {
    Json array = Json::array();
    for (const auto& checked : all) array.push_back(checked_json(checked));
    context.terminal.out(print(array));
  } else if (all.empty()) {
    context.terminal.say(format("nothing to check: there is no expectation; see '{}'",
                                rewall_command(context.session, "check --suggest")));
  } else {
    for (const auto& checked : all)
      context.terminal.out(wrapped_lines(checked_line(checked, context.terminal.paint()), kExpectationColumn,
                                         Terminal::width()));
    context.terminal.say(totals(all));
  }
  return all_hold(all) ? Answer::same : Answer::different;
}

}  // namespace

Action define_check(Syntax& syntax) {
  auto options = std::make_shared<CheckOptions>();
  syntax.positional("REV", &options->revision, "The revision (default LIVE)");
  syntax.option("--file", "FILE", &options->file,
                "Check the expectations of this file instead of the repository's");
  syntax.flag("--suggest", options->suggest, "Print expectations that hold today and are not recorded yet")
      .excludes = {"--file"};
  return [options](Context& context) { return run_check(context, *options); };
}

namespace {

Json expectation_json(const Expectation& expectation) {
  return {{"line", expectation.line},
          {"expect", expected_word(expectation.verdict)},
          {"packet", expectation.packet_text()},
          {"comment", or_null(expectation.comment)}};
}

Result<Answer> list_expectations(Context& context) {
  auto text = TRY(expect_text(context));
  const auto all = TRY(read_expectations(text, kFile));
  if (context.json) {
    Json array = Json::array();
    for (const auto& expectation : all) array.push_back(expectation_json(expectation));
    context.terminal.out(print(array));
    return Answer::same;
  }
  for (const auto& expectation : all)
    context.terminal.out(format("{:>3}  {}\n", expectation.line, escape(print_expectation(expectation))));
  if (all.empty()) context.terminal.say("no expectations");
  return Answer::same;
}

Status write_expectations(Context& context, const std::string& text) {
  return write_file(expect_path(context.session), text, 0600);
}

Answer say_done(Context& context, const Expectation& expectation, bool changed, std::string_view what,
                const std::vector<std::string>& notes = {}) {
  if (context.json) {
    Json json = expectation_json(expectation);
    json["changed"] = changed;
    json["notes"] = notes;
    context.terminal.out(print(json));
  }
  context.terminal.say(format("{}: {}{}", what, print_expectation(expectation),
                              changed ? "; the next snapshot records it" : ""));
  return Answer::same;
}

// What does not hold today keeps every change away. Returns what else there is to know of it.
std::vector<std::string> say_whether_it_holds(Context& context, const Expectation& expectation) {
  const auto live = read_asked_revision(context.session, "LIVE");
  if (!live) return {};
  std::vector<Expectation> one{expectation};
  const auto checked = check_here(one, live->ruleset);
  if (checked.front().answered != Answered::holds)
    context.terminal.say(format("it does not hold in the live rules: {}", checked.front().reason()));
  auto notes = notes_here(expectation, live->ruleset);
  for (const auto& note : notes) context.terminal.say(note);
  return notes;
}

Result<Answer> add_expectation(Context& context, const std::vector<std::string>& words,
                               const std::string& comment) {
  const auto verdict = read_expected_verdict(words.empty() ? "" : words.front());
  if (!verdict) return error_of<messages::bad_expected_verdict>(words.empty() ? "" : words.front());
  auto expectation = TRY(make_expectation(*verdict, {words.begin() + 1, words.end()}, comment));
  const auto held = TRY(lock_history(context.session));
  auto text = TRY(expect_text(context));
  const auto all = TRY(read_expectations(text, kFile));
  for (const auto& other : all) {
    if (other.verdict != expectation.verdict || !(other.packet == expectation.packet)) continue;
    return say_done(context, other, false, format("line {} says so already", other.line));
  }
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  expectation.line = split_lines(text).size() + 1;
  TRY(write_expectations(context, text + print_expectation(expectation) + "\n"));
  const auto notes = say_whether_it_holds(context, expectation);
  return say_done(context, expectation, true, "added", notes);
}

Result<Answer> remove_expectation(Context& context, const std::vector<std::string>& words) {
  const auto held = TRY(lock_history(context.session));
  const auto text = TRY(expect_text(context));
  const auto all = TRY(read_expectations(text, kFile));
  const std::string number = words.size() == 1 ? words.front() : join(words, " ");
  const auto found = std::ranges::find_if(
      all, [&](const Expectation& expectation) { return std::to_string(expectation.line) == number; });
  if (found == all.end())
    return error_of<messages::no_such_expectation>(expect_path(context.session).string(), number);
  std::string rest;
  std::size_t line = 0;
  for (const auto words_of_line : split_lines(text))
    if (++line != found->line) rest.append(words_of_line) += '\n';
  TRY(write_expectations(context, rest));
  return say_done(context, *found, true, "removed");
}

}  // namespace

Action define_expect(Syntax& syntax) {
  auto words = std::make_shared<std::vector<std::string>>();
  auto comment = std::make_shared<std::string>();
  // The parser gives all words to `words`, as those of a packet are among them: these are for help and
  // completion.
  const Argument::Reader nothing = [](const std::string&) { return Status{}; };
  syntax.positional("ACTION", nothing, "list (default), add or remove").words = {"list", "add", "remove"};
  syntax.positional("WORDS", nothing,
                    "add: accept, drop or reject, and the PACKET; remove: the line's number");
  syntax.take({.length = packet_option_length, .options = packet_options(), .target = words.get()});
  syntax.option("--comment", "TEXT", comment.get(), "add: why, for people");
  return [words, comment](Context& context) -> Result<Answer> {
    const std::string action = words->empty() ? "list" : words->front();
    const std::vector<std::string> rest(words->begin() + (words->empty() ? 0 : 1), words->end());
    if (action == "add") return add_expectation(context, rest, *comment);
    if (action == "remove") return remove_expectation(context, rest);
    if (action == "list" && rest.empty()) return list_expectations(context);
    return error_of<messages::not_one_of>(action == "list" ? rest.front() : action, "list, add, remove")
        .within("ACTION");
  };
}

}  // namespace rewall
