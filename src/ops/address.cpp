#include "ops/address.h"

#include <algorithm>

namespace rewall {

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
    address.has_password = rest.substr(0, at).find(':') != std::string_view::npos;
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
  const auto scheme = url.find("://");
  const auto at = scheme == std::string::npos ? scheme : url.rfind('@', url.find('/', scheme + 3));
  if (at == std::string::npos) return url;
  const auto colon = url.find(':', scheme + 3);
  return colon < at ? url.substr(0, colon) + ":***" + url.substr(at) : url;
}

}  // namespace rewall
