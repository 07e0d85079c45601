"""Runs a program on a pseudo-terminal: `terminal.py COLUMNS ROWS PROGRAM [ARGUMENTS]`.

Prints what the terminal got, and ends with the program's exit code. Each line of the own stdin is
typed when the program waits at the prompt `headcount> `, then \\q.
"""

import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PROMPT = b"headcount> "
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\r")
SECONDS = 120
# A program that has been silent for so long at its prompt waits for input.
SILENCE = 0.15

columns, rows, *command = sys.argv[1:]
to_type = [] if sys.stdin.isatty() else sys.stdin.buffer.read().splitlines()

child, terminal = pty.fork()
if child == 0:
    # Until the size is set, the program waits.
    os.read(0, 1)
    os.execvp(command[0], command)

fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
os.write(terminal, b"\n")
output, unanswered = b"", b""
end = time.monotonic() + SECONDS
while True:
    if time.monotonic() > end:
        os.kill(child, 9)
        sys.exit(f"the program did not end within {SECONDS} seconds:\n{output.decode()}")
    if not select.select([terminal], [], [], SILENCE)[0]:
        if ESCAPES.sub(b"", unanswered).endswith(PROMPT):
            unanswered = b""
            os.write(terminal, (to_type.pop(0) if to_type else b"\\q") + b"\r")
        continue
    try:
        more = os.read(terminal, 1 << 16)
    except OSError:
        break
    if not more:
        break
    output += more
    unanswered += more

# The first line is the echo of the one that started the program.
text = output.replace(b"\r\n", b"\n").removeprefix(b"\n")
sys.stdout.buffer.write(text)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
