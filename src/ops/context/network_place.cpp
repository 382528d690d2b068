#include "ops/context/network_place.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/file.h"
#include "core/format.h"
#include "core/log.h"
#include "core/messages.h"
#include "core/proc.h"
#include "core/text.h"
#include "ops/context/state_file.h"
#include "ops/context/state_paths.h"

namespace rewall {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames = "/run/netns";
constexpr std::string_view kFirst = "first";

std::uint64_t inode_of(const fs::path& path) {
  struct stat facts {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_ino : 0;
}

// A process that only holds a namespace open has a descriptor that reads "net:[INODE]".
bool is_held_by(pid_t number, std::uint64_t inode) {
  const fs::path process = format("/proc/{}", number);
  if (inode_of(process / "ns/net") == inode) return true;
  for (const auto& thread : entries_in(process / "task"))
    if (inode_of(thread.path() / "ns/net") == inode) return true;
  const auto text = format("net:[{}]", inode);
  for (const auto& open : entries_in(process / "fd")) {
    std::error_code closed;
    if (fs::read_symlink(open.path(), closed) == text) return true;
  }
  return false;
}

// What keeps a namespace alive (namespaces(7)): a thread in it, a descriptor, a mount.
bool is_there(std::uint64_t inode) {
  const auto processes = all_processes();
  if (std::ranges::any_of(processes, [&](pid_t process) { return is_held_by(process, inode); })) return true;
  const auto mounts = read_file("/proc/thread-self/mountinfo");
  const auto root = format(" net:[{}] ", inode);
  if (mounts && mounts->find(root) != std::string::npos) return true;
  for (const auto& entry : entries_in(kNames))
    if (inode_of(entry.path()) == inode) return true;
  return false;
}

std::string text_of_note(std::string_view note) {
  const auto words = split(note, ' ');
  if (words[0] == "name" && words.size() == 2) return format("the network namespace '{}'", escape(words[1]));
  if (words[0] == kFirst) return "the machine's own network namespace";
  return format("the network namespace {}", words.size() > 1 ? escape(words[1]) : "");
}

/// The command that runs the same command line in a namespace. -C is added when the error is shown.
std::string way_to(std::string_view note, const Session& session) {
  const auto words = split(note, ' ');
  const auto program = session.command_line.empty()
                           ? format("rewall -C {} status", shell_quote(session.path().string()))
                           : session.command_line;
  if (words[0] == "name" && words.size() == 2)
    return format("ip netns exec {} {}", shell_quote(words[1]), program);
  if (words[0] == kFirst) return format("nsenter -n -t 1 {}", program);
  return format("nsenter -n -t PID {}", program);
}

}  // namespace

NetworkPlace network_here() {
  NetworkPlace place;
  // Of the thread: tests run a part of this process in another one.
  place.inode = inode_of("/proc/thread-self/ns/net");
  if (const auto first = network_of(1)) place.first = first == place.inode;
  if (const auto boot = read_file("/proc/sys/kernel/random/boot_id")) place.boot = trim(*boot);
  for (const auto& entry : entries_in(kNames))
    if (place.inode != 0 && inode_of(entry.path()) == place.inode)
      place.names.push_back(entry.path().filename().string());
  std::ranges::sort(place.names);
  return place;
}

std::string print_place(const NetworkPlace& place) {
  if (!place.names.empty()) return format("name {}", place.names.front());
  if (place.first == true) return std::string(kFirst);
  return place.inode == 0 ? "" : format("inode {} {}", place.inode, place.boot);
}

PlaceMatch match_place(std::string_view note, const NetworkPlace& here) {
  const auto words = split(trim(note), ' ');
  if (here.inode == 0 || words.empty()) return PlaceMatch::here;
  if (words[0] == "name" && words.size() == 2) {
    if (std::ranges::find(here.names, words[1]) != here.names.end()) return PlaceMatch::here;
    return inode_of(fs::path(kNames) / words[1]) == 0 ? PlaceMatch::gone : PlaceMatch::elsewhere;
  }
  if (words[0] == kFirst) return here.first == false ? PlaceMatch::elsewhere : PlaceMatch::here;
  std::uint64_t inode = 0;
  if (words[0] != "inode" || words.size() != 3 || !read_number(words[1], inode)) return PlaceMatch::here;
  if (words[2] != here.boot) return PlaceMatch::gone;
  if (inode == here.inode) return PlaceMatch::here;
  return is_there(inode) ? PlaceMatch::elsewhere : PlaceMatch::gone;
}

void note_network(const fs::path& state) {
  const auto text = print_place(network_here());
  if (text.empty()) return;
  if (auto written = write_file(StatePaths(state).network(), text + "\n", 0600); !written)
    log_debug("{}", written.error().message);
}

Status check_network(Session& session) {
  const auto here = network_here();
  const auto read = read_plain_file(StatePaths(session.state_path()).network());
  const std::string note(read ? trim(*read) : "");
  switch (match_place(note, here)) {
    case PlaceMatch::here:
      if (note.empty()) note_network(session.state_path());
      return {};
    case PlaceMatch::gone:
      log_warning("{} belonged to {}, which is gone: it belongs to {} now", session.path().string(),
                  text_of_note(note), text_of_note(print_place(here)));
      note_network(session.state_path());
      return {};
    case PlaceMatch::elsewhere:
      break;
  }
  return error_of<messages::other_namespace>(session.path().string(), text_of_note(note),
                                             text_of_note(print_place(here)), way_to(note, session));
}

}  // namespace rewall
