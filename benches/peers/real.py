#!/usr/bin/env python3
"""Every number of Headcount's report on the real data set, compared with DuckDB's.

    python3 benches/peers/real.py [--work DIR]

Asks both for the users of every month, in total, by repository, by component and by both, with
their All rows, and stops at the first difference.
"""

import argparse
import csv
import io
import subprocess
import sys
from pathlib import Path

from harness import ROOT, environment_of, program_of

QUERY = """
SELECT date_trunc('month', occurred_at)::DATE, repository, component, count(DISTINCT author)
FROM '{data}/*.parquet' GROUP BY CUBE (repository, component), 1
"""


def ask_duckdb():
    import duckdb
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    writer = csv.writer(sys.stdout)
    data = ROOT / "datasets/contributions/data"
    writer.writerows(connection.execute(QUERY.format(data=data)).fetchall())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("/tmp/headcount-peers"))
    parser.add_argument("--program", type=Path, help="headcount, if it is not to be built")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    python = environment_of(options.work)
    rows = subprocess.run(
        [python, __file__, "--ask"], check=True, capture_output=True, text=True).stdout
    expected = {tuple(row[:3]): int(row[3]) for row in csv.reader(io.StringIO(rows))}

    report = subprocess.run(
        [program_of(options), "report", "--project", ROOT / "datasets/contributions",
         "--level", "total", "--by", "repository,component", "--format", "csv"],
        check=True, capture_output=True, text=True).stdout
    # Headcount also has rows without users, which show the change from the month before.
    answered = {
        (row["period_start"], row["repository"], row["component"]): int(row["users"])
        for row in csv.DictReader(io.StringIO(report)) if row["users"] != "0"
    }
    wrong = {key for key in expected.keys() | answered.keys()
             if expected.get(key) != answered.get(key)}
    for key in sorted(wrong)[:10]:
        print(key, "DuckDB:", expected.get(key), "Headcount:", answered.get(key))
    print(f"{len(expected)} numbers compared, {len(wrong)} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    ask_duckdb() if sys.argv[1:] == ["--ask"] else main()
