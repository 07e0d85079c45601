"""Runs one command and records its time and memory. Not run by hand: harness.py starts it.

    measure.py RESULT OUT SECONDS MEGABYTES THREADS COMMAND...

Stdout of the command goes to the file OUT, stderr to OUT.log. A process of its own, because the
peak memory that the system notes for a new program begins with that of the program which started
it, and the harness holds answers in memory.
"""

import json
import os
import signal
import sys
import threading
import time

PAGE = os.sysconf("SC_PAGE_SIZE")


def start(command, out, threads):
    """Starts the command on as many processors as it may have threads."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(os.open(out, flags, 0o644), 1)
            os.dup2(os.open(out + ".log", flags, 0o644), 2)
            os.execvp(command[0], command)
        except OSError as error:
            os.write(2, f"{command[0]}: {error}\n".encode())
        os._exit(127)
    return pid


def watch(pid, begin, seconds, megabytes, ended, why):
    """Kills the process group when it takes too long or too much."""
    while not ended.wait(0.05):
        try:
            with open(f"/proc/{pid}/statm") as file:
                resident = int(file.read().split()[1]) * PAGE / 1e6
        except OSError:
            return
        if time.monotonic() - begin > seconds:
            why.append(f"stopped after {seconds:g} s")
        elif resident > megabytes:
            why.append(f"stopped above {megabytes:.0f} MB")
        if why:
            os.killpg(pid, signal.SIGKILL)
            return


def main():
    result, out, seconds, megabytes, threads, *command = sys.argv[1:]
    ended, why = threading.Event(), []
    begin = time.monotonic()
    pid = start(command, out, int(threads))
    limits = (pid, begin, float(seconds), float(megabytes), ended, why)
    watcher = threading.Thread(target=watch, args=limits)
    watcher.start()
    _, status, usage = os.wait4(pid, 0)
    taken = time.monotonic() - begin
    ended.set()
    watcher.join()
    if status != 0 and not why:
        code = os.waitstatus_to_exitcode(status)
        why.append(f"killed by signal {-code}" if code < 0 else f"exit code {code}")
    with open(result, "w") as file:
        json.dump({
            "seconds": taken,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_mb": usage.ru_maxrss * 1024 / 1e6,
            "failure": why[0] if why else "",
        }, file)


if __name__ == "__main__":
    main()
