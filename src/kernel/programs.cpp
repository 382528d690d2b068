#include "kernel/programs.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/file.h"
#include "core/format.h"
#include "core/messages.h"
#include "core/text.h"

namespace rewall {

namespace {

std::string plain_name(Family family) {
  return family == Family::ipv4 ? "iptables" : "ip6tables";
}

std::string variant_name(Backend backend, Family family, std::string_view action) {
  return format("{}-{}-{}", plain_name(family), name(backend), action);
}

Backend backend_of(std::string_view version) {
  // Before 1.8 there was one backend only, and `-V` says nothing of it.
  return version.find("(nf_tables)") != std::string_view::npos ? Backend::nft : Backend::legacy;
}

}  // namespace

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

const std::string& Programs::version_of(const std::string& program) {
  const std::lock_guard alone(asking_);
  const auto known = versions_.find(program);
  if (known != versions_.end()) return known->second;
  std::string version;
  if (const std::string path = find_program(program); !path.empty()) {
    const auto outcome = run(command({path, "-V"}), ErrorKind::capture);
    if (outcome && outcome->ok()) version = trim(outcome->out);
  }
  return versions_.emplace(program, std::move(version)).first->second;
}

std::string Programs::find(Backend backend, Family family, std::string_view action) {
  if (std::string path = find_program(variant_name(backend, family, action)); !path.empty()) return path;
  const std::string& version = version_of(plain_name(family));
  if (version.empty() || backend_of(version) != backend) return {};
  return find_program(format("{}-{}", plain_name(family), action));
}

Result<std::string> Programs::iptables(Backend backend, Family family, std::string_view action,
                                       ErrorKind kind) {
  std::string path = find(backend, family, action);
  if (!path.empty()) return path;
  Error missing = error_of<messages::iptables_missing>(variant_name(backend, family, action));
  missing.kind = kind;
  return missing;
}

bool Programs::has(Backend backend) {
  return !find(backend, Family::ipv4, "save").empty();
}

Backend Programs::default_backend() {
  if (const std::string& version = version_of("iptables"); !version.empty()) return backend_of(version);
  return has(Backend::nft) || !has(Backend::legacy) ? Backend::nft : Backend::legacy;
}

std::string Programs::version(Backend backend) {
  const std::string& plain = version_of("iptables");
  if (!plain.empty() && backend_of(plain) == backend) return plain;
  return version_of(format("iptables-{}", name(backend)));
}

namespace {

bool has_capability(std::size_t capability) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (syscall(SYS_capget, &header, sets.data()) != 0) return geteuid() == 0;
  return (sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

}  // namespace

bool may_administer() {
  return has_capability(CAP_NET_ADMIN);
}

bool may_open_raw_sockets() {
  return has_capability(CAP_NET_RAW);
}

bool says_not_permitted(std::string_view words) {
  for (const std::string_view refusal : {"you must be root", "Operation not permitted", "Permission denied"})
    if (words.find(refusal) != std::string_view::npos) return true;
  return false;
}

Error not_permitted(const std::string& what, std::string_view words) {
  if (!may_administer()) return error_of<messages::not_permitted>(what, words);
  if (words == kNoCapability) return error_of<messages::forbidden>(what, errno_text(EPERM));
  return error_of<messages::forbidden>(what, words);
}

Error change_not_permitted(const std::string& what, std::string_view words) {
  auto error = not_permitted(what, words);
  if (may_administer()) error.kind = ErrorKind::kernel;
  return error;
}

}  // namespace rewall
