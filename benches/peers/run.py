#!/usr/bin/env python3
"""Headcount and other engines, the same questions on the same files in the same run.

    python3 benches/peers/run.py [--questions smau mau ...] [--engines headcount duckdb ...]
                                 [--work DIR] [--program FILE] [--repeats 5] [--targets]

Makes a Python environment with the pinned engines of requirements.txt and generated data sets (both
kept in DIR for the next run), then runs every question in every engine's best ways, in turns, each
run a process of its own with two threads. Answers are checked before times are shown: exact ones
are equal to the generator's truth and to each other, row by row; approximate ones keep the error
that they state. Writes peers.csv, peers.md and all single runs (runs.csv) into DIR. It shows warm
runs of whole processes (start, reading, counting, writing the answer); it does not show cold disks,
many threads, or several questions at once.
"""

import argparse
import statistics
import sys
from pathlib import Path

from answers import Checker
from harness import (HERE, add_options, circumstances, data_of, environment_of, markdown, measured,
                     program_of, warm, write_csv)
from questions import QUESTIONS, sql
from targets import compare, read_targets

ENGINES = ["headcount", "clickhouse", "duckdb", "polars", "datafusion"]


def command(options, python, name, way, data, out):
    """The command that answers, and the file in which the answer will be."""
    question = QUESTIONS[name]
    if way.engine != "headcount":
        answer = f"{out}.csv"
        ask = [python, HERE / "ask.py", name, way.label, data, answer, options.threads]
        return ask, answer
    project = ["--project", data, "--format", "csv"]
    if way.name == "report":
        return [program_of(options), "report", "--no-store", *project, *way.count.split()], out
    # A store that another program of this folder left beside the data must not answer.
    text = f"SET headcount.rollup = false; {sql(question, way, 'events')}"
    return [program_of(options), "sql", *project, "--threads", options.threads, "-c", text], out


def ask_all(options, python, name, ways):
    """Runs all ways in turns. Returns every single run, and what is wrong by label."""
    question = QUESTIONS[name]
    data = data_of(options, question.ids).resolve()
    folder = options.work / "answers"
    folder.mkdir(exist_ok=True)
    checker = Checker(data, question)
    warm(data)
    runs, wrong = [], {}
    for repeat in range(1, options.repeats + 1):
        for place, way in enumerate(ways):
            if way.label in wrong:
                continue
            print(f"{name} {repeat}/{options.repeats} {way.label}", file=sys.stderr, flush=True)
            out = folder / f"{name}-{place}"
            ask, answer = command(options, python, name, way, data, str(out))
            Path(answer).unlink(missing_ok=True)
            run = measured(options, ask, str(out))
            if run["failure"]:
                wrong[way.label] = ("failed", run["failure"])
                continue
            verdict = checker.check(answer, way)
            if verdict.wrong:
                wrong[way.label] = ("wrong", verdict.wrong)
                continue
            runs.append({"question": name, "line": way.label, "repeat": repeat,
                         "seconds": run["seconds"], "cpu_seconds": run["cpu_seconds"],
                         "peak_mb": run["peak_mb"], "rms_error": verdict.rms,
                         "worst_error": verdict.worst})
    return runs, wrong


def measure_starts(options, python, engines):
    """The median time that each engine takes to start, which is part of all its runs."""
    starts = {engine: [] for engine in engines}
    for _ in range(options.repeats):
        for engine, runs in starts.items():
            command = ([program_of(options), "--version"] if engine == "headcount"
                       else [python, HERE / "ask.py", "--start", engine])
            run = measured(options, command, str(options.work / "start"))
            if run["failure"]:
                sys.exit(f"{engine} does not start: {run['failure']}")
            runs.append(run)
    return {engine: median(runs, "seconds") for engine, runs in starts.items()}


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def rows_of(name, ways, runs, wrong, starts):
    """The table of one question: a line for each way, ratios against the first of Headcount."""
    by_label = {way.label: [run for run in runs if run["line"] == way.label] for way in ways}
    own = next((by_label[way.label] for way in ways
                if way.engine == "headcount" and way.label not in wrong), None)
    rows = []
    for way in ways:
        row = {"question": name, "line": way.label, "kind": way.kind}
        mine = by_label[way.label]
        if way.label in wrong:
            row |= dict.fromkeys(["best_s", "median_s", "start_s", "cpu_s", "peak_mb",
                                  "time_ratio", "memory_ratio", "rms_error_pct"], "")
            rows.append(row | {"note": ": ".join(wrong[way.label])})
            continue
        row |= {
            "best_s": f"{min(run['seconds'] for run in mine):.2f}",
            "median_s": f"{median(mine, 'seconds'):.2f}",
            "start_s": f"{starts[way.engine]:.2f}",
            "cpu_s": f"{median(mine, 'cpu_seconds'):.2f}",
            "peak_mb": f"{median(mine, 'peak_mb'):.0f}",
            "time_ratio": ratio(own, mine, "seconds"),
            "memory_ratio": ratio(own, mine, "peak_mb"),
            "rms_error_pct": f"{100 * median(mine, 'rms_error'):.2f}" if way.error else "",
            "note": f"stated {100 * way.error:.2f} %" if way.error else "",
        }
        rows.append(row)
    return rows


def ratio(own, other, key):
    return f"{median(own, key) / median(other, key):.3f}" if own else ""


def chosen(question, engines):
    return [way for way in question.ways if way.engine in engines or way.label in engines]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument("--questions", nargs="+", default=list(QUESTIONS), choices=QUESTIONS)
    parser.add_argument("--engines", nargs="+", default=ENGINES,
                        help="engines, or single lines such as 'duckdb COUNT(DISTINCT)'")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    with_headcount = any(engine.startswith("headcount") for engine in options.engines)
    if with_headcount:
        options.program = program_of(options)
    python = environment_of(options.work)
    lines = circumstances(options, python, with_headcount)
    for ids in {QUESTIONS[name].ids for name in options.questions}:
        data_of(options, ids)

    engines = {way.engine for name in options.questions
               for way in chosen(QUESTIONS[name], options.engines)}
    starts = measure_starts(options, python, sorted(engines))
    rows, runs, bad = [], [], False
    texts = ["# Headcount and its peers", *lines]
    for name in options.questions:
        ways = chosen(QUESTIONS[name], options.engines)
        if not ways:
            continue
        new, wrong = ask_all(options, python, name, ways)
        bad |= bool(wrong)
        section = [f"## {name}: {QUESTIONS[name].says}"]
        if any(kind == "wrong" for kind, _ in wrong.values()):
            section += ["Not every answer is right, so no times are shown."]
            section += [f"* {label} {': '.join(why)}" for label, why in wrong.items()]
        else:
            runs += new
            table = rows_of(name, ways, new, wrong, starts)
            rows += table
            section.append(markdown([without(row, "question") for row in table]))
        texts += section
        print("\n\n".join(section), flush=True)
    texts.append("Ratios are Headcount's median (of its first line that answered) divided by the "
                 "line's: below 1 Headcount is faster or smaller.")
    if options.targets:
        results = compare(read_targets(options.targets), rows)
        if results:
            texts += ["## Asked and measured", markdown(results)]
            write_csv(options.work / "targets.csv", results)
            print(texts[-1])
    if rows:
        write_csv(options.work / "peers.csv", rows)
    if runs:
        write_csv(options.work / "runs.csv", runs)
    (options.work / "peers.md").write_text("\n\n".join(texts) + "\n")
    print(f"written: {options.work}/peers.md, peers.csv, runs.csv", file=sys.stderr)
    sys.exit(1 if bad else 0)


def without(row, key):
    return {name: value for name, value in row.items() if name != key}


if __name__ == "__main__":
    main()
