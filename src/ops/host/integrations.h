#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// An integration makes another program work with rewall: files in that program's folders, with the texts of
/// hooks/NAME, which are part of the program.
///
/// Each file is written with a last line that holds its checksum. So a file that somebody changed is told
/// from one that this version, or another version of rewall, wrote.
struct Integration {
  enum class State {
    absent,
    installed,
    other,     ///< as another version of rewall wrote it
    partly,    ///< some of the files exist
    changed,   ///< somebody changed it, or rewall never wrote it
    packaged,  ///< it belongs to the package that installed rewall
  };
  struct File {
    std::string path{};  ///< or a key of the repository's .git/config
    State state = State::absent;
  };

  std::string_view name{};
  std::string_view what{};     ///< a line for people
  std::string_view next{};     ///< the commands to run after the installation; empty for none
  bool in_repository = false;  ///< its files are in the repository, not below the root
  std::vector<File> files{};
  State state = State::absent;  ///< of all files together
};

std::string_view name(Integration::State state);

/// All integrations. `root` is the folder that stands for `/`; files of the repository go there.
std::vector<Integration> list_integrations(Session& session, const std::filesystem::path& root);

/// Writes the files that are absent or that another version wrote. Returns the states from before. Kind
/// usage: there is no such integration, or a file cannot be written; kind permission where that is for lack
/// of root. Files of the package stay as they are. Kind refused, and no file is written: somebody changed one
/// of them.
Result<Integration> install_integration(Session& session, const std::string& name,
                                        const std::filesystem::path& root);

/// Removes the files. Returns the states from before. The errors are those of install_integration(); kind
/// refused also while a unit is enabled, and where all files belong to the package.
Result<Integration> remove_integration(Session& session, const std::string& name,
                                       const std::filesystem::path& root);

}  // namespace rewall
