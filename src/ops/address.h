#pragma once

#include <string>
#include <string_view>

namespace rewall {

/// What the address of a remote says (git-fetch(1), "GIT URLS").
struct RemoteAddress {
  enum class Way { folder, ssh, https, plain };  ///< plain: everybody on the way reads along
  Way way = Way::folder;
  std::string scheme{};  ///< "https"; empty for `host:path` and a folder
  std::string host{};    ///< in small letters; an IPv6 address in brackets
  std::string port{};    ///< where one is given
  bool has_password = false;
};
RemoteAddress parse_remote_address(std::string_view url);

/// An address as it may be printed: without its password.
std::string shown_address(const std::string& url);

}  // namespace rewall
