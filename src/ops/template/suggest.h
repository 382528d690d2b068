#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ops/template/host_use.h"

namespace rewall {

/// A template that may fit a host, filled in. A value.
struct Suggestion {
  std::string name{};
  std::vector<std::pair<std::string, std::string>> values{};  ///< by place; the others keep their defaults
  std::string because{};                                      ///< what tells: "tcp 80, 443 (nginx)"
  std::vector<std::string> missing{};       ///< places that nothing tells of: people must fill them
  std::vector<HostUse::Listener> closes{};  ///< what listens and would no longer be reached
};

/// The templates that fit a use, the likeliest first; at least one. Listeners that need no rule of their own
/// (DHCP, time, names) are in no `closes`.
std::vector<Suggestion> suggest_templates(const HostUse& use);

/// "template apply web-server --set ssh_from=192.0.2.7", with PLACE=? for each that is missing.
std::string suggested_words(const Suggestion& suggestion);

}  // namespace rewall
