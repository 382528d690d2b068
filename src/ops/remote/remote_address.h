#pragma once

#include <string>
#include <string_view>

namespace rewall {

/// What the address of a remote says (git-fetch(1), "GIT URLS").
struct RemoteAddress {
  enum class Way { folder, ssh, https, plain };  ///< plain: everybody on the way reads along
  Way way = Way::folder;
  std::string scheme{};       ///< "https"; empty for `host:path` and a folder
  std::string host{};         ///< in small letters; an IPv6 address in brackets
  std::string port{};         ///< where one is given
  bool has_password = false;  ///< or a token in the place of a user
};
RemoteAddress parse_remote_address(std::string_view url);

/// An address as it may be printed: `user:***@`, and `***@` where no ssh wants the user, who may be a token.
std::string shown_address(const std::string& url);

/// A text that may repeat the address, or parts of it as git and curl spell them: without what is not shown
/// of it, nor of any other address.
std::string without_secrets(std::string text, const std::string& url);

}  // namespace rewall
