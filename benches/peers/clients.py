#!/usr/bin/env python3
"""Many analysts at once: clients of PostgreSQL's protocol on one `headcount serve`.

    python3 benches/peers/clients.py [--clients 32] [--seconds 120] [--work DIR] [--program FILE]

Generates events, rolls them up, starts the server on this machine, and lets the clients ask the
monthly questions of a report, each as fast as it is answered. Every answer is compared with the
first one to the same question. One more client runs a query that never ends, which the time limit
has to stop. Printed are answers, errors, the median and the 95th percentile of the time to an
answer by question, and the memory of the server. It shows many clients on few processors; it
does not show a network.
"""

import argparse
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict

from harness import add_options, data_of, environment_of, markdown, program_of

QUESTIONS = {
    "mau": "SELECT period_start, users FROM mau ORDER BY 1",
    "smau": "SELECT period_start, stage, users FROM smau ORDER BY 1, 2",
    "one stage": "SELECT period_start, users FROM smau WHERE stage = 'plan' ORDER BY 1",
    "all levels of a month": "SELECT level, stage, \"group\", metric, users FROM xmau "
                             "WHERE period_start = DATE '2025-06-01' ORDER BY 1, 2, 3, 4",
    "by plan": "SELECT period_start, plan, users FROM active_users(level => 'total', "
               "by => 'plan') ORDER BY 1, 2",
    "trailing month": "SELECT period_end, users FROM active_users('trailing_28d', level => 'total', "
                      "\"from\" => '2025-06-01', \"to\" => '2025-06-30') ORDER BY 1",
    "dictionary": "SELECT stage, count(*) FROM metrics GROUP BY 1 ORDER BY 1",
}
RUNAWAY = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"
LIMIT_SECONDS = 20


class Server:
    """`headcount serve` on a free port."""

    def __init__(self, options, project):
        command = [options.program, "serve", "--project", project, "--postgres", "127.0.0.1:0",
                   "--time-limit", f"{LIMIT_SECONDS}s", "--log-level", "warn"]
        self.process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"listening: postgres on 127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                break
        else:
            sys.exit("the server does not start")
        # The log is read and dropped, because a full pipe would block the server.
        threading.Thread(target=lambda: list(self.process.stderr), daemon=True).start()

    def peak_mb(self):
        text = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) * 1024 / 1e6

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)


def client(psycopg, port, seed, until, times, errors, first):
    chance = random.Random(seed)
    try:
        with psycopg.connect(host="127.0.0.1", port=port, user=f"client{seed}", dbname="headcount",
                             autocommit=True) as connection:
            while time.monotonic() < until:
                name = chance.choice(list(QUESTIONS))
                begun = time.monotonic()
                rows = connection.execute(QUESTIONS[name]).fetchall()
                times[name].append(time.monotonic() - begun)
                if not rows or first.setdefault(name, rows) != rows:
                    errors.append(f"{name}: the answer differs from the first one")
    except Exception as error:  # every failure of a client is reported
        errors.append(f"client {seed}: {error}")


def runaway(psycopg, port, until, stopped, errors):
    while time.monotonic() < until - LIMIT_SECONDS - 5:
        begun = time.monotonic()
        try:
            with psycopg.connect(host="127.0.0.1", port=port, user="runaway", dbname="headcount",
                                 autocommit=True) as connection:
                connection.execute(RUNAWAY).fetchall()
            errors.append("the runaway query was answered")
        except psycopg.errors.QueryCanceled:
            stopped.append(time.monotonic() - begun)
        except Exception as error:  # any other end is not the one that was asked for
            errors.append(f"runaway: {error}")


def run(options):
    import psycopg

    project = data_of(options, "dense").resolve()
    subprocess.run([options.program, "ingest", "--project", project], check=True)
    server = Server(options, project)
    until = time.monotonic() + options.seconds
    times, errors, first, stopped = defaultdict(list), [], {}, []
    threads = [threading.Thread(target=client, args=(psycopg, server.port, seed, until, times,
                                                     errors, first))
               for seed in range(options.clients)]
    threads.append(threading.Thread(target=runaway, args=(psycopg, server.port, until, stopped,
                                                          errors)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    peak = server.peak_mb()
    code = server.stop()
    if code != 0:
        errors.append(f"the server ended with code {code}")
    rows = []
    for name in QUESTIONS:
        took = sorted(times[name])
        rows.append({"question": name, "answers": len(took),
                     "p50_s": f"{statistics.median(took):.3f}" if took else "",
                     "p95_s": f"{took[int(len(took) * 0.95)]:.3f}" if took else ""})
    answers = sum(len(took) for took in times.values())
    print(markdown(rows))
    print(f"{options.clients} clients, {options.seconds} s, {options.events:,} events rolled up: "
          f"{answers} answers, {len(errors)} errors; peak memory of the server {peak:.0f} MB; "
          f"runaway queries stopped after {', '.join(f'{seconds:.1f} s' for seconds in stopped)}.")
    for error in errors[:10]:
        print(f"error: {error}", file=sys.stderr)
    sys.exit(1 if errors or not stopped else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.program = program_of(options)
    python = environment_of(options.work)
    if sys.prefix != str(python.parent.parent):
        # The driver is in the environment, and this is not: once more from there.
        sys.exit(subprocess.run([python, __file__, *sys.argv[1:]]).returncode)
    run(options)


if __name__ == "__main__":
    main()
