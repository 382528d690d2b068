#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/host.h"

namespace rewall {
namespace {

/// A host with ssh keys: `key` of alice, who is allowed, `strange` of somebody who is not, and `locked`,
/// which has a passphrase. HOME is its folder, and there is no agent. `elsewhere` makes what is fetched.
class SigningHost : public Host {
 public:
  SigningHost() {
    load_guide_firewall();
    ok("for name in key strange; do ssh-keygen -q -t ed25519 -C $name -f $name -N ''; done");
    ok("ssh-keygen -q -t ed25519 -C locked -f locked -N secret");
    ok("printf 'alice@example.org %s\\n' \"$(cat key.pub)\" >allowed");
    ok("rewall init && rewall config sign.allowed $PWD/allowed");
  }

  std::string in(const std::string& line) const { return ok(kSetup + line); }
  std::string ends_in(int status, const std::string& line) const { return ends(status, kSetup + line); }

  /// What git says, who is the judge.
  bool git_verifies(const std::string& revision) const {
    return sh(std::string(kSetup) + "git -C repo -c gpg.ssh.allowedSignersFile=$PWD/allowed verify-commit " +
              revision)
               .status == 0;
  }
  std::string git(const std::string& words) const { return std::string(trim(in("git -C repo " + words))); }

  void sign_with(const std::string& key) const { in("rewall config sign.key " + key); }

  /// A host's branch as it comes from a remote: a commit of the rules that HEAD has and one more.
  void fetch_from_elsewhere(const std::string& branch, const std::string& how) const {
    in("rm -rf elsewhere && git clone -q repo elsewhere && cd elsewhere && git checkout -q -b hosts/" +
       branch + " && sed -i '/^:INPUT/a -A INPUT -s 192.0.2.1/32 -j DROP' rules.v4 && git add -A && " + how +
       " && cd .. && git -C repo fetch -q ../elsewhere '+refs/heads/hosts/" + branch +
       ":refs/remotes/origin/hosts/" + branch + "'");
  }

  static constexpr const char* kCommit =
      "git -c user.name=bob -c user.email=bob@example.org commit -q -m 'from elsewhere'";
  static std::string commit_signed(const std::string& key) {
    return std::string(
               "git -c user.name=rewall -c user.email=rewall@$(git -C ../repo symbolic-ref --short HEAD | "
               "cut -d/ "
               "-f2-) -c gpg.format=ssh "
               "-c user.signingKey=$HOME/") +
           key + " commit -q -S -m 'from elsewhere'";
  }

 private:
  static constexpr const char* kSetup =
      "export HOME=$PWD GNUPGHOME=$PWD/g; unset SSH_AUTH_SOCK GIT_CONFIG_GLOBAL; ";
};

TEST_CASE("every snapshot is signed with sign.key, whoever makes it") {
  const SigningHost host;
  host.sign_with("$PWD/key");
  host.in("iptables -A INPUT -p tcp --dport 1 -j ACCEPT; rewall snapshot -m 'by hand'");
  host.in("rewall restore HEAD~1");
  host.in("rewall undo");
  host.in("iptables-save | sed 's/--dport 1 /--dport 2 /' >file; rewall import file");
  host.in("rewall apply file");
  host.in("iptables -A INPUT -p tcp --dport 3 -j ACCEPT; rewall watch --once");
  host.in("rewall try --for 1s --yes -- iptables -A INPUT -p tcp --dport 4 -j ACCEPT");
  host.until("git -C repo log -1 --format=%B | grep -q 'Rewall-Trigger: rollback'");
  host.until("! test -e repo/.git/rewall/guard");

  const auto list = host.git("rev-list HEAD");
  const auto all = split_lines(list);
  CHECK(all.size() >= 9);
  for (const auto hash : all) {
    INFO(host.git("show -s " + std::string(hash)));
    // The first was recorded before there was a key.
    CHECK(host.git_verifies(std::string(hash)) == (hash != all.back()));
  }
  // Signed or not, a snapshot says the same of itself.
  const std::string people = "log -1 --format='%an %ae %cn %ce ' ";
  CHECK(host.git(people + "--grep 'by hand'") == host.git(people + "--max-parents=0"));
  CHECK(has(host.git("log -1 --grep 'by hand' --format=%B"), "\n\nRewall-Trigger: manual\n"));
  host.in("git -C repo fsck --strict --no-dangling && test -z \"$(git -C repo status --porcelain)\"");
}

TEST_CASE("init signs the first snapshot with the key that it is given") {
  const SigningHost host;
  host.in("rm -r repo; rewall init -c sign.key=$PWD/key -c sign.allowed=$PWD/allowed -c sign.require=true");
  CHECK(host.git_verifies("HEAD"));
  CHECK(has(host.in("rewall verify"), "1 snapshot: signed by alice@example.org ("));
  host.in("rewall restore HEAD; iptables -F; iptables -P INPUT ACCEPT; rewall restore --boot");
  host.in("rm -r repo");
  CHECK(has(host.ends_in(2, "rewall init -c sign.kye=$PWD/key"), "did you mean 'sign.key'?"));
  CHECK(has(host.ends_in(2, "rewall init -c sign.key"), "'sign.key' is not KEY=VALUE"));
  CHECK(has(host.ends_in(2, "rewall init -c lock.wait=soon"), "lock.wait: "));
  host.in("test ! -e repo");
}

TEST_CASE("what is older than the first signature is one line of verify, and what lacks one later is named") {
  const SigningHost host;
  const auto record = [&](const char* port) {
    host.in(std::string("iptables -A INPUT -p tcp --dport ") + port + " -j ACCEPT; rewall snapshot -q");
  };
  record("1");
  record("2");
  CHECK(has(host.in("rewall verify"), "3 snapshots: not signed\n"));
  host.in("rewall config sign.require true");
  CHECK(has(host.ends_in(1, "rewall verify"), "FAIL  signatures  3 snapshots: not signed\n"));
  host.sign_with("$PWD/key");
  record("3");
  const auto first = host.git("rev-parse HEAD").substr(0, 10);
  record("4");
  const auto older =
      "ok    signatures  3 snapshots: not signed: older than the first signature, which stands "
      "for them (snapshot " +
      first + ")\n";
  auto said = host.in("rewall verify");
  CHECK(has(said, older));
  CHECK(has(said, "2 snapshots: signed by alice@example.org ("));
  CHECK(has(host.in("rewall config sign.require false; rewall verify"), older));
  // A range that begins after the first signature knows of it.
  host.sign_with("''");
  record("5");
  const auto gap = host.git("rev-parse HEAD").substr(0, 10);
  host.in("rewall config sign.require true");
  CHECK(has(host.ends_in(1, "rewall verify HEAD~1.."), "snapshot"));
  host.sign_with("$PWD/key");
  record("6");
  said = host.ends_in(1, "rewall verify");
  CHECK(has(said, older));
  CHECK(has(said, "FAIL  signatures  snapshot " + gap + ": not signed\n"));
  CHECK(
      has(host.ends_in(1, "rewall verify HEAD~2.."), "FAIL  signatures  snapshot " + gap + ": not signed\n"));
  // After a rename what was signed for the old name counts as what is older does.
  host.in(
      "rewall snapshot -q --allow-empty; git -C repo branch -m hosts/renamed; rewall snapshot -q "
      "--allow-empty");
  said = host.in("rewall verify HEAD~1..; rewall verify HEAD~2..");
  CHECK(has(said, "1 snapshot: signed by alice@example.org ("));
  CHECK(has(said, ", for host "));
}

TEST_CASE("verify --all looks at the branches of remotes and at the tags") {
  const SigningHost host;
  host.sign_with("$PWD/key");
  host.in("rewall snapshot -q --allow-empty; rewall tag first HEAD~1; rewall tag newest");
  host.fetch_from_elsewhere("plain", SigningHost::kCommit);
  host.fetch_from_elsewhere("web2",
                            "git -c user.name=rewall -c user.email=rewall@web2 -c gpg.format=ssh -c "
                            "user.signingKey=$HOME/key commit "
                            "-q -S -m x");
  host.fetch_from_elsewhere("web3", SigningHost::commit_signed("key"));
  CHECK_FALSE(has(host.in("rewall verify"), "origin"));
  auto said = host.in("rewall verify --all");
  CHECK(has(said, "origin/hosts/plain: 1 snapshot: not signed\n"));
  CHECK(has(said, "origin/hosts/web2: 1 snapshot: signed by alice@example.org ("));
  CHECK_FALSE(has(said, "for host web2"));
  CHECK(has(said, "origin/hosts/web3: 1 snapshot: signed by alice@example.org ("));
  CHECK(has(said, ", for host "));
  CHECK(has(said, "2 tags can be restored\n"));

  host.in("rewall config sign.require true");
  said = host.ends_in(1, "rewall verify --all");
  const auto name = [&](const std::string& revision) {
    return "snapshot " + host.git("rev-parse " + revision).substr(0, 10);
  };
  CHECK(has(said, "FAIL  signatures  " + name("origin/hosts/plain") + ": not signed (origin/hosts/plain)\n"));
  CHECK(has(said, "FAIL  signatures  " + name("origin/hosts/web3") + ": signed by alice@example.org ("));
  CHECK(has(said,
            "FAIL  tags        the tag 'first': restore refuses it: " + name("HEAD~1") + " is not signed\n"));
  CHECK(has(said, "1 tag can be restored") == false);
  host.in(
      "rewall verify; rewall tag -d first; git -C repo update-ref -d refs/remotes/origin/hosts/plain; "
      "git -C repo update-ref -d refs/remotes/origin/hosts/web3; rewall verify --all");
  // An object that only a remote's branch has.
  host.in("o=$(git -C repo rev-parse origin/hosts/web2:rules.v4); rm -f repo/.git/objects/${o:0:2}/${o:2}");
  CHECK(has(host.ends_in(1, "rewall verify --all"), "FAIL  objects     " + name("origin/hosts/web2")));
  host.ends_in(2, "rewall verify --all HEAD");
}

TEST_CASE("where nobody signs, an unsigned snapshot is worth no word") {
  const SigningHost host;
  host.fetch_from_elsewhere("plain", SigningHost::kCommit);
  CHECK(has(host.in("rewall restore origin/hosts/plain 2>&1"), " is not signed"));
  host.in("rewall restore -q HEAD~1; rewall config --unset sign.allowed");
  CHECK_FALSE(has(host.in("rewall restore origin/hosts/plain 2>&1"), "not signed"));
  // One that is signed is named all the same.
  host.fetch_from_elsewhere("signed", SigningHost::commit_signed("key"));
  CHECK(has(host.in("rewall restore origin/hosts/signed 2>&1"), " is signed"));
}

TEST_CASE("doctor signs as a service would, and tells of a HEAD that is not signed") {
  const SigningHost host;
  const auto check = [&](const std::string& name) {
    const auto said = host.sh("export HOME=$PWD; unset SSH_AUTH_SOCK; rewall doctor").out;
    std::string lines;
    for (const auto line : split_lines(said))
      if (line.size() > 5 && line.substr(5).starts_with(name + " ")) lines += std::string(line) + "\n";
    return lines;
  };
  CHECK(check("signing").empty());
  CHECK(check("signature").empty());
  host.sign_with("$PWD/key");
  CHECK(
      has(check("signing"), "ok   signing     a service can sign snapshots: signed by alice@example.org ("));
  CHECK(has(check("signature"), "BAD  signature   HEAD (snapshot "));
  host.in("rewall snapshot -q --allow-empty");
  CHECK(has(check("signature"), "ok   signature   HEAD (snapshot "));
  const auto before = host.ok("find repo | sort");
  for (const std::string key : {"locked", "gone"}) {
    host.sign_with("$PWD/" + key);
    CHECK(has(check("signing"), "BAD  signing     sign.key "));
  }
  host.sign_with("$PWD/strange");
  CHECK(has(check("signing"), "ok   signing"));
  host.in("rewall config sign.require true");
  CHECK(has(check("signing"), "BAD  signing     what this host signs does not count: "));
  CHECK(has(check("signature"), "ok   signature"));
  host.sign_with("''");
  CHECK(has(check("signing"), "BAD  signing     sign.require is true, and sign.key is not set"));
  host.in("iptables -A INPUT -j LOG; rewall snapshot -q");
  CHECK(has(check("signature"), ": a boot passes it over"));
  // A key that only an agent of whoever runs doctor has.
  host.sign_with("$PWD/key.pub");
  const auto said = host.in(
      "eval $(ssh-agent -s) >/dev/null; ssh-add -q key; mv key away; rewall snapshot -q --allow-empty; "
      "rewall doctor >said || true; kill $SSH_AGENT_PID; cat said");
  CHECK(host.git_verifies("HEAD"));
  CHECK(has(said, "BAD  signing     sign.key "));
}

TEST_CASE("show and log tell who signed a snapshot") {
  const SigningHost host;
  host.sign_with("$PWD/key");
  host.in("iptables -A INPUT -p tcp --dport 1 -j ACCEPT; rewall snapshot");
  host.sign_with("$PWD/strange");
  host.in("iptables -A INPUT -p tcp --dport 2 -j ACCEPT; rewall snapshot");
  CHECK(has(host.in("rewall show HEAD~2"), "\nsigned   no\n"));
  CHECK(has(host.in("rewall show HEAD~1"), "\nsigned   by alice@example.org (SHA256:"));
  CHECK(has(host.in("rewall show HEAD"), "\nsigned   by SHA256:"));
  CHECK(has(host.in("rewall show HEAD"), ", which does not count: "));
  const auto log = nlohmann::json::parse(host.in("rewall log --json"));
  REQUIRE(log.size() == 3);
  CHECK(log[0]["signature"]["trust"] == "unknown");
  CHECK(log[1]["signature"]["trust"] == "allowed");
  CHECK(log[1]["signature"]["signer"] == "alice@example.org");
  CHECK(log[2]["signature"].is_null());
  CHECK(nlohmann::json::parse(host.in("rewall show HEAD~1 --json"))["signature"] == log[1]["signature"]);
  CHECK(nlohmann::json::parse(host.in("rewall show LIVE --json"))["signature"].is_null());
}

TEST_CASE("a snapshot is signed with an OpenPGP key by gpg") {
  const SigningHost host;
  host.in(
      "mkdir -m 700 g && gpg --batch -q --passphrase '' --quick-gen-key 'Alice <alice@example.org>' "
      "ed25519 sign never");
  host.sign_with("alice@example.org");
  host.in("iptables -A INPUT -p tcp --dport 1 -j ACCEPT; rewall snapshot");
  CHECK(host.git_verifies("HEAD"));
  CHECK(has(host.in("rewall verify"), "1 snapshot: signed by Alice <alice@example.org> ("));
  host.in("rewall config sign.require true");
  host.in("rewall restore HEAD");
  // A key that the keyring has, but nobody vouched for.
  host.in(
      "gpg --export alice@example.org >public; gpgconf --kill gpg-agent; mv g old; mkdir -m 700 g; "
      "gpg --batch -q --import public");
  CHECK(has(host.ends_in(3, "rewall restore HEAD"), "signed by Alice <alice@example.org>"));
  host.in("gpgconf --kill gpg-agent; rm -rf g; mv old g");

  // One with a passphrase, and nobody to be asked for it.
  host.in(
      "gpg --batch -q --passphrase secret --quick-gen-key 'Bob <bob@example.org>' ed25519 sign never; "
      "gpgconf --kill gpg-agent");
  host.sign_with("bob@example.org");
  const auto said = host.in("iptables -A INPUT -p tcp --dport 2 -j ACCEPT; rewall snapshot -m kept 2>&1");
  CHECK(has(said, "is NOT SIGNED: sign.key bob@example.org: "));
  CHECK(host.git("log -1 --format=%s") == "kept");
  CHECK_FALSE(host.git_verifies("HEAD"));
  host.in("gpgconf --kill gpg-agent");
}

TEST_CASE("a snapshot that cannot be signed is recorded, and verify tells") {
  const SigningHost host;
  host.sign_with("$PWD/locked");
  const auto said = host.in("iptables -A INPUT -p tcp --dport 1 -j ACCEPT; rewall snapshot -m kept 2>&1");
  CHECK(has(said, "is NOT SIGNED: sign.key "));
  CHECK(host.git("log -1 --format=%s") == "kept");
  CHECK(has(host.in("rewall verify"), "2 snapshots: not signed"));

  host.sign_with("$PWD/gone");
  CHECK(has(host.in("rewall restore HEAD~1 2>&1"), "is NOT SIGNED: sign.key "));
  CHECK(host.git("log -1 --format=%B | grep -c 'Rewall-Trigger: restore'") == "1");

  host.sign_with("$PWD/key");
  host.in("rewall snapshot --allow-empty");
  host.in("rewall config sign.require true");
  host.in("rewall verify");
  host.sign_with("$PWD/gone");
  host.in("rewall snapshot --allow-empty");
  host.sign_with("$PWD/key");
  host.in("rewall snapshot --allow-empty");
  const auto found = host.ends_in(1, "rewall verify");
  CHECK(has(found, "2 snapshots: signed by alice@example.org (SHA256:"));
  CHECK(has(found, "snapshot " + host.git("rev-parse HEAD~1").substr(0, 10) + ": not signed"));
  CHECK(has(host.in("rewall verify HEAD~1.."), "signed by alice@example.org"));
}

TEST_CASE("where a signature is required and missing, the newest signed snapshot is named") {
  const SigningHost host;
  host.in("rewall config sign.require true");
  const auto none = host.ends_in(3, "rewall restore HEAD");
  CHECK(has(none, "hint: to accept unsigned ones: rewall -C "));
  CHECK_FALSE(has(none, "the newest signed one"));
  host.sign_with("$PWD/key");
  host.in("iptables -A INPUT -p tcp --dport 1 -j ACCEPT; rewall snapshot");
  const auto signed_one = host.git("rev-parse HEAD").substr(0, 10);
  host.sign_with("$PWD/strange");
  host.in("iptables -A INPUT -p tcp --dport 2 -j ACCEPT; rewall snapshot");
  const auto said = host.ends_in(3, "rewall restore HEAD~2");
  INFO(said);
  CHECK(has(said, "hint: the newest signed one with other rules than now is " + signed_one + ": rewall -C "));
  CHECK(has(said, " restore " + signed_one + "; to accept unsigned ones: "));
  // What is in force already is no way out, whatever snapshot has it.
  host.sign_with("$PWD/key");
  host.in("rewall restore " + signed_one + "; rewall snapshot --allow-empty");
  CHECK_FALSE(has(host.ends_in(3, "rewall undo"), "the newest signed one"));
  host.in("iptables -A INPUT -p tcp --dport 3 -j ACCEPT");
  const auto in_force = host.git("rev-parse HEAD").substr(0, 10);
  CHECK(has(host.ends_in(3, "rewall restore HEAD~4"), "other rules than now is " + in_force));
}

TEST_CASE("a program that says nothing of a signature accuses nobody") {
  const SigningHost host;
  host.sign_with("$PWD/key");
  host.in("iptables -A INPUT -p tcp --dport 1 -j ACCEPT; rewall snapshot");
  host.in("git -C repo config gpg.ssh.program /bin/true");
  const auto said = host.ends_in(1, "rewall verify");
  INFO(said);
  CHECK(has(said, ": signed, but could not be checked: /bin/true said nothing\n"));
  CHECK_FALSE(has(said, "somebody changed it"));
  CHECK(has(host.in("rewall show"), "could not be checked: /bin/true said nothing\n"));
  CHECK(nlohmann::json::parse(host.in("rewall show --json"))["signature"]["trust"] == "unchecked");
  host.in("rewall config sign.require true");
  CHECK(has(host.ends_in(3, "rewall restore HEAD"), "could not be checked: /bin/true said nothing"));
  host.in("git -C repo config --unset gpg.ssh.program");
  host.in("rewall restore HEAD");
}

TEST_CASE("what was fetched is restored with the name of who signed it") {
  const SigningHost host;
  host.fetch_from_elsewhere("good", SigningHost::commit_signed("key"));
  host.fetch_from_elsewhere("plain", SigningHost::kCommit);
  host.fetch_from_elsewhere("strange", SigningHost::commit_signed("strange"));
  host.fetch_from_elsewhere("forged", SigningHost::commit_signed("key") +
                                          " && git cat-file commit HEAD | sed 's/from elsewhere/from hell/' "
                                          ">../forged && git update-ref refs/heads/hosts/forged $(git "
                                          "hash-object -t commit -w ../forged)");
  host.fetch_from_elsewhere("garbled",
                            std::string(SigningHost::kCommit) +
                                " && git cat-file commit HEAD | sed '/^committer/a gpgsig no signature' "
                                ">../garbled && git update-ref refs/heads/hosts/garbled $(git hash-object -t "
                                "commit -w ../garbled)");

  CHECK(has(host.in("rewall restore origin/hosts/good 2>&1"), " is signed by alice@example.org (SHA256:"));
  CHECK(has(host.rules(), "-s 192.0.2.1/32 -j DROP"));
  CHECK(has(host.in("rewall restore origin/hosts/plain 2>&1"), " is not signed"));
  CHECK(has(host.in("rewall restore origin/hosts/strange 2>&1"), "the key is not allowed"));
  // Of one's own nothing is said.
  CHECK_FALSE(has(host.in("rewall undo 2>&1"), "signed"));

  host.in("rewall config sign.require true");
  host.sign_with("$PWD/key");
  host.in("rewall snapshot --allow-empty");
  const auto before = host.rules();
  for (const std::string branch : {"plain", "strange", "forged", "garbled"}) {
    const auto said = host.ends_in(3, "rewall restore origin/hosts/" + branch);
    CHECK(has(said, "LIVE is untouched"));
    CHECK(has(said, " verify "));
    CHECK(host.rules() == before);
  }
  for (const std::string option : {"--force", "--dry-run"})
    host.ends_in(3, "rewall restore " + option + " origin/hosts/plain");
  CHECK(has(host.ends_in(1, "rewall verify origin/hosts/forged~..origin/hosts/forged"), "badly signed"));
  CHECK(has(host.ends_in(1, "rewall verify origin/hosts/garbled~..origin/hosts/garbled"), "badly signed"));
  // Nor is one's own that nobody signed.
  CHECK(has(host.ends_in(3, "rewall restore HEAD~1"), " is not signed; LIVE is untouched"));
  host.in("rewall restore origin/hosts/good");
  CHECK(has(host.rules(), "-s 192.0.2.1/32 -j DROP"));
  // A signature counts for the host that the commit names.
  for (const std::string committer : {"-c user.name=bob -c user.email=bob@example.org",
                                      "-c user.name=rewall -c user.email=rewall@web2.example.org"}) {
    host.fetch_from_elsewhere(
        "other", "git " + committer + " -c gpg.format=ssh -c user.signingKey=$HOME/key commit -q -S -m x");
    CHECK(has(host.ends_in(3, "rewall restore origin/hosts/other"), "is signed for "));
  }
  CHECK(
      has(host.ends_in(5, "chmod o+w allowed; rewall restore origin/hosts/good"), "others can write to it"));
}

TEST_CASE("a remote's branch that has gone back is told from one that has not") {
  const SigningHost host;
  host.sign_with("$PWD/key");
  host.in("git init -q --bare far; rewall remote add origin $PWD/far; rewall snapshot -q --allow-empty");
  const auto branch = "origin/" + host.git("symbolic-ref --short HEAD");
  host.in("rewall push -q");
  CHECK_FALSE(has(host.in("rewall restore " + branch + " 2>&1"), "older than HEAD"));
  host.in(
      "iptables -A INPUT -p tcp --dport 7 -j ACCEPT; rewall snapshot -q; rewall config sign.require true");
  for (int i = 0; i < 2; ++i) {
    CHECK(has(host.ends_in(1, "rewall restore --dry-run " + branch),
              "is older than HEAD (" + host.git("rev-parse HEAD").substr(0, 10) + "): '" + branch +
                  "' has gone back"));
    host.in("rewall config sign.require false");
  }
  CHECK_FALSE(has(host.ends_in(1, "rewall restore --dry-run HEAD~1"), "older than HEAD"));
}

TEST_CASE("a guard goes back to what nobody signed") {
  const SigningHost host;
  const auto before = host.rules();
  host.in("rewall config sign.require true");
  host.in("rewall try --yes -- iptables -A INPUT -p tcp --dport 1 -j ACCEPT");
  host.in("rewall rollback");
  CHECK(host.rules() == before);
  host.in("rewall try --for 1s --yes -- iptables -A INPUT -p tcp --dport 2 -j ACCEPT");
  host.until("! test -e repo/.git/rewall/guard");
  CHECK(host.rules() == before);
  host.in("rewall try --yes -- iptables -A INPUT -p tcp --dport 3 -j ACCEPT");
  host.in("iptables -F; iptables -P INPUT ACCEPT; rewall restore --boot");
  CHECK(host.rules() == before);
}

TEST_CASE("a boot passes over what nobody signed") {
  const SigningHost host;
  const auto before = host.rules();
  host.in("rewall config sign.require true");
  SECTION("down to lockdown, where nothing is signed") {
    host.ok("rewall tag good HEAD");
    const auto said = host.ends_in(9, "iptables -F; iptables -P INPUT ACCEPT; rewall restore --boot");
    CHECK(has(said, "the template lockdown is in force; it could not be HEAD"));
    CHECK(has(said, " is not signed"));
    CHECK(has(said, "the tag good: "));
    CHECK(has(host.rules(), ":INPUT DROP"));
  }
  SECTION("to the newest one that is signed") {
    host.sign_with("$PWD/key");
    host.in("rewall snapshot --allow-empty");
    host.sign_with("''");
    host.in("iptables -A INPUT -p tcp --dport 4 -j ACCEPT; rewall snapshot");
    const auto said = host.ends_in(9, "iptables -F; iptables -P INPUT ACCEPT; rewall restore --boot");
    CHECK(has(said, "it could not be HEAD"));
    CHECK(host.rules() == before);
  }
  SECTION("and takes HEAD where it is signed") {
    host.sign_with("$PWD/key");
    host.in("rewall snapshot --allow-empty; iptables -F; iptables -P INPUT ACCEPT; rewall restore --boot");
    CHECK(host.rules() == before);
  }
}

TEST_CASE("a fetched branch with something else in the place of rules is refused") {
  const SigningHost host;
  const std::string commit = SigningHost::kCommit;
  host.fetch_from_elsewhere("link", "ln -sf /etc/shadow rules.v4 && git add -A && " + commit);
  host.fetch_from_elsewhere("folder",
                            "rm rules.v4 && mkdir rules.v4 && touch rules.v4/x && git add -A && " + commit);
  host.fetch_from_elsewhere("module",
                            "git rm -q --cached rules.v4 && git update-index --add --cacheinfo "
                            "160000,$(git rev-parse HEAD),rules.v4 && " +
                                commit);
  for (const std::string branch : {"link", "folder", "module"}) {
    CHECK(has(host.ends_in(5, "rewall restore origin/hosts/" + branch), "rules.v4: not a plain file"));
    CHECK(has(host.ends_in(1, "rewall verify origin/hosts/" + branch), "rules.v4: not a plain file"));
  }
  // 270,000,000 bytes, some 260 kB packed.
  host.in(
      "{ printf 'blob\\nmark :1\\ndata 270000000\\n'; head -c 270000000 /dev/zero; "
      "printf '\\ncommit refs/remotes/origin/hosts/bomb\\ncommitter x <x> 1 +0000\\ndata 1\\nx\\n"
      "M 100644 :1 rules.v4\\n'; } | git -C repo -c core.bigFileThreshold=1m -c fastimport.unpackLimit=1 "
      "fast-import --quiet");
  CHECK(has(host.ends_in(5, "rewall restore origin/hosts/bomb"),
            "270000000 bytes, and a file of a snapshot has at most 268435456"));
  // The same loose: its header is enough.
  host.in(
      "hash=$(git -C repo rev-parse origin/hosts/bomb:rules.v4); rm repo/.git/objects/pack/*; "
      "mkdir -p repo/.git/objects/${hash:0:2}; python3 -c \"import sys, zlib; "
      "sys.stdout.buffer.write(zlib.compress(b'blob 270000000\\\\0'))\" "
      ">repo/.git/objects/${hash:0:2}/${hash:2}; cd repo; "
      "git update-ref refs/remotes/origin/hosts/bomb $(git -c user.name=x -c user.email=x commit-tree -m x "
      "$(printf "
      "'100644 blob %s\\trules.v4\\n' $hash | git mktree --missing))");
  CHECK(has(host.ends_in(5, "rewall restore origin/hosts/bomb"), "at most 268435456"));
}

TEST_CASE("verify names the snapshot in which something is wrong") {
  const SigningHost host;
  host.sign_with("$PWD/key");
  for (const char* port : {"1", "2", "3"})
    host.in(std::string("iptables -A INPUT -p tcp --dport ") + port + " -j ACCEPT; rewall snapshot");
  const auto name = [&](const std::string& revision) {
    return "snapshot " + host.git("rev-parse " + revision).substr(0, 10);
  };
  const auto good = host.in("rewall verify");
  CHECK(has(good, "4 snapshots with "));
  CHECK(has(good, "1 snapshot: not signed: older than the first signature"));
  CHECK(has(good, "3 snapshots: signed by alice@example.org ("));
  const std::string read_json =
      " | python3 -c \"import json, sys; print([(f['check'], f['ok'], f['message'], f['hint']) for f in "
      "json.load(sys.stdin) if not f['ok']])\"";
  CHECK(host.in("rewall verify --json" + read_json) == "[]\n");

  const std::string object =
      "f=$(git -C repo rev-parse HEAD~2:rules.v4); f=repo/.git/objects/${f:0:2}/${f:2}; ";
  host.in(object +
          "cp $f kept; chmod u+w $f; printf '\\377' | dd of=$f bs=1 seek=60 conv=notrunc status=none");
  auto found = host.ends_in(1, "rewall verify");
  CHECK(has(found, "objects     " + name("HEAD~2") + ": rules.v4 ("));
  CHECK_FALSE(has(found, name("HEAD~1")));
  CHECK(has(host.in("rewall verify --json" + read_json), "[('objects', False, '" + name("HEAD~2")));
  host.in("rewall verify HEAD~2..");
  host.ends_in(1, "rewall verify HEAD~2");

  host.in(object + "rm $f");
  found = host.ends_in(1, "rewall verify");
  CHECK(has(found, name("HEAD~2") + ": rules.v4 ("));
  CHECK(has(found, "missing or damaged"));
  host.in(object + "cp kept $f; rewall verify");

  const auto lost = host.git("rev-parse HEAD~2");
  const auto file = "repo/.git/objects/" + lost.substr(0, 2) + "/" + lost.substr(2);
  host.in("mv " + file + " kept");
  CHECK(has(host.ends_in(1, "rewall verify"), "snapshot " + lost.substr(0, 10) + ": missing or damaged"));
  host.in("mv kept " + file);

  host.in("cd repo && echo hello >rules.v4 && printf '\\033]0;x\\007' >'a\033b' && git add -A && " +
          std::string(SigningHost::kCommit));
  found = host.ends_in(1, "rewall verify");
  CHECK(has(found, "snapshots   " + name("HEAD") + ": rules.v4:1: "));
  CHECK(has(found, name("HEAD") + " brings what is no file of a snapshot: a\\x1bb"));
  CHECK(has(found, "1 snapshot: not signed\n"));
  CHECK_FALSE(has(found, "\033"));

  // A name that a terminal would obey.
  host.in("printf 'al\\033[31mice@example.org %s\\n' \"$(cat key.pub)\" >allowed");
  found = host.in("rewall verify HEAD~1");
  CHECK(has(found, "signed by al\\x1b[31mice@example.org"));
  CHECK_FALSE(has(found, "\033"));

  host.ends_in(2, "rewall verify HEAD~9");
  host.ends_in(2, "rewall verify HEAD...HEAD~1");
  host.ends_in(5, "rewall -C $PWD/nowhere verify");
}

}  // namespace

TEST_CASE("a key that is not there is said when it is set") {
  const Host host;
  host.ok("rewall init");
  CHECK(
      has(host.ends(0, "rewall config sign.key $PWD/key"), "/key yet: until then snapshots are NOT SIGNED"));
  CHECK_FALSE(
      has(host.ends(0, "ssh-keygen -q -t ed25519 -N '' -f key; rewall config sign.key $PWD/key"), "NOT"));
}

}  // namespace rewall
