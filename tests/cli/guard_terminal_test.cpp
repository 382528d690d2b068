// What people see of a guard on their terminals, and what they can answer; and the packets of lockdown.
#include "support/guarded_host.h"

using namespace rewall;

TEST_CASE("the countdown hears the keys, and what is said elsewhere") {
  const GuardedHost host;
  const auto before = host.live();
  const auto talk = [&](int status, const std::string& action) {
    // A shell around it: the terminal is as it was afterwards.
    const auto shown =
        host.ends(status, "python3 terminal.py 'stty -g >modes; " REWALL_PROGRAM
                          " restore --for 1m open; s=$?; stty -g >after; exit $s' 'Reverting in ' " +
                              shell_quote(action));
    host.ok("cmp modes after");
    CHECK(has(shown, "Type confirm, revert, or quit (the guard stays armed): "));
    return shown;
  };
  const std::string elsewhere = "run:" REWALL_PROGRAM " -C " + host.repository();
  for (const std::string& action : {std::string("answer:confirm"), elsewhere + " confirm"}) {
    INFO(action);
    CHECK(has(talk(0, action), action == "answer:confirm"
                                   ? "confirmed: the change is kept\n"
                                   : "the change is kept: the guard was confirmed by root"));
    CHECK_FALSE(host.armed());
    CHECK(host.live() != before);
    host.ok("rewall restore old");
  }
  CHECK(has(talk(3, "answer:Revert"), "reverted as requested; the live rules are back to "));
  CHECK(host.live() == before);
  const auto taken_back = talk(3, elsewhere + " rollback");
  CHECK(has(taken_back, "the change was taken back: the guard was rolled back by root"));
  CHECK(host.live() == before);
  // The hint, as it is printed.
  const std::string words = "to try again: ";
  REQUIRE(has(taken_back, words));
  auto again = taken_back.substr(taken_back.find(words) + words.size());
  again = again.substr(0, again.find_first_of("\r\n"));
  INFO(again);
  host.ok(again);
  CHECK(host.armed());
  CHECK(host.live() != before);
  host.ok("rewall rollback");
  CHECK(host.live() == before);
  CHECK_FALSE(host.armed());
  CHECK(has(talk(0, "answer:quit"), "GUARD ARMED: reverts at "));
  CHECK(host.armed());
  CHECK(host.live() != before);
  CHECK(has(host.ok("rewall rollback 2>&1; rewall status"), "matches HEAD"));
  CHECK(host.live() == before);
  // After an earlier rollback, a change of nothing that is confirmed is no change that was taken back.
  CHECK(has(host.ends(0, GuardedHost::on_terminal("try --for 1m -- true",
                                                  "'Reverting in ' " + shell_quote(elsewhere + " confirm"))),
            "the change is kept: the guard was confirmed by root"));
}

TEST_CASE("what was typed or pasted before the question is no answer, and neither is half a word") {
  const GuardedHost host;
  const auto said = [&](const std::string& command, const std::string& talk) {
    const auto shown = host.ends(0, GuardedHost::on_terminal(command, talk));
    INFO(shown);
    CHECK(host.armed());
    CHECK(has(shown, "GUARD ARMED: reverts at "));
    host.ok("rewall rollback");
    return shown;
  };
  // The line is in the terminal long before rewall asks.
  const std::string waits = "try --for 10m -- sh -c 'echo go; while ! test -e typed; do sleep 0.05; done'";
  auto shown =
      said(waits,
           "go $'type:confirm\\nconfirm\\n' '' 'run:touch typed' 'thrown away: 16 characters typed or "
           "pasted ahead; to answer type confirm or revert or quit, and Enter' answer:quit");
  shown =
      said("try --for 10m -- true",
           "'Reverting in ' answer:c \"'c' is no answer\" $'answer:confirmed' \"'confirmed' is no answer\" "
           "answer:quit");
  // What the terminal marks as pasted is no answer at any time.
  shown = said("try --for 10m -- true",
               "'Reverting in ' answer:what \"'what' is no answer\" "
               "$'type:\\e[200~confirm\\n\\e[201~' 'thrown away: 8 characters' answer:quit");
  // A second line of one paste answers no second question.
  shown = said("try --for 10m -- true",
               "'Reverting in ' $'answer:curl x\\nconfirm' \"'curl x' is no answer\" answer:quit");
}

TEST_CASE("the countdown keeps to one line of a narrow terminal") {
  const GuardedHost host;
  for (const auto& [columns, prompt] : std::vector<std::pair<std::string, std::string>>{
           {"20", "1:00: "}, {"40", "confirm/revert/quit (1:00): "}}) {
    const auto shown = host.ends(0, "python3 terminal.py 'stty cols " + columns +
                                        "; exec " REWALL_PROGRAM " restore --for 1m open' ': ' answer:quit");
    INFO(shown);
    CHECK_FALSE(has(shown, "Reverting in "));
    CHECK(has(shown, prompt));
    host.ok("rewall rollback");
  }
}

TEST_CASE("a minute before the end every terminal of the user is warned, and at the end it is told") {
  const GuardedHost host;
  // Another terminal, on which nothing of it runs. Guards of other hosts write there too.
  host.ok("(python3 terminal.py 'echo here; exec sleep 60' here 'run:touch open' " +
          shell_quote("before 'rewall restore --for 62s open'") + " 'run:touch warned' " +
          shell_quote("nobody confirmed 'rewall restore --for 62s open' of") +
          " signal:TERM >other 2>&1 </dev/null &)");
  host.until("test -e open");
  const auto shown = host.ends(
      0, GuardedHost::on_terminal("restore --for 62s open",
                                  "'in 1 min the firewall goes back to what it was before' answer:quit"));
  INFO(shown);
  CHECK(has(shown,
            "in 1 min the firewall goes back to what it was before 'rewall restore --for 62s open' "
            "(root, "));
  host.until("test -e warned");
  REQUIRE(host.armed());
  // The end comes sooner than a minute from now: what is in the file is what counts.
  host.time_is_up(500);
  host.until_gone();
  host.until(
      "grep -q 'nobody confirmed .rewall restore --for 62s open. of root, .*: the old ruleset ' other");
  CHECK(has(host.ok("rewall log -n 1"), "rollback"));
}

TEST_CASE("lockdown lets ssh, what is established and ICMP in, and nothing else") {
  const Host host;
  const auto said = host.ok(
      "cat >packets.py <<'END'\n"
      "import os, socket, struct, sys, threading, time\n"
      "def serve(port):\n"
      "    s = socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
      "    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(('::', port)); s.listen()\n"
      "    while True:\n"
      "        c = s.accept()[0]\n"
      "        threading.Thread(target=lambda c=c: [c.send(d) for d in iter(lambda: c.recv(9), b'')], "
      "daemon=True).start()\n"
      "def open_to(address, port):\n"
      "    for wait in (1, 1, 1):\n"
      "        try: return socket.create_connection((address, port), timeout=wait)\n"
      "        except OSError: pass\n"
      "        if port == 80: return None\n"
      "def echoes(c):\n"
      "    c.settimeout(5); c.send(b'x'); return c.recv(9) == b'x'\n"
      "if sys.argv[1] == 'serve':\n"
      "    threading.Thread(target=serve, args=(80,), daemon=True).start(); serve(22)\n"
      "old = None\n"
      "while old is None: old = open_to('10.9.0.1', 80)\n"
      "assert echoes(old); open('ready', 'w')\n"
      "while not os.path.exists('locked'): time.sleep(0.05)\n"
      "print('established', echoes(old))\n"
      "for address in '10.9.0.1', 'fd00::1':\n"
      "    c = open_to(address, 22); print('ssh', bool(c and echoes(c))); print('web', bool(open_to(address, "
      "80)))\n"
      "ping = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); ping.settimeout(5)\n"
      "ping.sendto(struct.pack('!BBHHH', 8, 0, 0xf7fd, 1, 1), ('10.9.0.1', 0)); print('ping', "
      "ping.recv(99)[20] == 0)\n"
      "END\n"
      // What no rule asked about before is not known as established.
      "iptables -A INPUT -m conntrack --ctstate INVALID -j DROP; "
      "unshare -n sleep 60 & peer=$!; p() { nsenter -t $peer -n \"$@\"; }; sleep 0.2; ip link set lo up; "
      "ip link add v0 type veth peer name v1 netns $peer; ip addr add 10.9.0.1/24 dev v0; "
      "ip addr add fd00::1/64 dev v0 nodad; ip link set v0 up; p ip addr add 10.9.0.2/24 dev v1; "
      "p ip addr add fd00::2/64 dev v1 nodad; p ip link set v1 up; python3 packets.py serve & server=$!; "
      "p python3 packets.py ask >answers & asks=$!; while ! test -e ready; do sleep 0.05; done; "
      "rewall template render lockdown >lockdown; iptables-restore <lockdown; ip6tables-restore <lockdown; "
      "touch locked; wait $asks; "
      "kill $server $peer; cat answers");
  CHECK(said == "established True\nssh True\nweb False\nssh True\nweb False\nping True\n");
}
