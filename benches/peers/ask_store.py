"""The roll-up in ClickHouse: an AggregatingMergeTree of groupBitmap states by day, event and plan,
in embedded ClickHouse on disk. Not run by hand: store.py starts it.

    ask_store.py WORK STORE OUT THREADS DO [FILES...]

DO is one of these; answers go into the file OUT as CSV, written by ClickHouse:

    empty                   open the store, ask nothing
    ingest                  one INSERT for all FILES, which also writes the union of every month
    ingest-daily            the same without unions of months
    ingest-by-file          an INSERT for each of FILES, with unions of months
    smau, trailing          answer from the states of days
    mau, mau-daily          answer from the unions of months, or from the states of days
    late-QUESTION           ingest FILES into the store as it is, then answer QUESTION
    size                    bytes on disk

`prepare` and `expect` are no part of what is measured: DuckDB makes one late file out of FILES and
the list of events and stages; and counts, from the raw events, what the stores should answer.
"""

import json
import sys
from pathlib import Path

from questions import MONTH, clickhouse_files

TABLE = """
CREATE TABLE IF NOT EXISTS rollup.activity (
    day Date, event LowCardinality(String), plan LowCardinality(String),
    users AggregateFunction(groupBitmap, UInt32)
) ENGINE = AggregatingMergeTree ORDER BY (day, event, plan)
"""
# As in Headcount's store: the union of every month, kept up to date by every INSERT.
MONTHS = """
CREATE TABLE IF NOT EXISTS rollup.months (
    month Date, users AggregateFunction(groupBitmap, UInt32)
) ENGINE = AggregatingMergeTree ORDER BY month
"""
TO_MONTHS = """
CREATE MATERIALIZED VIEW IF NOT EXISTS rollup.to_months TO rollup.months AS
SELECT toStartOfMonth(day) AS month, groupBitmapMergeState(users) AS users
FROM rollup.activity GROUP BY month
"""
INSERT = """
INSERT INTO rollup.activity
SELECT toDate(ts), event, plan, groupBitmapState(user_id) FROM {files} GROUP BY 1, 2, 3
SETTINGS max_threads = {threads}, max_insert_threads = {threads}
"""
# The stage is looked up in the query, as a definition that can change would be.
STAGED = "(SELECT day, transform(event, {events}, {stages}, '') AS stage, users " \
         "FROM rollup.activity)"
SMAU = "SELECT toStartOfMonth(day) AS day, stage, groupBitmapMerge(users) AS users FROM {staged} " \
       "GROUP BY 1, 2"
MAU = "SELECT month AS day, '' AS stage, groupBitmapMerge(users) AS users " \
      "FROM rollup.months GROUP BY 1, 2"
MAU_DAILY = "SELECT toStartOfMonth(day) AS day, '' AS stage, groupBitmapMerge(users) AS users " \
            "FROM rollup.activity GROUP BY 1, 2"
# First one set for each stage (and all of them) and day, then 28 of these for each answer. A window
# is faster here than sending every day's set to 28 groups. Every stage is used every day.
TRAILING = """
SELECT day, stage, groupBitmapMerge(state) OVER
    (PARTITION BY stage ORDER BY day RANGE BETWEEN 27 PRECEDING AND CURRENT ROW) AS users
FROM (SELECT day, stage, groupBitmapMergeState(users) AS state FROM {staged}
      GROUP BY GROUPING SETS ((day, stage), (day)))
"""
QUERIES = {"smau": SMAU, "mau": MAU, "mau-daily": MAU_DAILY, "trailing": TRAILING}


class Store:
    """The open store."""

    def __init__(self, work, folder, out, threads):
        from chdb import session
        self.session = session.Session(folder)
        self.work, self.out, self.threads = Path(work), out, threads

    def create(self, months):
        for text in ["CREATE DATABASE IF NOT EXISTS rollup", TABLE,
                     *([MONTHS, TO_MONTHS] if months else [])]:
            self.session.query(text)

    def ingest(self, files):
        insert = INSERT.format(files=clickhouse_files(files, "dense"), threads=self.threads)
        self.session.query(insert)

    def answer(self, name):
        names = json.loads((self.work / "stages.json").read_text())
        staged = STAGED.format(events=names["events"], stages=names["stages"])
        text = QUERIES[name].format(staged=staged)
        self.session.query(f"{text} INTO OUTFILE '{self.out}' TRUNCATE FORMAT CSVWithNames "
                           f"SETTINGS max_threads = {self.threads}")

    def size(self):
        parts = "SELECT sum(bytes_on_disk) AS bytes FROM system.parts "
        parts += "WHERE active AND database = 'rollup'"
        self.session.query(f"{parts} INTO OUTFILE '{self.out}' TRUNCATE FORMAT CSVWithNames")


def prepare(work, files):
    """One late file out of several, and the stage of every event."""
    import duckdb
    connection = duckdb.connect()
    connection.execute(f"COPY (SELECT * FROM '{files}' ORDER BY ts) TO '{work}/late.parquet' "
                       "(FORMAT parquet, COMPRESSION zstd)")
    rows = connection.execute(f"SELECT DISTINCT event, stage FROM '{files}' ORDER BY 1").fetchall()
    names = {"events": [event for event, _ in rows], "stages": [stage for _, stage in rows]}
    Path(work, "stages.json").write_text(json.dumps(names))


def expect(files, late, out, threads):
    """From raw events: the late answer, and of the trailing ones those at month ends, whose windows
    do not overlap."""
    import duckdb
    connection = duckdb.connect(config={"threads": threads, "temp_directory": f"{out}.spill"})
    day = "make_timestamp(epoch_us(ts))::DATE"
    texts = {
        "late": f"SELECT {MONTH['duckdb']}::DATE AS day, stage, count(DISTINCT user_id) AS users "
                f"FROM read_parquet(['{files}', '{late}']) GROUP BY 1, 2",
        "late-mau": f"SELECT {MONTH['duckdb']}::DATE AS day, '' AS stage, "
                    "count(DISTINCT user_id) AS users "
                    f"FROM read_parquet(['{files}', '{late}']) GROUP BY 1",
        "trailing": f"SELECT last_day({day}) AS day, coalesce(stage, '') AS stage, "
                    f"count(DISTINCT user_id) AS users FROM '{files}' "
                    f"WHERE {day} > last_day({day}) - 28 "
                    "GROUP BY GROUPING SETS ((1, stage), (1))",
    }
    for name, text in texts.items():
        connection.execute(f"COPY ({text}) TO '{out}-{name}.csv' (FORMAT csv, HEADER)")


def main():
    work, folder, out, threads, do, *files = sys.argv[1:]
    if do == "prepare":
        prepare(work, *files)
        return
    if do == "expect":
        expect(*files, out, int(threads))
        return
    store = Store(work, folder, out, int(threads))
    if do == "empty":
        store.session.query("SELECT 1")
    elif do == "size":
        store.size()
    elif do.startswith("ingest"):
        store.create(months=do != "ingest-daily")
        together = f"{files[0].rsplit('/', 1)[0]}/*.parquet"
        for part in files if do == "ingest-by-file" else [together]:
            store.ingest(part)
    elif do.startswith("late-"):
        store.ingest(*files)
        store.answer(do.removeprefix("late-"))
    else:
        store.answer(do)


if __name__ == "__main__":
    main()
