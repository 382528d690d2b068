#pragma once

#include <string>
#include <string_view>

namespace rewall {

/// The parts of the address of a remote (git-fetch(1), "GIT URLS").
struct RemoteAddress {
  enum class Way { folder, ssh, https, plain };  ///< plain: without encryption
  Way way = Way::folder;
  std::string scheme{};       ///< "https"; empty for `host:path` and a folder
  std::string host{};         ///< in small letters; an IPv6 address in brackets
  std::string port{};         ///< empty where the address has none
  bool has_password = false;  ///< or a token instead of a user
};
RemoteAddress parse_remote_address(std::string_view url);

/// The address without secrets, for printing: `user:***@`; without ssh `***@`, as the user may be a token; of
/// a query `?***`.
std::string shown_address(const std::string& url);

/// Removes the secrets of an address from a text of git or curl, however they spell them, and the secrets of
/// every other address in the text.
std::string without_secrets(std::string text, const std::string& url);

}  // namespace rewall
