"""ping_store.py STORE: who reported what and when, as DuckDB reads it from the Parquet files that deltalake lists for
the tables of pings."""

import sys
from pathlib import Path

import duckdb
from deltalake import DeltaTable


def files(table):
    return DeltaTable(str(Path(sys.argv[1], table))).file_uris()


SQL = """SELECT uuid, strftime(recorded_at AT TIME ZONE 'UTC', '%Y-%m-%d'), key_path, kind, value
         FROM read_parquet(?) AS values JOIN read_parquet(?) AS uploads USING (upload)
         WHERE key_path LIKE 'monthly.%' ORDER BY ALL"""
for row in duckdb.execute(SQL, [files("ping_values"), files("ping_uploads")]).fetchall():
    print(*row)
REFUSED = "SELECT reason, count(*) FROM read_parquet(?) WHERE reason IS NOT NULL GROUP BY ALL ORDER BY ALL"
for row in duckdb.execute(REFUSED, [files("ping_uploads")]).fetchall():
    print(*row)
