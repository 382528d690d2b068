#pragma once

namespace rewall {

// terminal.py COMMAND [WORDS ACTION]...: runs COMMAND on a terminal of its own, and does each action when its
// words stand there: `type:KEYS`, `answer:WORD` with Enter, and again while
// the terminal says that it was thrown away, `signal:NAME` to what COMMAND became, `run:SHELL LINE`, or
// `close`. Prints what the terminal showed; ends as COMMAND did, with 128 + N after signal N.
inline const char* const kTerminal = R"PY(
import os, pty, signal, subprocess, sys
command, talk = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0: os.execvp('/bin/bash', ['bash', '-c', command])
shown, at, again = b'', 0, b''
while terminal is not None:
    try: piece = os.read(terminal, 65536)
    except OSError: break
    if not piece: break
    shown += piece
    while again and b'thrown away: ' in shown[at:]:
        at += shown[at:].index(b'thrown away: ') + 13
        os.write(terminal, again)
    while talk and talk[0].encode() in shown[at:]:
        at += shown[at:].index(talk[0].encode()) + len(talk[0])
        what, _, rest = talk[1].partition(':')
        talk, again = talk[2:], b''
        if what == 'type': os.write(terminal, rest.encode())
        if what == 'answer':
            again = rest.encode() + b'\n'
            os.write(terminal, again)
        if what == 'signal': os.kill(pid, signal.Signals['SIG' + rest])
        if what == 'run': subprocess.run(['/bin/bash', '-c', rest], stdout=subprocess.DEVNULL)
        if what == 'close':
            os.close(terminal)
            terminal = None
            break
print(shown.decode(errors='replace').replace('\r\n', '\n'), end='')
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
if talk: sys.exit('never seen: ' + talk[0])
sys.exit(status if status >= 0 else 128 - status)
)PY";

}  // namespace rewall
