"""Run watch(1) on a pseudo terminal for a while and end it with Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import sys

pid, fd = pty.fork()
if pid == 0:
    os.execvp("watch", ["watch", "-n", "0.2", "-t", "echo watched"])
seen = b""
while seen.count(b"watched") < 1 and select.select([fd], [], [], 10)[0]:
    seen += os.read(fd, 4096)
os.write(fd, b"\x03")
try:
    while data := os.read(fd, 4096):
        seen += data
except OSError as error:
    print(error)
print(b"watched" in seen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
sys.stdout.flush()
