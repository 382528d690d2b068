#include "commands/command_output.h"
#include "commands/define.h"
#include "commands/expiry.h"
#include "commands/restore.h"
#include "core/file.h"
#include "core/format.h"
#include "core/text.h"

namespace rewall {

Action define_apply(Syntax& syntax) {
  auto path = std::make_shared<std::string>();
  auto options = std::make_shared<ChangeOptions>();
  auto& file = syntax.positional("FILE", path.get(),
                                 "A rules file, a folder with a repository's files, or - for standard input");
  file.required = true;
  add_family_and_table(syntax, options->restore);
  add_change_options(syntax, *options);
  add_expire(syntax, options->expires);
  return [path, options](Context& context) -> Result<Answer> {
    TRY(begin_change(context, *options));
    options->restore.trigger = "apply";
    const bool named = *path == "-" || path->starts_with("file:");
    auto applied = restore(context.session, named ? *path : "file:" + *path, options->restore);
    if (!applied && !named && !path_exists(*path)) {
      const auto repository = context.session.repository();
      if (repository && (*repository)->resolve(*path))
        applied.error().hint =
            format("to put the revision of this name in force: rewall restore {}", shell_quote(*path));
    }
    return print_restored(context, *options, std::move(applied));
  };
}

}  // namespace rewall
