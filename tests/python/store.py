"""store.py STORE: what deltalake and pyroaring see in a store, or in an export of one: rows of
`activity`, users and events in them, and different people (shards hold different ones)."""

import sys
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet
from deltalake import DeltaTable
from pyroaring import BitMap


rows = []
# File by file, and without threads: those that scan a whole table are sometimes still running when
# the interpreter ends, and abort it.
folder = Path(sys.argv[1], "activity")
is_table = (folder / "_delta_log").is_dir()
for file in DeltaTable(str(folder)).file_uris() if is_table else sorted(folder.iterdir()):
    rows += pyarrow.parquet.ParquetFile(file).read(use_threads=False).to_pylist()
shards = defaultdict(BitMap)
for row in rows:
    users = BitMap.deserialize(row["users"])
    assert len(users) == row["user_count"], row
    shards[row["shard"]] |= users
events = sum(row["event_count"] for row in rows)
users = sum(row["user_count"] for row in rows)
print(f"{len(rows)},{users},{events},{sum(len(shard) for shard in shards.values())}")
