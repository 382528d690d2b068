#include "ops/host/edit.h"

#include <array>
#include <cstdlib>
#include <memory>

#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/restore.h"
#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"
#include "ui/ask.h"
#include "ui/diff_view.h"
#include "ui/foreground.h"
#include "ui/json.h"

namespace rewall {
namespace {

Result<std::vector<std::string>> editor_words() {
  for (const char* name : {"VISUAL", "EDITOR"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || trim(value).empty()) continue;
    if (auto words = program_words(value); !words.empty()) return words;
    return error_of<messages::editor_not_found>(name, value);
  }
  for (const char* name : {"sensible-editor", "vi"}) {
    if (auto words = program_words(name); !words.empty()) return words;
  }
  return error_of<messages::no_editor>();
}

/// One run of `rewall edit`: opens the editor, tries the text, shows the difference and asks; the answer may
/// lead back to the editor.
class Editing {
 public:
  /// Edits the native tables of nft where the options name no family.
  Editing(Context& context, const ChangeOptions& options, std::optional<Conversation> people,
          std::vector<std::string> editor)
      : context_(context), options_(options), people_(std::move(people)), editor_(std::move(editor)) {}

  Result<Answer> run() {
    TRY(begin());
    for (;;) {
      auto edited = TRY(edit());
      if (!edited) return nothing_changed();
      if (auto answer = look()) return *std::move(answer);
    }
  }

 private:
  using Ending = std::optional<Result<Answer>>;  ///< nothing: back to the editor

  Result<std::string> live_text() const {
    const auto family = options_.restore.family;
    return family ? editable_text(context_.session, *family, options_.restore.table)
                  : editable_native(context_.session, options_.restore.table);
  }

  Status begin() {
    TRY(context_.session.repository());
    auto live = TRY(live_text());
    original_ = seen_ = std::move(live);
    const auto family = options_.restore.family;
    auto path = TRY(write_for_editor(original_, family ? file_name({*family}) : kNativeFile));
    path_ = std::move(path);
    return {};
  }

  // False when the text was not changed.
  Result<bool> edit() {
    auto done = run_editor(editor_, path_);
    auto text = TRY(read_file(path_));
    const bool changed = text != original_;
    if (done) return changed;
    if (changed) return kept(std::move(done).error());
    remove_from_editor(path_);
    return std::move(done).error();
  }

  Result<Answer> nothing_changed() {
    remove_from_editor(path_);
    context_.terminal.say("nothing changed");
    if (!context_.json) return Answer::same;
    auto repository = TRY(context_.session.repository());
    auto head = TRY(repository->head());
    auto snapshot = TRY(repository->snapshot(head));
    context_.terminal.out(print(answer_json(head, snapshot.subject, false, "")));
    return Answer::same;
  }

  Result<Restored> restore_text(bool dry_run) {
    RestoreOptions options = options_.restore;
    options.dry_run = dry_run;
    return restore(context_.session, "file:" + path_, options);
  }

  // Tries the text and asks; does both again if LIVE changes before the answer.
  Ending look() {
    for (;;) {
      auto live = live_text();
      if (!live) return Ending(kept(std::move(live).error()));
      auto tried = restore_text(true);
      if (!tried) return after_error(of_text(std::move(tried).error()));
      if (options_.restore.dry_run) return dry_run(std::move(tried));
      if (tried->refusal) {
        show(*tried);
        return ask_what_now(*std::move(tried->refusal));
      }
      if (tried->diff.identical()) {
        for (const auto& note : tried->notes) context_.terminal.say(note);
        return nothing_changed();
      }
      if (*live != seen_) {
        context_.terminal.say(
            "the live rules changed while you were editing: the difference is from the new ones, and "
            "applying your text reverts that change");
        seen_ = *std::move(live);
      }
      if (!people_) return apply();
      show(*tried);
      const auto answer = people_->ask("Apply? (yes, no or edit) ", {"yes", "no", "edit"}, "no");
      if (answer == "edit") return {};
      if (answer == "no") return Ending(kept(refused()));
      auto now = live_text();
      if (!now) return Ending(kept(std::move(now).error()));
      if (*now == seen_) return apply();
    }
  }

  // Nobody edits a shell script here.
  static Error of_text(Error error) {
    constexpr std::string_view kHint = messages::not_iptables_save.hint;
    static_assert(kHint.ends_with(" FILE"));
    if (error.hint.starts_with(kHint.substr(0, kHint.rfind(' ')))) error.hint.clear();
    if (!error.live) error.live = LiveState::untouched;
    return error;
  }

  Ending after_error(Error error) {
    const bool in_the_text = error.kind == ErrorKind::usage || error.kind == ErrorKind::kernel;
    return in_the_text ? ask_what_now(std::move(error)) : Ending(kept(std::move(error)));
  }

  // Of what another text can mend.
  Ending ask_what_now(Error error) {
    if (!people_) return Ending(kept(std::move(error)));
    Terminal::error(Error(error).hinted(for_repository(error.hint, context_.session.path())));
    people_->show("edit it again, exit without a change, or keep the text in a file and exit\n");
    const auto answer = people_->ask("What now? (edit, exit or keep) ", {"edit", "exit", "keep"}, "keep");
    if (answer == "edit") return {};
    if (answer == "keep") return Ending(kept(refused()));
    remove_from_editor(path_);
    return Ending(refused());
  }

  void show(const Restored& tried) {
    for (const auto& note : tried.notes) context_.terminal.say(note);
    const Diff& diff = tried.diff;
    people_->show(diff.equal() ? "only the spelling differs, not the meaning\n"
                               : render(diff, context_.terminal.paint(), Terminal::width()));
  }

  Result<Answer> dry_run(Result<Restored> tried) {
    auto answer = print_restored(context_, options_, std::move(tried));
    context_.terminal.say(where());
    return answer;
  }

  Result<Answer> apply() {
    auto restored = restore_text(false);
    if (!restored) return kept(std::move(restored).error());
    remove_from_editor(path_);
    if (people_) restored->notes.clear();  // they were shown before the question
    return print_restored(context_, options_, std::move(restored));
  }

  static Error refused() { return error_of<messages::not_applied>(); }

  std::string where() const { return format("your text is saved in {}", path_); }

  Error kept(Error error) const {
    error.message += "; " + where();
    const auto& table = options_.restore.table;
    error.hint += format("{}to try it again: rewall apply {}{}", error.hint.empty() ? "" : "; ",
                         table.empty() ? "" : format("--table {} ", shell_quote(table)), shell_quote(path_));
    return error;
  }

  Context& context_;
  const ChangeOptions& options_;
  std::optional<Conversation> people_;  ///< absent with --yes
  std::vector<std::string> editor_;
  std::string original_{};  ///< what the editor was given
  std::string seen_{};      ///< LIVE as people know it
  std::string path_{};
};

}  // namespace

Action define_edit(Syntax& syntax) {
  auto options = std::make_shared<ChangeOptions>();
  auto native = std::make_shared<bool>(false);
  add_family(syntax, options->restore.family, "Which family to edit: ipv4 (default) or ipv6");
  syntax.flag("--nft", *native, "Edit the native tables of nft instead");
  add_recorded_table(syntax, options->restore.table, "Edit only this table; a native one is 'inet NAME'");
  add_change_options(syntax, *options);
  return [options, native](Context& context) -> Result<Answer> {
    const bool title = options->restore.table.find(' ') != std::string::npos;
    if ((*native || title) && (options->restore.family || (!title && !options->restore.table.empty())))
      return error_of<messages::edit_nft_alone>();
    TRY(begin_change(context, *options));
    options->restore.trigger = "edit";
    options->restore.keeps_nft_words = true;
    if (!*native && !title) options->restore.family = options->restore.family.value_or(Family::ipv4);
    auto people = options->yes ? std::nullopt : Conversation::open();
    if (!people && !options->yes && !options->restore.dry_run) {
      return error_of<messages::edit_needs_terminal>();
    }
    auto editor = TRY(editor_words());
    return Editing(context, *options, std::move(people), std::move(editor)).run();
  };
}

}  // namespace rewall
