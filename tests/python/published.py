"""published.py TABLE [FILE]: what readers find in a published table, a Parquet file or a Delta table: number
of rows, columns, and the sum of `users`. With FILE, reads it again and again until FILE exists, and
prints the number of reads and every different answer once."""

import sys
from pathlib import Path

import duckdb
from deltalake import DeltaTable


def read(path):
    files, columns = [path], None
    if not path.endswith(".parquet"):
        table = DeltaTable(path)
        files, columns = table.file_uris(), [field.name for field in table.schema().fields]
    rows = duckdb.from_parquet(files)
    if columns not in (None, rows.columns):
        sys.exit(f"the log has the columns {columns}, and the file {rows.columns}")
    count, users = rows.aggregate("count(*), sum(users)").fetchone()
    return f"{count} rows, {len(rows.columns)} columns, {users} users"


path = sys.argv[1]
if len(sys.argv) == 2:
    print(read(path))
else:
    found, reads = set(), 0
    while not Path(sys.argv[2]).exists():
        found.add(read(path))
        reads += 1
    print(reads, *sorted(found), sep="\n")
