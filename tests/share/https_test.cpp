// The history over https: git's own http-backend behind a real lighttpd, whose certificate a private
// authority signed.
#include "servers.h"

namespace rewall {
namespace {

class HttpsServer {
 public:
  explicit HttpsServer(const Host& host) : host_(host), root_(unpacked("lighttpd", "usr/sbin/lighttpd")) {
    host.ok(
        "ip link set lo up; mkdir www; git init -q --bare www/remote.git; "
        "git -C www/remote.git config http.receivepack true; "
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2 "
        "2>/dev/null; "
        "openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=127.0.0.1 "
        "2>/dev/null; "
        "echo subjectAltName=IP:127.0.0.1 >ext; openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key "
        "-out server.crt -days 2 -extfile ext 2>/dev/null; cat server.key server.crt >server.pem; "
        "echo 'alice:open sesame' >users; "
        "printf '#!/bin/sh\\necho Status: 500 no; echo\\n' >broken; "
        "printf '#!/bin/sh\\nprintf \"Content-Type: "
        "application/x-git-upload-pack-advertisement\\\\r\\\\n\\\\r\\\\n001e\"; "
        "sleep 60\\n' >slow; chmod +x broken slow");
    const std::string backend = "/usr/lib/git-core/git-http-backend";
    write_text(
        host.folder() / "lighttpd.conf",
        "server.modules = (\"mod_setenv\", \"mod_access\", \"mod_auth\", \"mod_authn_file\", \"mod_alias\", "
        "\"mod_redirect\", \"mod_cgi\", \"mod_openssl\")\n"
        "server.bind = \"127.0.0.1\"\nserver.port = 8443\nserver.document-root = \"" +
            file("www") + "\"\nserver.errorlog = \"" + file("web.log") + "\"\nserver.pid-file = \"" +
            file("web.pid") + "\"\nssl.engine = \"enable\"\nssl.pemfile = \"" + file("server.pem") +
            "\"\nsetenv.set-environment = (\"GIT_PROJECT_ROOT\" => \"" + file("www") +
            "\", \"GIT_HTTP_EXPORT_ALL\" => \"1\")\n"
            "auth.backend = \"plain\"\nauth.backend.plain.userfile = \"" +
            file("users") +
            "\"\nurl.redirect = (\"^/moved/(.*)\" => \"/git/$1\")\n"
            "$HTTP[\"url\"] =~ \"^/forbidden/\" { url.access-deny = (\"\") }\n"
            "$HTTP[\"url\"] =~ \"^/secret/\" { auth.require = (\"\" => (\"method\" => \"basic\", \"realm\" "
            "=> "
            "\"git\", \"require\" => \"valid-user\")) }\n" +
            "alias.url = (\"/git\" => \"" + backend + "\", \"/secret\" => \"" + backend +
            "\", \"/broken\" => \"" + file("broken") + "\", \"/slow\" => \"" + file("slow") +
            "\")\ncgi.assign = (\"\" => \"\")\n");
    host.ok(root_ + "usr/sbin/lighttpd -f lighttpd.conf -m " + root_ + "usr/lib/lighttpd");
    host.until("test -s web.pid", "cat web.log");
    host.load_guide_firewall();
    host.ok("rewall init --remote " + url("git") + "; git -C repo config http.sslCAInfo " + file("ca.pem"));
  }
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;
  ~HttpsServer() { host_.sh("kill $(cat web.pid)"); }

  static std::string url(const std::string& path) { return "https://127.0.0.1:8443/" + path + "/remote.git"; }
  std::string file(const std::string& name) const { return (host_.folder() / name).string(); }
  bool has_head() const {
    return host_.ok(
               "git -C www/remote.git rev-parse --verify -q $(git -C repo symbolic-ref HEAD) || echo none") ==
           host_.ok("git -C repo rev-parse HEAD");
  }

 private:
  const Host& host_;
  std::string root_;
};

}  // namespace

TEST_CASE("a host's history goes over https, by a private authority, a redirect, a credential helper",
          "[share]") {
  const Host host;
  const HttpsServer server(host);
  host.ok("rewall push");
  CHECK(server.has_head());
  host.ok("iptables -A INPUT -p tcp --dport 81 -j ACCEPT; rewall snapshot; rewall remote set-url origin " +
          HttpsServer::url("moved") + "; rewall push");
  CHECK(server.has_head());

  host.ok("iptables -A INPUT -p tcp --dport 82 -j ACCEPT; rewall snapshot; rewall remote set-url origin " +
          HttpsServer::url("secret"));
  const auto said = host.ends(7, "timeout 60 script -qec '" REWALL_PROGRAM " push' /dev/null");
  CHECK(has(said, "could not read Username"));
  CHECK(has(said, "gitcredentials(7)"));
  host.ok(
      "echo https://alice:wrong@127.0.0.1:8443 >wrong; echo 'https://alice:open%20sesame@127.0.0.1:8443' "
      ">right");
  host.ok("git -C repo config credential.helper 'store --file " + server.file("wrong") + "'");
  CHECK(has(host.ends(7, "rewall push"), "Authentication failed"));
  host.ok("git -C repo config credential.helper 'store --file " + server.file("right") + "'; rewall push");
  CHECK(server.has_head());
  // And back.
  host.ok(
      "rewall fetch; rewall remote set-url origin https://alice:hidden@127.0.0.1:8443/git/remote.git; rewall "
      "fetch");
  CHECK_FALSE(has(host.ok("rewall remote; rewall status; rewall status --json"), "hidden"));
}

TEST_CASE("https servers that refuse, break or say nothing", "[share]") {
  const Host host;
  const HttpsServer server(host);
  host.ok("rewall config network.connect 2s; rewall config network.timeout 20s");
  const auto fails = [&](const std::string& path, const std::string& says) {
    host.ok("rewall remote set-url origin " + HttpsServer::url(path));
    for (const char* command : {" push", " fetch"}) {
      const auto outcome = host.sh("timeout 60 " REWALL_PROGRAM + std::string(command));
      INFO(path << command << "\n" << outcome.out << outcome.err);
      CHECK(outcome.status == 7);
      CHECK(has(outcome.err, says));
    }
  };
  fails("forbidden", "403");
  fails("broken", "500");
  fails("nowhere", "not found");
  fails("slow", "Operation too slow");
  host.ok(REWALL_PROGRAM
          " fetch >/dev/null 2>&1 & pid=$!; until pgrep --ns $$ --nslist net -x git-remote-http; do sleep "
          "0.02; done; "
          "kill -9 $pid");
  host.until("! pgrep --ns $$ --nslist net 'git'");
  host.ok(
      "openssl req -x509 -newkey rsa:2048 -nodes -keyout o.key -out other.pem -subj /CN=other -days 2 "
      "2>/dev/null; "
      "git -C repo config http.sslCAInfo " +
      server.file("other.pem"));
  fails("git", "if you trust the authority that signed it");
  CHECK(host.ok("git -C www/remote.git for-each-ref").empty());
}

}  // namespace rewall
