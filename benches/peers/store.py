#!/usr/bin/env python3
"""Headcount's roll-up store and ClickHouse's, the same grain, the same events, in the same run.

    python3 benches/peers/store.py [--work DIR] [--program FILE] [--repeats 5] [--targets]

The peer is embedded ClickHouse on disk: an AggregatingMergeTree of groupBitmap states by day, event
and plan, and one of the union of every month, which a materialised view keeps up to date, because
Headcount's store has such a table too. "clickhouse daily" is a store without the unions: it answers
users by month from the states of days. Measured are the ingest (dense ids; UUIDs for Headcount alone,
because groupBitmap takes no text), the size on disk, users by month and stage, by month, in the 28
days up to every day (stages and total), and one late file of 100,000 events with a report after it:
by month and stage, or by month. All in turns, each run a process of its own. Answers are checked
before times are shown: against the generator's truth, against DuckDB on the raw events, and against
each other.

Queries are shown without the start of their process: the median of an empty run is subtracted. For
Headcount that is `headcount --version`; for ClickHouse it is Python that loads chdb and opens the
store, so opening the store counts for Headcount and not for ClickHouse. Ingest and the late file
are shown whole. Late is two processes for Headcount (ingest, report) and one for ClickHouse.
Headcount's ingest waits until its files are on the disk (fsync); ClickHouse's does not. Writes
store.csv, store.md and store-runs.csv into DIR.
"""

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from harness import (HERE, add_options, circumstances, data_of, environment_of, generate, markdown,
                     measured, program_of, warm, write_csv)
from targets import compare, read_targets

LATE_EVENTS = 100_000
# Questions to the store, and how `headcount report` is asked.
QUERIES = {
    "store-smau": ["--window", "month", "--level", "stage"],
    "store-mau": ["--window", "month", "--level", "total"],
    "store-trailing": ["--window", "trailing_28d", "--level", "stage,total"],
}
# Projects of Headcount, and the ids of their events.
IDS = {"headcount-dense": "dense", "headcount-uuid": "uuid"}
# A late file, and the query after it.
LATE = {"late": "store-smau", "late-mau": "store-mau"}
# Headcount's store that is queried.
STORE = "headcount-dense"
# ClickHouse's stores, and how each is filled.
CLICKHOUSE = {
    "clickhouse": "ingest",
    "clickhouse daily": "ingest-daily",
    "clickhouse by file": "ingest-by-file",
}
# ClickHouse's stores that are asked. The one without unions of months is the same as the other but
# for questions by month, and for late files, which have to change the unions too.
ASKED = {
    "store-smau": ["clickhouse"],
    "store-mau": ["clickhouse", "clickhouse daily"],
    "store-trailing": ["clickhouse"],
    "late": ["clickhouse", "clickhouse daily"],
    "late-mau": ["clickhouse", "clickhouse daily"],
}
SAYS = {
    "ingest": "all events into an empty store; size of the store",
    "store-smau": "users by month and stage, process start excluded",
    "store-mau": "users by month, process start excluded",
    "store-trailing": "users in the 28 days up to every day, each stage and the total, process "
                      "start excluded",
    "late": f"a late file of {LATE_EVENTS:,} events and the report by month and stage after it",
    "late-mau": f"a late file of {LATE_EVENTS:,} events and the report by month after it",
}


class Bench:
    """The folders, and the runs so far."""

    def __init__(self, options):
        self.options = options
        self.python = environment_of(options.work)
        self.work = options.work / f"store-{options.events}-{options.users}-{options.months}"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.data = {"dense": data_of(options, "dense").resolve()}
        if "headcount" in options.engines:
            self.data["uuid"] = data_of(options, "uuid").resolve()
        self.runs, self.answers, self.wrong = [], {}, []

    def events(self, ids="dense"):
        return sorted((self.data[ids] / "events").glob("*.parquet"))

    def clickhouse(self, do, *files, store="clickhouse", out="clickhouse"):
        return [self.python, HERE / "ask_store.py", self.work, self.work / store,
                self.work / f"{out}.csv", self.options.threads, do, *files]

    def headcount(self, command, project, *arguments):
        return [self.options.program, command, "--project", self.work / project, *arguments]

    def unmeasured(self, do, *files, store="clickhouse", out="clickhouse"):
        command = self.clickhouse(do, *files, store=store, out=out)
        subprocess.run(list(map(str, command)), check=True)

    def run(self, question, line, command, out=None):
        """One measured run; a failure ends the comparison, for the runs after it need its store."""
        print(question, line, file=sys.stderr, flush=True)
        run = measured(self.options, command, str(self.work / (out or "out")))
        if run["failure"]:
            sys.exit(f"{line}, {question}: {run['failure']}")
        self.runs.append({"question": question, "line": line, **run})
        del self.runs[-1]["failure"]
        return run

    def median(self, question, line, key):
        values = [run[key] for run in self.runs
                  if run["question"] == question and run["line"] == line]
        return statistics.median(values) if values else None

    def check(self, question, line, answer, expected, source):
        """Notes what differs; `expected` may hold fewer days than the answer."""
        differ = [key for key in expected if answer.get(key) != expected[key]]
        if differ or not expected:
            first = f", the first at {min(differ)}" if differ else ""
            self.wrong.append(f"{question}, {line}: {len(differ)} of {len(expected)} numbers "
                              f"differ from {source}{first}")


def project(bench, name):
    """A project on the same event files, which has a store of its own."""
    ids = IDS[name]
    folder = bench.work / name
    (folder / "events").mkdir(parents=True)
    text = (bench.data[ids] / "headcount.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("store:")]
    lines.append("store: {path: store, dimensions: [plan]}")
    (folder / "headcount.yaml").write_text("\n".join(lines) + "\n")
    shutil.copytree(bench.data[ids] / "dictionary", folder / "dictionary")
    for path in bench.events(ids):
        link(path, folder / "events" / path.name)


def link(source, target):
    """The same file under another name; a copy where the file system wants one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def read_answer(path):
    """{(day, stage or nothing): users} from either side's CSV."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and "window" in rows[0]:
        trailing = rows[0]["window"].startswith("trailing")
        for row in rows:
            row["day"] = row["period_end" if trailing else "period_start"]
    return {(row["day"], row["stage"] or ""): int(row["users"])
            for row in rows if row["users"] != "0"}


def truth(data, level):
    with open(data / "truth/truth.csv", newline="") as file:
        return {(row["period_start"], row["key"]): int(row["users"])
                for row in csv.DictReader(file) if row["level"] == level and not row["plan"]}


def measure_ingest(bench, lines):
    for ids in bench.data:
        warm(bench.data[ids])
    for _ in range(bench.options.repeats):
        for line in lines:
            name = folder_of(line)
            shutil.rmtree(bench.work / name, ignore_errors=True)
            if line in CLICKHOUSE:
                do = CLICKHOUSE[line]
                bench.run("ingest", line, bench.clickhouse(do, *bench.events(), store=name))
            else:
                project(bench, name)
                bench.run("ingest", line, bench.headcount("ingest", name))


def folder_of(line):
    return line.replace(" ", "-")


def sizes(bench, lines):
    """Megabytes on disk: ClickHouse's active parts, every file of Headcount's store."""
    found = {}
    for line in lines:
        if line in CLICKHOUSE:
            # Parts of many INSERTs would still be merged in the background: no size to compare.
            if line != "clickhouse by file":
                bench.unmeasured("size", store=folder_of(line), out="size")
                with open(bench.work / "size.csv", newline="") as file:
                    found[line] = int(next(csv.DictReader(file))["bytes"]) / 1e6
        else:
            store = bench.work / folder_of(line) / "store"
            files = [path for path in store.rglob("*") if path.is_file()]
            found[line] = sum(path.stat().st_size for path in files) / 1e6
    return found


def measure_queries(bench, engines):
    for _ in range(bench.options.repeats):
        if "headcount" in engines:
            bench.run("empty", "headcount", [bench.options.program, "--version"])
        if "clickhouse" in engines:
            bench.run("empty", "clickhouse", bench.clickhouse("empty"))
        for question, arguments in QUERIES.items():
            for line in stores(engines):
                report = bench.headcount("report", STORE, "--format", "csv", *arguments)
                bench.run(question, line, report, f"{line}.csv")
                keep(bench, question, line)
            for line in peers(question, engines):
                bench.run(question, line, bench.clickhouse(clickhouse_query(question, line),
                                                           store=folder_of(line), out=line))
                keep(bench, question, line)


def stores(engines):
    return ["headcount"] if "headcount" in engines else []


def peers(question, engines):
    return ASKED[question] if "clickhouse" in engines else []


def clickhouse_query(question, line):
    name = question.removeprefix("store-")
    return f"{name}-daily" if (name, line) == ("mau", "clickhouse daily") else name


def keep(bench, question, line):
    """An answer, which must stay the same from run to run."""
    answer = read_answer(bench.work / f"{line}.csv")
    first = bench.answers.setdefault((question, line), answer)
    if answer != first:
        bench.wrong.append(f"{question}, {line}: not the answer of the run before")


def measure_late(bench, engines):
    late = bench.work / "late.parquet"
    for _ in range(bench.options.repeats):
        for line in stores(engines):
            copy = bench.work / "headcount-late"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(bench.work / STORE, copy, copy_function=link_events)
            link(late, copy / "events/late.parquet")
            first = bench.run("late", f"{line} ingest", bench.headcount("ingest", copy.name))
            for question, query in LATE.items():
                report = bench.headcount("report", copy.name, "--format", "csv", *QUERIES[query])
                second = bench.run(question, f"{line} report", report, f"{line}.csv")
                bench.runs.append({
                    "question": question, "line": line,
                    "seconds": first["seconds"] + second["seconds"],
                    "cpu_seconds": first["cpu_seconds"] + second["cpu_seconds"],
                    "peak_mb": max(first["peak_mb"], second["peak_mb"]),
                })
                keep(bench, question, line)
        for question, query in LATE.items():
            for line in peers(question, engines):
                copy = bench.work / "clickhouse-late"
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(bench.work / folder_of(line), copy, symlinks=True)
                do = f"late-{clickhouse_query(query, line)}"
                bench.run(question, line, bench.clickhouse(do, late, store=copy.name, out=line))
                keep(bench, question, line)


def link_events(source, target):
    """Copies the store, but not the events."""
    if Path(source).parent.name == "events":
        link(source, target)
    else:
        shutil.copy2(source, target)


def check_answers(bench):
    files = f"{bench.data['dense']}/events/*.parquet"
    bench.unmeasured("expect", files, bench.work / "late.parquet", out="expect")
    raw = "DuckDB on the raw events"
    expected = {
        "store-smau": (truth(bench.data["dense"], "stage"), "the truth"),
        "store-mau": (truth(bench.data["dense"], "total"), "the truth"),
        "store-trailing": (read_answer(bench.work / "expect.csv-trailing.csv"), raw),
        "late": (read_answer(bench.work / "expect.csv-late.csv"), raw),
        "late-mau": (read_answer(bench.work / "expect.csv-late-mau.csv"), raw),
    }
    first = {}
    for (question, line), answer in bench.answers.items():
        bench.check(question, line, answer, *expected[question])
        other, one = first.setdefault(question, (line, answer))
        if other != line:
            bench.check(question, other, one, answer, line)
            bench.check(question, line, answer, one, other)


def table(bench, question, lines, size):
    """One row for each line. Whole runs, and what is left without the start of the process."""
    rows = []
    for line in lines:
        seconds = bench.median(question, line, "seconds")
        start = bench.median("empty", line.split()[0], "seconds")
        start = start if question.startswith("store-") else 0.0
        best = min(run["seconds"] for run in bench.runs
                   if run["question"] == question and run["line"] == line)
        rows.append({
            "question": question, "line": line,
            "best_s": f"{max(best - start, 0.0):.3f}",
            "median_s": f"{max(seconds - start, 0.0):.3f}", "whole_s": f"{seconds:.3f}",
            "cpu_s": f"{bench.median(question, line, 'cpu_seconds'):.2f}",
            "peak_mb": f"{bench.median(question, line, 'peak_mb'):.0f}",
            "size_mb": f"{size[line]:.1f}" if question == "ingest" and line in size else "",
        })
    for row in rows:
        own = rows[0] if rows[0]["line"].startswith("headcount") else None
        for name, key in [("time_ratio", "median_s"), ("memory_ratio", "peak_mb")]:
            known = own and float(row[key]) > 0
            row[name] = f"{float(own[key]) / float(row[key]):.3f}" if known else ""
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--engines", nargs="+", default=["headcount", "clickhouse"],
                        choices=["headcount", "clickhouse"])
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.work = options.work.resolve()
    with_headcount = "headcount" in options.engines
    if with_headcount:
        options.program = program_of(options)
    bench = Bench(options)
    texts = ["# Headcount's store and ClickHouse's",
             *circumstances(options, bench.python, with_headcount)]
    late = bench.work / "late-events"
    generate(options, "dense", LATE_EVENTS, options.seed + 1, late)
    bench.unmeasured("prepare", f"{late}/events/*.parquet")

    lines = [name.replace("-", " ") for name in IDS] if with_headcount else []
    lines += CLICKHOUSE if "clickhouse" in options.engines else []
    measure_ingest(bench, lines)
    size = sizes(bench, lines)
    measure_queries(bench, options.engines)
    measure_late(bench, options.engines)
    write_csv(options.work / "store-runs.csv", bench.runs)
    check_answers(bench)
    if bench.wrong:
        sys.exit("Not every answer is right, so no times are shown.\n* " + "\n* ".join(bench.wrong))

    rows = table(bench, "ingest", lines, size)
    for question in ASKED:
        asked = stores(options.engines) + peers(question, options.engines)
        rows += table(bench, question, asked, size)
    for question, says in SAYS.items():
        shown = [{key: value for key, value in row.items() if key != "question"}
                 for row in rows if row["question"] == question]
        texts += [f"## {question}: {says}", markdown(shown)]
    for line in options.engines:
        start = bench.median("empty", line, "seconds")
        texts.append(f"Start of {line}'s process, subtracted from its queries: {start:.3f} s.")
    if with_headcount:
        peak = bench.median("ingest", "headcount uuid", "peak_mb")
        texts.append(f"Peak memory of the ingest of UUIDs: {peak * 1e6 / options.users:.0f} bytes "
                     "for each user.")
    texts.append("Ratios are the median of Headcount's first line divided by the line's: below 1 "
                 "Headcount is faster or smaller.")
    if options.targets:
        results = compare(read_targets(options.targets), rows)
        texts += ["## Asked and measured", markdown(results)]
    write_csv(options.work / "store.csv", rows)
    (options.work / "store.md").write_text("\n\n".join(texts) + "\n")
    print("\n\n".join(texts))


if __name__ == "__main__":
    main()
