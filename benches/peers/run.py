#!/usr/bin/env python3
"""Headcount and other engines, the same questions on the same files in the same run.

    python3 benches/peers/run.py [--events N] [--users N] [--work DIR] [--repeats 3] [--program FILE]

Makes a Python environment with the pinned engines of requirements.txt and a generated data set
(both kept in DIR for the next run), then runs every question on every engine in turns, each run a
process of its own with two threads. Answers are checked before times are shown: all engines must
agree with the truth that the generator wrote. Prints a table and writes it as CSV and Markdown
into DIR. It shows warm runs of whole processes (start, reading, counting); it does not show cold
disks, many threads, or several questions at once.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# A question, and how each engine is asked it best. {files} is the folder of the event files.
QUESTIONS = {
    "smau": {
        "sql": "SELECT date_trunc('month', ts) AS m, stage, count(DISTINCT user_id) AS users "
               "FROM events GROUP BY 1, 2",
        "headcount": ["--level", "stage"],
        "level": "stage",
    },
    "mau": {
        "sql": "SELECT date_trunc('month', ts) AS m, '' AS stage, count(DISTINCT user_id) AS users "
               "FROM events GROUP BY 1, 2",
        "headcount": ["--level", "total"],
        "level": "total",
    },
}


def ask_datafusion(question, data):
    from datafusion import SessionConfig, SessionContext
    context = SessionContext(SessionConfig().with_target_partitions(2))
    context.register_parquet("events", f"{data}/events/")
    rows = context.sql(question["sql"]).to_pylist()
    return {(str(r["m"])[:10], r["stage"]): r["users"] for r in rows}


def ask_duckdb(question, data):
    import duckdb
    connection = duckdb.connect(config={"threads": 2})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE VIEW events AS SELECT * FROM '{data}/events/*.parquet'")
    rows = connection.execute(question["sql"]).fetchall()
    return {(str(month)[:10], stage): users for month, stage, users in rows}


ENGINES = {"datafusion": ask_datafusion, "duckdb": ask_duckdb}


def truth(data, level):
    with open(f"{data}/truth/truth.csv", newline="") as file:
        return {
            (row["period_start"], row["key"]): int(row["users"])
            for row in csv.DictReader(file)
            if row["level"] == level and row["plan"] == ""
        }


def measured(command, environment):
    """Runs a command; returns its output, seconds and peak memory in MB."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return output, time.monotonic() - start, usage.ru_maxrss / 1000


def ask_headcount(program, question, data, environment):
    command = [program, "report", "--project", data, "--format", "json", *question["headcount"]]
    output, seconds, memory = measured(command, environment)
    answer = {(r["period_start"], r["stage"] or ""): r["users"] for r in json.loads(output)}
    return answer, seconds, memory


def ask_peer(python, engine, name, data, environment):
    command = [python, __file__, "--ask", engine, name, data]
    output, seconds, memory = measured(command, environment)
    answer = {tuple(key): users for key, users in json.loads(output)}
    return answer, seconds, memory


def environment_of(work):
    folder = work / "venv"
    wanted = (HERE / "requirements.txt").read_text()
    mark = folder / "installed.txt"
    if not mark.exists() or mark.read_text() != wanted:
        venv.create(folder, clear=True, with_pip=True)
        pip = [folder / "bin/pip", "install", "--quiet", "-r", HERE / "requirements.txt"]
        subprocess.run(pip, check=True)
        mark.write_text(wanted)
    return folder / "bin/python"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--users", type=int, default=5_000_000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--work", type=Path, default=Path("/tmp/headcount-peers"))
    parser.add_argument("--program", type=Path, help="headcount, if it is not to be built")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--questions", nargs="*", default=list(QUESTIONS))
    parser.add_argument("--engines", nargs="*", default=list(ENGINES))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    program = options.program
    if program is None:
        subprocess.run(["cargo", "build", "--release", "--workspace"], cwd=ROOT, check=True)
        target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
        program = Path(target) / "release/headcount"
    python = environment_of(options.work)
    data = options.work / f"events-{options.events}-{options.users}-{options.months}"
    if not (data / "headcount.yaml").exists():
        subprocess.run(
            [program, "generate", "--events", str(options.events), "--users", str(options.users),
             "--months", str(options.months), "-o", data], check=True)
    threads = {**os.environ, "RAYON_NUM_THREADS": "2"}

    rows = []
    for name in options.questions:
        question = QUESTIONS[name]
        expected = truth(data, question["level"])
        runs = {engine: [] for engine in ["headcount", *options.engines]}
        for _ in range(options.repeats):
            for engine in runs:
                if engine == "headcount":
                    run = ask_headcount(program, question, data, threads)
                else:
                    run = ask_peer(python, engine, name, data, threads)
                if run[0] != expected:
                    sys.exit(f"{engine} answers {name} wrongly; no times are shown")
                runs[engine].append(run[1:])
        own = [statistics.median(values) for values in zip(*runs["headcount"])]
        for engine, values in runs.items():
            seconds, memory = zip(*values)
            rows.append({
                "question": name, "engine": engine,
                "best_s": f"{min(seconds):.2f}", "median_s": f"{statistics.median(seconds):.2f}",
                "peak_mb": f"{statistics.median(memory):.0f}",
                "headcount_time_ratio": f"{own[0] / statistics.median(seconds):.3f}",
                "headcount_memory_ratio": f"{own[1] / statistics.median(memory):.3f}",
            })
            print(rows[-1], flush=True)
    with open(options.work / "peers.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with open(options.work / "peers.md", "w") as file:
        file.write("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]) + "\n")
        file.writelines("| " + " | ".join(row.values()) + " |\n" for row in rows)
    print((options.work / "peers.md").read_text())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        engine, name, data = sys.argv[2:]
        answer = ENGINES[engine](QUESTIONS[name], data)
        print(json.dumps([[key, users] for key, users in answer.items()]))
    else:
        main()
