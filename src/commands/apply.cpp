#include "commands/define.h"
#include "commands/restore.h"

namespace rewall {

Action define_apply(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  auto options = std::make_shared<ChangeOptions>();
  app.add_option("FILE", *path,
                 "A rules file, a folder with the files of a repository, or - for standard input")
      ->type_name("")
      ->required();
  add_part(app, options->restore);
  add_common(app, *options);
  return [path, options](Context& context) -> Result<Answer> {
    TRY(begin_change(context, *options));
    options->restore.trigger = "apply";
    const bool named = *path == "-" || path->starts_with("file:");
    return print_restored(context, *options,
                          restore(context.session, named ? *path : "file:" + *path, options->restore));
  };
}

}  // namespace rewall
