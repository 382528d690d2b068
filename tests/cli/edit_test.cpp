#include <nlohmann/json.hpp>

#include "support/host.h"
#include "support/terminal.h"

using namespace rewall;
using nlohmann::json;

namespace {

struct Editor : Host {
  Editor() {
    ok("cat >terminal.py <<'END'" + std::string(kTerminal) + "END\n");
    ok("mkdir tmp; iptables -P INPUT DROP; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; rewall init");
  }

  void editor(const std::string& script) const {
    ok("cat >ed <<'END'\n#!/bin/bash\ncd " + shell_quote(folder().string()) + "\n" + script +
       "\nEND\nchmod 755 ed");
  }

  /// What the terminal showed, of `rewall edit` that must end with `status`.
  std::string talk(int status, const std::string& talk, const std::string& options = "") const {
    return ends(status, on_terminal("edit " + options) + " " + talk);
  }
  static std::string on_terminal(const std::string& words) {
    return "export TMPDIR=$PWD/tmp EDITOR=$PWD/ed; unset VISUAL; exec python3 terminal.py '" REWALL_PROGRAM
           " " +
           words + "'";
  }

  /// Without a terminal.
  std::string alone(int status, const std::string& words) const {
    return ends(status, "export TMPDIR=$PWD/tmp EDITOR=${EDITOR-$PWD/ed}; setsid -w " REWALL_PROGRAM " " +
                            words + " </dev/null");
  }

  bool nothing_left() const { return ok("ls -A tmp").empty(); }
  std::size_t snapshots() const { return std::stoul(ok("git -C repo rev-list --count HEAD")); }
};

}  // namespace

TEST_CASE("edit opens the rules, shows the difference, asks and applies") {
  const Editor host;
  host.editor(
      "stat -c '%a %n' \"$1\" \"${1%/*}\" >modes; cp \"$1\" given; sed -i 's/dport 22/dport 2222/' \"$1\"");
  const auto shown = host.talk(0, "'Apply? (yes, no or edit) ' answer:yes");
  CHECK(has(shown, "~ 1     -p tcp --dport {22 -> 2222} -j ACCEPT\n"));
  CHECK(has(host.rules(), "--dport 2222"));
  CHECK(host.ok("cat given") == host.ok("git -C repo show HEAD~1:rules.v4"));
  CHECK(host.ok("sed 's,/[^ ]*/,,' modes | cut -c1-12") == "600 rules.v4\n700 rewall-e\n");
  CHECK(host.nothing_left());
  const auto log = json::parse(host.ok("rewall log -n 1 --json"));
  CHECK(log[0]["trigger"] == "edit");
  CHECK(log[0]["commands"] == json::array({"rewall edit"}));
}

TEST_CASE("a text that is what it was changes nothing") {
  const Editor host;
  host.editor("touch \"$1\"");
  CHECK(has(host.talk(0, ""), "rewall: nothing changed\n"));
  const auto said = json::parse(host.alone(0, "--json -q edit --yes"));
  CHECK(said["changed"] == false);
  CHECK(said["hash"].get<std::string>() + "\n" == host.ok("git -C repo rev-parse HEAD"));
  host.editor("sed -i 's/-p tcp -m tcp/-p 6/' \"$1\"");
  CHECK(has(host.talk(0, ""), "nothing changed"));
  CHECK(host.nothing_left());
  CHECK(host.snapshots() == 1);
}

TEST_CASE("a text that is no rules file is refused by its line, with LIVE untouched") {
  const Editor host;
  host.editor("sed -i '2i iptables -A INPUT -j DROP' \"$1\"");
  const auto shown = host.alone(2, "edit --yes");
  INFO(shown);
  CHECK(has(shown, "rules.v4:2: "));
  CHECK(has(shown, "LIVE is untouched"));
  CHECK_FALSE(has(shown, "try -- sh"));
  host.editor("printf 'iptables -A INPUT -j DROP\\n' >\"$1\"");
  const auto all = host.alone(2, "edit --yes");
  INFO(all);
  CHECK(has(all, "rules.v4:1: not iptables-save format: expected '*filter', found 'iptables'"));
  CHECK(has(all, "LIVE is untouched"));
  CHECK_FALSE(has(all, "try -- sh"));
  CHECK(has(all, "hint: to try it again: rewall -C " + host.repository() + " apply "));
}

TEST_CASE("the answer no keeps the text, and apply takes it from there") {
  const Editor host;
  host.editor("sed -i 's/dport 22/dport 2222/' \"$1\"");
  for (const char* answer : {"answer:no", "answer:NO", "answer:", "$'answer:\\004'", "$'type:\\003'",
                             "answer:what 'is no answer' answer:no"}) {
    INFO(answer);
    const auto shown = host.talk(3, "'Apply? (yes, no or edit) ' " + std::string(answer));
    CHECK(has(shown, "rewall: error: not applied; your text is saved in " +
                         (host.folder() / "tmp/rewall-edit-").string()));
    CHECK(has(shown, "to try it again: rewall -C " + host.repository() + " apply " + host.folder().string()));
  }
  CHECK(has(host.rules(), "--dport 22 "));
  CHECK(host.ok("ls tmp | wc -l") == "6\n");
  host.ok("rewall apply $(ls -d tmp/*/rules.v4 | head -n 1)");
  CHECK(has(host.rules(), "--dport 2222"));
}

TEST_CASE("a text with an error goes back to the editor, is kept, or is left") {
  const Editor host;
  host.editor(
      "if grep -q INPTU \"$1\"; then sed -i s/INPTU/INPUT/ \"$1\"; else sed -i 's/-A INPUT.*/-A INPTU -j "
      "LOG/' \"$1\"; fi");
  const auto mended = host.talk(0, "'What now? ' answer:edit 'Apply? (yes, no or edit) ' answer:yes");
  CHECK(has(mended, "/rules.v4:5: "));
  CHECK(has(mended, "edit it again, exit without a change, or keep the text in a file and exit"));
  CHECK(has(host.rules(), "-A INPUT -j LOG"));
  CHECK(host.nothing_left());

  CHECK_FALSE(has(host.talk(3, "'What now? ' answer:exit"), "is saved"));
  CHECK(host.nothing_left());
  CHECK(has(host.talk(3, "'What now? ' answer:keep"), "your text is saved in "));
  CHECK(has(host.ok("cat tmp/*/rules.v4"), "INPTU"));
  CHECK(has(host.rules(), "-A INPUT -j LOG"));
  // What only the kernel refuses is found before LIVE is touched, too.
  host.editor("sed -i 's/-j LOG/-m set --match-set nothing src -j LOG/' \"$1\"");
  CHECK(has(host.talk(3, "'What now? ' answer:exit"), "/rules.v4:5: "));
}

TEST_CASE("the answer e goes back to the editor with the text as it is") {
  const Editor host;
  host.editor("sed -i 's/dport \\([0-9]*\\)/dport \\10/' \"$1\"");
  const auto shown =
      host.talk(0, "'Apply? (yes, no or edit) ' answer:edit 'Apply? (yes, no or edit) ' answer:yes");
  CHECK(has(shown, "{22 -> 220}"));
  CHECK(has(shown, "{22 -> 2200}"));
  CHECK(has(host.rules(), "--dport 2200"));
}

TEST_CASE("what others change in LIVE meanwhile is said before anything is applied") {
  const Editor host;
  SECTION("while the editor is open") {
    host.editor("iptables -A INPUT -s 192.0.2.9 -j DROP; sed -i 's/dport 22/dport 2222/' \"$1\"");
    const auto shown = host.talk(3, "'Apply? (yes, no or edit) ' answer:no");
    CHECK(has(shown, "the live rules changed while you were editing"));
    CHECK(has(shown, "- 2     -s 192.0.2.9/32 -j DROP\n"));
    CHECK(has(host.rules(), "192.0.2.9"));
  }
  SECTION("while the question stands") {
    // The terminal shows the first question; then LIVE changes, and the answer comes.
    host.editor("sed -i 's/dport 22/dport 2222/' \"$1\"");
    const auto shown =
        host.talk(0,
                  "'Apply? (yes, no or edit) ' 'run:iptables -A INPUT -s 192.0.2.9 -j DROP' '' answer:yes "
                  "'the live rules changed' '' 'Apply? (yes, no or edit) ' answer:yes");
    CHECK(has(shown, "- 2     -s 192.0.2.9/32 -j DROP\n"));
    CHECK_FALSE(has(host.rules(), "192.0.2.9"));
    CHECK(has(host.rules(), "--dport 2222"));
    CHECK(has(host.ok("git -C repo show HEAD~1:rules.v4"), "192.0.2.9"));
  }
}

TEST_CASE("an editor that fails or is not there changes nothing") {
  const Editor host;
  host.editor("exit 7");
  CHECK(has(host.talk(3, ""), "/ed: exit status 7; LIVE is untouched\n"));
  CHECK(host.nothing_left());
  host.editor("sed -i 's/dport 22/dport 2222/' \"$1\"; kill -9 $$");
  CHECK(has(host.talk(3, ""), "exit status 137; your text is saved in "));
  host.ok("rm -r tmp/*");
  CHECK(has(host.ends(2, "EDITOR=no-such-editor; " + std::string("export EDITOR; setsid -w ") +
                             REWALL_PROGRAM + " edit --yes"),
            "$EDITOR: 'no-such-editor': not found in PATH\n"));
  host.ok("printf '\\0' >ed");
  CHECK(has(host.talk(2, ""), "/ed: cannot be started: Exec format error\n"));
  CHECK(host.nothing_left());
  CHECK(host.snapshots() == 1);
  CHECK(has(host.rules(), "--dport 22 "));
}

TEST_CASE("the editor's words are not for a shell, VISUAL is first, and Ctrl-C is for the editor") {
  const Editor host;
  host.editor(
      "printf '%s\\n' \"${@:1:$#-1}\" \"$TERM\" \"$MARK\" >words; trap '' INT; kill -INT $PPID; "
      "sed -i 's/dport 22/dport 2222/' \"${!#}\"");
  host.ok("export MARK=here VISUAL=\"$PWD/ed  -nw \\$(id)\" EDITOR=false; rewall edit --yes");
  CHECK(host.ok("cat words") == "-nw\n$(id)\ndumb\nhere\n");
  CHECK(has(host.rules(), "--dport 2222"));
}

TEST_CASE("without a terminal edit is refused before anything is opened, but for --yes and --dry-run") {
  const Editor host;
  host.editor("touch opened; sed -i 's/dport 22/dport 2222/' \"$1\"");
  CHECK(has(host.alone(2, "edit"),
            "edit needs a terminal to ask on\nhint: 'rewall -C " + host.repository() + " apply FILE'"));
  CHECK(host.ok("ls").find("opened") == std::string::npos);
  const auto tried = host.alone(1, "edit --dry-run");
  CHECK(has(tried, "{22 -> 2222}"));
  CHECK(has(tried, "your text is saved in "));
  CHECK(has(host.rules(), "--dport 22 "));
  host.ok("rm -r tmp/*");
  const auto said = json::parse(host.alone(0, "-q --json edit --yes -m 'another port'"));
  CHECK(said["subject"] == "another port");
  CHECK(said["changed"] == true);
  host.editor("echo broken >>\"$1\"");
  CHECK(has(host.alone(2, "edit --yes"), "rules.v4:7: "));
  CHECK(has(host.ok("cat tmp/*/rules.v4"), "broken"));
}

TEST_CASE("edit takes a family, a table, and an empty firewall") {
  const Editor host;
  host.editor(
      "cp \"$1\" given; sed -i 's/^COMMIT/-A OUTPUT -j LOG\\nCOMMIT/' \"$1\"; basename \"$1\" >>given");
  host.alone(0, "edit --yes --family ipv6");
  CHECK(host.ok("cat given") ==
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\nrules.v6\n");
  CHECK(has(host.ok("ip6tables-save"), "-A OUTPUT -j LOG"));
  CHECK_FALSE(has(host.rules(), "-A OUTPUT -j LOG"));
  host.alone(0, "edit --yes --table mangle");
  CHECK(has(host.ok("iptables-save -t mangle"), "-A OUTPUT -j LOG"));
  CHECK_FALSE(has(host.ok("iptables-save -t filter"), "-A OUTPUT -j LOG"));
  CHECK_FALSE(has(host.ok("cat given"), "*filter"));
}

TEST_CASE("what the editor takes away of other programs is kept and said, and goes with --exact") {
  const Editor host;
  host.ok("iptables -N f2b-sshd; iptables -A f2b-sshd -s 192.0.2.9 -j DROP; iptables -I INPUT -j f2b-sshd");
  host.editor("sed -i '/f2b/d' \"$1\"");
  const auto kept = host.talk(0, "");
  CHECK(has(kept, "fail2ban"));
  CHECK(has(kept, "nothing changed"));
  CHECK(has(host.rules(), "-A f2b-sshd -s 192.0.2.9/32 -j DROP"));
  host.alone(0, "edit --yes --exact");
  CHECK_FALSE(has(host.rules(), "f2b"));
}
