#pragma once

#include <sched.h>
#include <sys/mount.h>

#include <cstdlib>
#include <filesystem>

namespace rewall {

/// The program as people get it, which is in the place of REWALL_PROGRAM: the value of the variable
/// REWALL_RELEASE. Null where REWALL_PROGRAM is what was built with the tests.
inline const char* release_program() {
  return std::getenv("REWALL_RELEASE");
}

/// Whether the program under test takes the memory and the time of a sanitizer.
inline bool is_sanitized() {
#if defined(__SANITIZE_ADDRESS__)
  return release_program() == nullptr;
#else
  return false;
#endif
}

/// Puts `release_program()` in the place of the program that was built with the tests, for this process and
/// those that it will start: in a mount namespace of their own, so that the program has one path. False where
/// it cannot; call it before the first thread begins. mount(2), mount_namespaces(7).
inline bool use_release_program() {
  if (release_program() == nullptr) return true;
  const auto place = std::filesystem::read_symlink("/proc/self/exe").replace_filename("rewall");
  return ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount(release_program(), place.c_str(), nullptr, MS_BIND, nullptr) == 0;
}

}  // namespace rewall
