#include "ops/remote/remote_address.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/format.h"

namespace rewall {
namespace {

constexpr std::size_t kToken = 20;   // characters: a user's name is shorter
constexpr std::size_t kCertain = 6;  // so long a password is hidden wherever it stands

// What stands before the `@`.
struct Login {
  std::string_view user{};
  std::string_view password{};
  bool has_password = false;
  bool hides_user = false;
};

std::optional<Login> login_in(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  const auto rest = url.substr(scheme + 3);
  const auto host = rest.substr(0, rest.find('/'));
  auto at = host.rfind('@');
  // A '/' in a password ends the host for git, which then reaches no server: the password is one all the
  // same.
  if (const auto port = host.find(':');
      at == std::string_view::npos && port != std::string_view::npos &&
      host.find_first_not_of("0123456789", port + 1) != std::string_view::npos)
    at = rest.substr(0, rest.find('?')).rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  const auto text = rest.substr(0, at);
  const auto colon = text.find(':');
  Login login{.user = text.substr(0, colon), .has_password = colon != std::string_view::npos};
  if (login.has_password) login.password = text.substr(colon + 1);
  login.hides_user =
      !url.substr(0, scheme).ends_with("ssh") && (!login.has_password || login.user.size() >= kToken);
  return login;
}

std::string percent_decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const auto* digits = text.data() + i + 1;
    const bool coded = text[i] == '%' && i + 2 < text.size() &&
                       std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2;
    plain += coded ? static_cast<char>(byte) : text[i];
    if (coded) i += 2;
  }
  return plain;
}

std::string percent_encoded(std::string_view text) {
  std::string coded;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    coded += plain ? std::string(1, c) : format("%{:02X}", static_cast<unsigned char>(c));
  }
  return coded;
}

void hide(std::string& text, std::string_view secret, bool certain) {
  if (secret.empty()) return;
  const std::string told = std::string(secret) + (certain ? "" : "@");
  const std::string_view shown = certain ? "***" : "***@";
  for (auto at = text.find(told); at != std::string::npos; at = text.find(told, at + shown.size()))
    text.replace(at, told.size(), shown);
}

// Where the query of an address of the web begins, after its '?': it may hold a token.
std::size_t query_in(std::string_view url) {
  const auto scheme = url.substr(0, std::min(url.find("://"), url.size()));
  if (scheme != "http" && scheme != "https") return std::string_view::npos;
  const auto query = url.find('?');
  return query == std::string_view::npos || query + 1 == url.size() ? std::string_view::npos : query + 1;
}

}  // namespace

RemoteAddress parse_remote_address(std::string_view url) {
  RemoteAddress address;
  std::string_view rest = url;
  const auto scheme_end = url.find("://");
  if (scheme_end != std::string_view::npos) {
    const auto scheme = url.substr(0, scheme_end);
    address.scheme = scheme;
    rest.remove_prefix(scheme_end + 3);
    if (scheme.ends_with("ssh"))  // also git+ssh
      address.way = RemoteAddress::Way::ssh;
    else if (scheme == "https" || scheme == "ftps")
      address.way = RemoteAddress::Way::https;
    else if (scheme != "file")
      address.way = RemoteAddress::Way::plain;
    rest = rest.substr(0, rest.find('/'));
  } else {
    // "git@host:path"; a slash before the colon makes it a folder.
    const auto colon = url.find(':');
    if (colon == std::string_view::npos || url.find('/') < colon) return address;
    address.way = RemoteAddress::Way::ssh;
    rest = url.substr(0, colon);
  }
  if (address.way == RemoteAddress::Way::folder) return address;
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    const auto login = login_in(url);
    address.has_password =
        login && (login->has_password || (login->hides_user && login->user.size() >= kToken));
    rest.remove_prefix(at + 1);
  }
  const auto port = rest.find(':', rest.starts_with('[') ? rest.find(']') : 0);
  address.host = rest.substr(0, port);
  if (port != std::string_view::npos) address.port = rest.substr(port + 1);
  std::ranges::transform(address.host, address.host.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 'a' - 'A') : c; });
  return address;
}

std::string shown_address(const std::string& url) {
  const auto query = query_in(url);
  auto shown = query == std::string::npos ? url : url.substr(0, query) + "***";
  const auto login = login_in(url);
  if (!login || (!login->has_password && !login->hides_user)) return shown;
  const auto begin = shown.find("://") + 3;
  const auto length = login->user.size() + (login->has_password ? 1 + login->password.size() : 0);
  return shown.substr(0, begin) + std::string(login->hides_user ? "***" : login->user) +
         (login->has_password ? ":***" : "") + shown.substr(begin + length);
}

std::string without_secrets(std::string text, const std::string& url) {
  if (const auto query = query_in(url); query != std::string::npos)
    hide(text, std::string_view(url).substr(query), true);
  if (const auto login = login_in(url)) {
    const auto hide_all = [&text](std::string_view secret, bool certain) {
      const auto plain = percent_decoded(secret);
      for (const auto& spelling : {std::string(secret), plain, percent_encoded(plain)})
        hide(text, spelling, certain);
    };
    hide_all(login->password, login->password.size() >= kCertain);
    if (login->hides_user) hide_all(login->user, login->user.size() >= kToken);
  }
  for (auto at = text.find("://"); at != std::string::npos; at = text.find("://", at + 3)) {
    const auto begin = text.find_last_of(" \t\r\n'\"<(", at) + 1;
    const auto length = std::min(text.find_first_of(" \t\r\n'\">)", at), text.size()) - begin;
    const auto shown = shown_address(text.substr(begin, length));
    text.replace(begin, length, shown);
  }
  return text;
}

}  // namespace rewall
