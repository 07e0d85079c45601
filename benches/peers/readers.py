#!/usr/bin/env python3
"""Reads the store of generated events with independent tools and checks its numbers.

The Delta log and the Parquet files are read by the `deltalake` package, the sets by `pyroaring`;
no code of Headcount is used. The results are compared with `truth/truth.csv`, which the generator
has counted.

    python3 -m venv .venv && .venv/bin/pip install -r benches/peers/requirements.txt
    .venv/bin/python benches/peers/readers.py
"""

import argparse
import csv
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from deltalake import DeltaTable
from pyroaring import BitMap

from harness import program_of


def program(path, *arguments):
    subprocess.run([path, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def dictionary(folder):
    """Events of each metric, and the stage of each event: {key: events}, {event: stage}."""
    metrics, stages = {}, defaultdict(set)
    for file in sorted((folder / "dictionary" / "metrics").glob("*.yml")):
        for text in re.split(r"(?m)^- ", file.read_text())[1:]:
            key = re.search(r"key_path: (\S+)", text).group(1)
            metrics[key] = set(re.findall(r"\{name: ([a-z_]+)", text))
            stages[key.split(".")[1]] |= metrics[key]
    return metrics, stages


def table(store, name, version=None):
    return DeltaTable(str(store / name), version=version)


def rows(delta):
    data = delta.to_pyarrow_table() if hasattr(delta, "to_pyarrow_table") else delta.to_arrow()
    return data.to_pylist()


def check(folder):
    store = folder / "store"
    activity = table(store, "activity")
    noted = {name: activity.transaction_version(f"headcount.{name}") or 0
             for name in ("users", "files", "months")}
    metrics, stages = dictionary(folder)
    sets = defaultdict(BitMap)  # (month, event, plan, shard)
    months, events = defaultdict(BitMap), 0
    for row in rows(activity):
        users = BitMap.deserialize(row["users"])
        assert len(users) == row["user_count"] <= row["event_count"], row
        assert all(user >> 20 == row["shard"] & 4095 for user in (users.min(), users.max())), row
        month = row["day"].replace(day=1).isoformat()
        sets[month, row["event"], row["plan"], row["shard"]] |= users
        months[month, row["shard"]] |= users
        events += row["event_count"]

    def count(month, names, plan):
        shards = defaultdict(BitMap)
        for (of, event, by, shard), users in sets.items():
            if of == month and (names is None or event in names) and (not plan or by == plan):
                shards[shard] |= users
        return sum(map(len, shards.values()))

    compared = 0
    with open(folder / "truth" / "truth.csv", newline="") as file:
        for row in csv.DictReader(file):
            names = {"total": None, "stage": stages.get(row["key"]),
                     "action": metrics.get(row["key"])}
            if row["level"] in names:
                counted = count(row["period_start"], names[row["level"]], row["plan"])
                assert counted == int(row["users"]), (row, counted)
                compared += 1
    told = defaultdict(BitMap)
    for row in rows(table(store, "months", noted["months"])):
        told[row["month"].isoformat(), row["shard"]] |= BitMap.deserialize(row["users"])
    assert told == months
    ledger = rows(table(store, "files", noted["files"]))
    assert sum(row["events"] for row in ledger) == events
    people = rows(table(store, "users", noted["users"]))
    numbers = {row["number"] for row in people}
    assert len(numbers) == len(people) == len({(row["scope"], row["kind"], row["key"]) for row in people})
    return compared, events, len(people)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, help="headcount, if it is not to be built")
    options = parser.parse_args()
    options.program = program_of(options)
    for ids in ("dense", "uuid"):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            program(options.program, "generate", "--events", 200_000, "--users", 20_000, "--months",
                    3, "--files-per-month", 2, "--ids", ids, "-o", folder, "--overwrite")
            files = sorted((folder / "events").iterdir())
            for file in (files[3:], files):
                program(options.program, "ingest", "--project", folder, *file)
            before = check(folder)
            program(options.program, "store", "compact", "--project", folder)
            assert check(folder) == before
            compared, events, people = before
            print(f"{ids}: {compared} numbers of {events} events are the true ones; {people} people"
                  " have numbers in the store", file=sys.stderr)


if __name__ == "__main__":
    main()
