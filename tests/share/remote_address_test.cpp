// What is shown of an address, and of what git and curl say about it.
#include "ops/remote/remote_address.h"

#include <catch2/catch.hpp>

namespace rewall {

TEST_CASE("an address is shown without what may be a secret", "[address]") {
  const auto [url, shown] = GENERATE(table<std::string, std::string>({
      {"https://ghp_16C7e42F292c6912E7710c838347Ae178B4a@github.com/me/fw.git",
       "https://***@github.com/me/fw.git"},
      {"https://me@example.org/fw", "https://***@example.org/fw"},
      {"https://me:pass@example.org/fw", "https://me:***@example.org/fw"},
      {"https://me:p@ss@example.org/fw", "https://me:***@example.org/fw"},
      {"https://ghp_16C7e42F292c6912E7710c838347Ae178B4a:x@github.com/fw", "https://***:***@github.com/fw"},
      {"http://token@example.org", "http://***@example.org"},
      {"ftps://token@example.org/fw", "ftps://***@example.org/fw"},
      {"ssh://git@example.org/fw", "ssh://git@example.org/fw"},
      {"git+ssh://git:pass@example.org/fw", "git+ssh://git:***@example.org/fw"},
      {"git@example.org:fw", "git@example.org:fw"},
      {"https://example.org/a@b", "https://example.org/a@b"},
      {"/srv/a@b:c", "/srv/a@b:c"},
      {"https://me:pa/ss@example.org/fw", "https://me:***@example.org/fw"},
      {"https://example.org:8443/a@b", "https://example.org:8443/a@b"},
      {"https://example.org/fw.git?private_token=abc", "https://example.org/fw.git?***"},
      {"https://me:p@example.org/fw?t=a@b", "https://me:***@example.org/fw?***"},
      {"/srv/what?", "/srv/what?"},
  }));
  CHECK(shown_address(url) == shown);
}

TEST_CASE("a text about an address loses its secrets, however they are spelled", "[address]") {
  const std::string url = "https://me:pass%20w%c3%b6rd%2f@example.org/fw";
  CHECK(without_secrets("'" + url + "/'", url) == "'https://me:***@example.org/fw/'");
  CHECK(without_secrets("no me:pass%20w%C3%B6rd%2F@example.org", url) == "no me:***@example.org");
  CHECK(without_secrets("no 'pass w\xc3\xb6rd/' here", url) == "no '***' here");
  CHECK(without_secrets("no passage", url) == "no passage");
  const std::string token = "https://t%6Fken-of-mine@example.org/fw";
  CHECK(without_secrets("could not read Password for 'https://token-of-mine@example.org': no", token) ==
        "could not read Password for 'https://***@example.org': no");
  // Short ones stand in many a word.
  CHECK(without_secrets("in: cannot look up in@example.org", "git://in@example.org") ==
        "in: cannot look up ***@example.org");
  const std::string branch = "hosts/administrator-pc, and not administrator@example.org";
  CHECK(without_secrets(branch, "https://administrator@example.org/fw") ==
        "hosts/administrator-pc, and not ***@example.org");
  CHECK(without_secrets("fatal: repository 'https://h/fw?token=abc/' not found, token=abc",
                        "https://h/fw?token=abc") == "fatal: repository 'https://h/fw?***' not found, ***");
  // A redirect, a proxy.
  CHECK(without_secrets("https://a:b@other/x, <http://c@d>, https://e/f", "/srv/fw") ==
        "https://a:***@other/x, <http://***@d>, https://e/f");
  CHECK(without_secrets("a://", "://@") == "a://");
}

}  // namespace rewall
