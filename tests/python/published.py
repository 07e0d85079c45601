"""published.py TABLE [FILE]: what readers find in a published table, a Parquet file or a Delta table: number
of rows, columns, and the sum of `users`. With FILE, reads it again and again until FILE exists, and
prints the number of reads and every different answer once."""

import sys
from pathlib import Path

import duckdb
import pyarrow.parquet
from deltalake import DeltaTable


def read(path):
    if path.endswith(".parquet"):
        # Opened once: DuckDB would open it twice in a query.
        rows = pyarrow.parquet.ParquetFile(path).read(use_threads=False)
        count, columns, users = len(rows), rows.column_names, sum(rows["users"].to_pylist())
    else:
        table = DeltaTable(path)
        rows = duckdb.from_parquet(table.file_uris())
        count, users = rows.aggregate("count(*), sum(users)").fetchone()
        columns = rows.columns
        if columns != [field.name for field in table.schema().fields]:
            sys.exit(f"the file has the columns {columns}, and the log {table.schema()}")
    return f"{count} rows, {len(columns)} columns, {users} users"


path = sys.argv[1]
if len(sys.argv) == 2:
    print(read(path))
else:
    found, reads = set(), 0
    while not Path(sys.argv[2]).exists():
        found.add(read(path))
        reads += 1
    print(reads, *sorted(found), sep="\n")
