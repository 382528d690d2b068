#include "ops/host/edit.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "core/file.h"
#include "core/messages.h"
#include "core/text.h"
#include "ops/context/ruleset_files.h"
#include "rules/print.h"
#include "rules/table_forms.h"

namespace rewall {

namespace fs = std::filesystem;

Result<std::string> editable_text(Session& session, Family family, const std::string& table) {
  auto live = TRY(session.capture());
  const Tables& tables = family == Family::ipv4 ? live.ruleset.v4 : live.ruleset.v6;
  if (live.ruleset.backend == Backend::nft)
    if (const NativeTable* native = find_in_nft_words(live.ruleset, family, table))
      return error_of<messages::edit_in_nft_words>(native->title());
  if (!table.empty()) {
    const Table* found = tables.find(table);
    return canonical_text(found != nullptr ? *found : empty_table(table));
  }
  auto text = canonical_text(tables);
  return text.empty() ? canonical_text(empty_table("filter")) : text;
}

Result<std::string> editable_native(Session& session, const std::string& title) {
  auto live = TRY(session.capture());
  if (!live.ruleset.native) return error_of<messages::nft_missing>();
  if (title.empty()) return print_native(*live.ruleset.native);
  const NativeTable* table = live.ruleset.native->find(title);
  if (table == nullptr) return error_of<messages::no_such_native>(escape(title));
  return print_native(*table);
}

Result<std::string> write_for_editor(const std::string& text, std::string_view file) {
  std::error_code failed;
  std::string folder = fs::temp_directory_path(failed) / "rewall-edit-XXXXXX";
  if (failed || ::mkdtemp(folder.data()) == nullptr) {
    return error_of<messages::cannot_write>(folder, failed ? failed.message() : errno_text(errno));
  }
  std::string path = fs::path(folder) / file;
  if (auto written = write_file(path, text, 0600); !written) {
    remove_from_editor(path);
    return Error{.kind = ErrorKind::usage, .message = std::move(written).error().message};
  }
  return path;
}

void remove_from_editor(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(fs::path(path).parent_path(), ignored);
}

}  // namespace rewall
