#pragma once

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>

namespace rewall {

/// The root folder of a Debian package that `./dev test` unpacks beside the tests, because it would start a
/// service where it is installed; "/" where the package is installed all the same. `program` is one of its
/// files: the test fails where neither has it.
inline std::string unpacked(const std::string& package, const std::string& program) {
  const auto folder = std::filesystem::path(REWALL_PROGRAM).parent_path() / package;
  if (std::filesystem::exists(folder / program)) return folder.string() + "/";
  if (!std::filesystem::exists("/" + program))
    FAIL("no " << program << " in " << folder << " nor on this system: './dev test' unpacks it");
  return "/";
}

}  // namespace rewall
