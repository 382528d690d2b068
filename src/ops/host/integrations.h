#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "ops/context/session.h"

namespace rewall {

/// What makes other programs work with rewall: files in their folders, which are those of hooks/NAME.
///
/// Each is written with a last line that holds its checksum, so that what somebody changed is known from what
/// this version or another one wrote.
struct Hook {
  enum class State {
    absent,
    installed,
    other,    ///< as another version of rewall would write it
    partly,   ///< some files are there
    changed,  ///< somebody changed it, or it was never rewall's
  };
  struct File {
    std::string path{};  ///< or a key of the repository's .git/config
    State state = State::absent;
  };

  std::string_view name{};
  std::string_view what{};
  std::string_view next{};     ///< what is left to do after it was installed; empty for nothing
  bool in_repository = false;  ///< it is there that it is written
  std::vector<File> files{};
  State state = State::absent;  ///< of them all
};

std::string_view name(Hook::State state);

/// All of them. `root` is the folder that stands for `/`; what belongs into the repository goes there.
std::vector<Hook> list_hooks(Session& session, const std::filesystem::path& root);

/// Writes what is not there, and what another version wrote; the states it gives are those from before. Kind
/// usage: no such name, or no way to write; kind permission: for who is not root. Kind refused, and nothing
/// is done: somebody changed a file.
Result<Hook> install_hook(Session& session, const std::string& name, const std::filesystem::path& root);

/// The same the other way. Kind refused also while a unit is enabled.
Result<Hook> remove_hook(Session& session, const std::string& name, const std::filesystem::path& root);

}  // namespace rewall
