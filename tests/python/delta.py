"""delta.py STORE: what DuckDB counts in the Parquet files that deltalake lists for a store: events
and their users, users of each month, and ingested files."""

import sys
from pathlib import Path

import duckdb
from deltalake import DeltaTable


def ask(table, columns):
    files = DeltaTable(str(Path(sys.argv[1], table))).file_uris()
    sql = f"SELECT {columns} FROM read_parquet(?) GROUP BY ALL ORDER BY ALL"
    for row in duckdb.execute(sql, [files]).fetchall():
        print(table, *row)


ask("activity", "event, plan, sum(event_count)::BIGINT, sum(user_count)::BIGINT")
ask("months", "month, sum(user_count)::BIGINT")
ask("files", "name, events, rejected, rejects")
