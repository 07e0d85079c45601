#!/usr/bin/env python3
"""Pings in Headcount's store, and flattened by DuckDB: the same files, in the same run.

    python3 benches/peers/pings.py [--work DIR] [--program FILE] [--repeats 3] [--targets]

The files are a generated fleet, which stays in DIR: by default 24 months of 1,700 installations, of which 1,000 send
weekly pings with about 1,300 keys, together 100,000 uploads and 4.4 GB of JSON. Measured are

* ingest: all files into an empty store by `headcount ingest`, and into a table (file, upload, uuid, hostname,
  recorded_at, key_path, value) of a DuckDB database on disk, which is given the key paths; with the size on disk;
* report: all months x stages x deployments, recorded and estimated, by `headcount report` from the store.

In turns, each run a process of its own. Before times are shown, all recorded numbers, estimates and rows of the
report are compared with those that the generator wrote, and the recorded numbers of 28 days also with those that
DuckDB computes from its table. Writes pings.csv, pings.md and pings-runs.csv into DIR.
"""

import argparse
import csv
import io
import os
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

from harness import (HERE, add_run_options, circumstances, environment_of, markdown, measured, program_of, warm,
                     write_csv)
from targets import compare, read_targets

REPORT = ["report", "--method", "indicator", "--by", "deployment", "--level", "stage", "--format", "csv"]
# Seconds that the report may take, as it was asked before it was measured.
REPORT_SECONDS = 1.0
MONTHLY = "usage_activity_by_stage_monthly."
# The key path of a stage's indicator ends so.
INDICATOR = ".users_active"
SEGMENT = ["month", "key_path", "edition", "deployment"]
VARIANT = [*SEGMENT, "condition", "measure"]


class Bench:
    """The folders, and the runs so far."""

    def __init__(self, options):
        self.options = options
        self.python = environment_of(options.work)
        self.fleet = fleet_of(options)
        self.work = options.work / "pings"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.runs = []

    def duckdb(self, do, out="duckdb"):
        return [self.python, HERE / "ask_pings.py", self.work / "duckdb.db", self.work / out,
                self.options.threads, do, self.fleet]

    def headcount(self, *arguments):
        return [self.options.program, "--project", self.fleet, *arguments]

    def run(self, question, line, command, out="out"):
        """One measured run; a failure ends the comparison."""
        print(question, line, file=sys.stderr, flush=True)
        run = measured(self.options, command, str(self.work / out))
        # Some uploads are refused.
        if run["failure"] and not (line == "headcount" and run["failure"].startswith("exit code 3")):
            sys.exit(f"{line}, {question}: {run['failure']}")
        self.runs.append({"question": question, "line": line, **run})
        del self.runs[-1]["failure"]

    def of(self, question, line, key):
        return [run[key] for run in self.runs if (run["question"], run["line"]) == (question, line)]


def fleet_of(options):
    """The folder of the generated fleet; made when it is not there, and kept."""
    name = f"fleet-{options.installations}-{options.months}-{options.keys}"
    folder = options.work / (name if options.seed == 1 else f"{name}-seed{options.seed}")
    if not (folder / "headcount.yaml").exists():
        subprocess.run(
            [options.program, "generate", "--installations", str(options.installations), "--months",
             str(options.months), "--keys", str(options.keys), "--seed", str(options.seed), "-o", folder],
            check=True)
    return folder.resolve()


def measure(bench):
    """All runs, and the size on disk of each side in megabytes."""
    store, database = bench.fleet / "store", bench.work / "duckdb.db"
    subprocess.run(list(map(str, bench.duckdb("keys"))), check=True)
    warm(bench.fleet / "pings")
    for _ in range(bench.options.repeats):
        shutil.rmtree(store, ignore_errors=True)
        bench.run("pings-ingest", "headcount", bench.headcount("ingest"))
        database.unlink(missing_ok=True)
        bench.run("pings-ingest", "duckdb json_extract", bench.duckdb("flatten"))
    for _ in range(bench.options.repeats):
        bench.run("pings-report", "headcount", bench.headcount(*REPORT), "report.csv")
    files = [path for path in store.rglob("*") if path.is_file()]
    return {"headcount": sum(path.stat().st_size for path in files) / 1e6,
            "duckdb json_extract": database.stat().st_size / 1e6}


def rows_of(text, keys, number):
    """The sums of a column by the texts of others."""
    sums = Counter()
    for row in csv.DictReader(io.StringIO(text)):
        sums[tuple(row[key] for key in keys)] += int(row[number])
    return sums


def check_answers(bench):
    """What differs from the numbers of the generator."""
    wrong = []

    def check(what, answer, expected):
        differ = [key for key in answer.keys() | expected.keys() if answer.get(key) != expected.get(key)]
        if differ or not expected:
            wrong.append(f"{what}: {len(differ)} of {len(expected)} numbers differ, the first at {sorted(differ)[:1]}")

    def truth(name, keys, number):
        return rows_of((bench.fleet / "truth" / name).read_text(), keys, number)

    def ask(sql):
        command = list(map(str, bench.headcount("sql", "--format", "csv", "-c", sql)))
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode not in (0, 3):
            sys.exit(ran.stderr)
        return ran.stdout

    recorded, totals = truth("recorded.csv", SEGMENT, "recorded"), truth("estimates.csv", VARIANT, "total")
    check("headcount, recorded", rows_of(ask("SELECT * FROM ping_recorded"), SEGMENT, "recorded"), recorded)
    check("headcount, estimated", rows_of(ask("SELECT * FROM ping_estimates"), VARIANT, "total"), totals)
    subprocess.run(list(map(str, bench.duckdb("recorded", "recorded.csv"))), check=True)
    monthly = {key: number for key, number in recorded.items() if key[1].startswith(MONTHLY)}
    check("duckdb, recorded", rows_of((bench.work / "recorded.csv").read_text(), SEGMENT, "recorded"), monthly)

    report = (bench.work / "report.csv").read_text()
    answers = {basis: Counter() for basis in ["recorded", "estimated"]}
    for row in csv.DictReader(io.StringIO(report)):
        if row["deployment"] and row["basis"] in answers:
            answers[row["basis"]][row["period_start"], row["stage"], row["deployment"]] += int(row["users"])
    expected = {basis: Counter() for basis in answers}
    for basis, numbers in [("recorded", recorded), ("estimated", totals)]:
        for (month, key_path, _, deployment, *variant), number in numbers.items():
            if key_path.startswith(MONTHLY) and key_path.endswith(INDICATOR) \
                    and variant in ([], ["version_check", "subscriptions"]):
                stage = key_path.removeprefix(MONTHLY).removesuffix(INDICATOR)
                expected[basis][month, stage, deployment] += number
        check(f"report, {basis}", +answers[basis], +expected[basis])
    return wrong


def table(bench, size):
    """One row for each question and line."""
    rows = []
    for question, line, kind in [("pings-ingest", "headcount", ""),
                                 ("pings-ingest", "duckdb json_extract", "exact"),
                                 ("pings-report", "headcount", "")]:
        seconds = bench.of(question, line, "seconds")
        ingest = question == "pings-ingest"
        rows.append({
            "question": question, "line": line, "kind": kind, "best_s": f"{min(seconds):.2f}",
            "median_s": f"{statistics.median(seconds):.2f}",
            "cpu_s": f"{statistics.median(bench.of(question, line, 'cpu_seconds')):.2f}",
            "peak_mb": f"{statistics.median(bench.of(question, line, 'peak_mb')):.0f}",
            "size_mb": f"{size[line]:.1f}" if ingest else "",
        })
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--installations", type=int, default=1_700)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--keys", type=int, default=1_300)
    add_run_options(parser)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.work = options.work.resolve()
    options.program = program_of(options)
    bench = Bench(options)
    uploads = rows_of((bench.fleet / "truth/uploads.csv").read_text(), [], "uploads")[()]
    size = sum(path.stat().st_size for path in (bench.fleet / "pings").rglob("*") if path.is_file())
    data = (f"{options.installations:,} installations, {options.months} months, {options.keys:,} keys: "
            f"{uploads:,} uploads, {size / 1e9:.2f} GB of JSON")
    texts = ["# Pings", *circumstances(options, bench.python, True, data)]
    rows = table(bench, measure(bench))
    write_csv(options.work / "pings-runs.csv", bench.runs)
    wrong = check_answers(bench)
    if wrong:
        sys.exit("Not every answer is right, so no times are shown.\n* " + "\n* ".join(wrong))
    texts.append(markdown(rows))
    if options.targets:
        results = compare(read_targets(options.targets), rows)
        texts += ["## Asked and measured", markdown(results)]
        report = float(rows[-1]["median_s"])
        texts.append(f"The report may take {REPORT_SECONDS:g} s: {'met' if report <= REPORT_SECONDS else 'missed'} "
                     f"with {report:.2f} s.")
    write_csv(options.work / "pings.csv", rows)
    (options.work / "pings.md").write_text("\n\n".join(texts) + "\n")
    print("\n\n".join(texts))


if __name__ == "__main__":
    main()
