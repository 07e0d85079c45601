"""The report over HTTP: `web.py ADDRESS LEVEL COLUMNS` prints its columns."""

import json
import sys
import urllib.request

address, level, columns = sys.argv[1:]
with urllib.request.urlopen(f"http://{address}/api/report?level={level}", timeout=60) as answer:
    rows = json.load(answer)
for row in rows:
    print(*(row[column] for column in columns.split(", ")), sep="|")
