"""in_duckdb.py FILE: the answers of DuckDB. The file is JSON: statements that make tables, and
queries. Prints the rows of every query as a list of texts, as JSON."""

import json
import sys

import duckdb


def text(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6f}"
    return str(value)


with open(sys.argv[1], encoding="utf-8") as file:
    tables, queries = json.load(file)
database = duckdb.connect()
for table in tables:
    database.execute(table)
answers = []
for query in queries:
    try:
        rows = database.execute(query).fetchall()
    except duckdb.Error as cause:
        sys.exit(f"{query};\n{cause}")
    answers.append([[text(value) for value in row] for row in rows])
print(json.dumps(answers))
