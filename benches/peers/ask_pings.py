"""Pings in DuckDB. Not run by hand: pings.py starts it.

    ask_pings.py DATABASE OUT THREADS DO FOLDER

FOLDER is a generated fleet. DO is one of these:

    keys        find the key paths, for `flatten`; no part of what is measured
    flatten     read all documents into the table `flat` of a new database: file, upload, uuid, hostname,
                recorded_at, key_path, value
    recorded    recorded numbers of 28 days by month, key path, edition and deployment from `flat`, as CSV
                into OUT

Values are kept as JSON writes them: nothing is lost, and the table is smaller than with integers. Two other ways
were tried with a tenth of the pings. `json_tree`, which needs no key paths, wrote more than 20 GB of temporary files.
Nested structs of texts took a quarter longer, and cannot tell "12" from 12.
"""

import json
import sys
from pathlib import Path

import duckdb

# The files in which the key paths are found.
SAMPLES = (0, -30, -8, -4)
# One document on each line, or in each file.
FLATTEN = """
CREATE TABLE flat AS
SELECT file, upload, uuid, hostname, recorded_at, unnest({names}) AS key_path, unnest(contents)::VARCHAR AS value
FROM (SELECT file, row_number() OVER () AS upload, json->>'uuid' AS uuid, json->>'hostname' AS hostname,
             TRY_CAST(json->>'recorded_at' AS TIMESTAMPTZ) AS recorded_at, json_extract(json, {paths}) AS contents
      FROM (SELECT filename AS file, json
            FROM read_ndjson_objects('{folder}/pings/*.ndjson', filename = true, ignore_errors = true)
            UNION ALL
            SELECT filename, TRY_CAST(content AS JSON) FROM read_text('{folder}/pings/by-hand/*.json')))
"""
RECORDED = """
WITH fields AS (
    SELECT any_value(file) AS file, upload, any_value(uuid) AS uuid, any_value(hostname) AS hostname,
           any_value(recorded_at) AS recorded_at,
           any_value(value) FILTER (key_path = 'uuid') AS uuid_value,
           any_value(value) FILTER (key_path = 'recorded_at') AS recorded_value,
           any_value(value) FILTER (key_path = 'uploaded_at') AS uploaded_value,
           any_value(value) FILTER (key_path = 'version') AS version,
           any_value(value) FILTER (key_path = 'edition') AS edition,
           any_value(value) FILTER (key_path = 'gitlab_dedicated') AS dedicated
    FROM flat WHERE key_path IN ('uuid', 'recorded_at', 'uploaded_at', 'version', 'edition', 'gitlab_dedicated')
    GROUP BY upload),
accepted AS (
    SELECT *, coalesce(TRY_CAST(trim(uploaded_value, '"') AS TIMESTAMPTZ),
                       strptime(left(parse_filename(file), 16), '%Y%m%dT%H%M%SZ')::TIMESTAMPTZ) AS uploaded_at
    FROM fields
    WHERE length(uuid) > 10 AND length(trim(recorded_value, '"')) > 19 AND recorded_at IS NOT NULL
      AND coalesce(version, '') NOT LIKE '%VERSION%' AND recorded_at <= uploaded_at + INTERVAL 24 HOURS),
pings AS (
    FROM accepted QUALIFY row_number() OVER (PARTITION BY uuid, hostname, recorded_at
                                             ORDER BY uploaded_at DESC, file DESC, upload DESC) = 1),
last_pings AS (
    SELECT upload, date_trunc('month', recorded_at)::DATE AS month,
           if(coalesce(trim(edition, '"'), '') = 'CE', 'CE', 'EE') AS edition,
           CASE WHEN hostname = 'gitlab.com' THEN 'saas'
                WHEN coalesce(dedicated, '') = 'true' OR coalesce(hostname, '') LIKE '%.gitlab-dedicated.com'
                    THEN 'dedicated'
                ELSE 'self_managed' END AS deployment
    FROM pings
    QUALIFY row_number() OVER (PARTITION BY uuid, hostname, month ORDER BY recorded_at DESC) = 1)
SELECT month, key_path, edition, deployment, sum(TRY_CAST(value AS HUGEINT))::HUGEINT AS recorded
FROM flat JOIN last_pings USING (upload)
WHERE key_path LIKE 'usage\\_activity\\_by\\_stage\\_monthly.%' ESCAPE '\\' AND regexp_full_match(value, '[0-9]{1,18}')
GROUP BY ALL ORDER BY ALL
"""


def key_tree(folder):
    """The nested keys of the documents in some files; values that are no objects are None."""
    tree = {}
    files = sorted((folder / "pings").glob("*.ndjson"))
    for at in SAMPLES:
        for line in files[max(at, -len(files))].read_bytes().split(b"\n"):
            try:
                document = json.loads(line)
            except ValueError:
                continue
            if isinstance(document, dict):
                add(tree, document)
    return tree


def add(tree, document):
    for key, value in document.items():
        if isinstance(value, dict) and "-1" not in value:
            inner = tree.setdefault(key, {})
            if isinstance(inner, dict):
                add(inner, value)
        else:
            tree.setdefault(key, None)


def leaves(tree, above=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key)


def main():
    database, out, threads, do, folder = sys.argv[1:]
    folder = Path(folder)
    cache = Path(f"{database}.keys.json")
    if do == "keys":
        cache.write_text(json.dumps(list(leaves(key_tree(folder)))))
        return
    connection = duckdb.connect(database)
    connection.execute(f"SET threads = {threads}")
    connection.execute("SET TimeZone = 'UTC'")
    # Better an error than a full disk.
    connection.execute("SET max_temp_directory_size = '5GB'")
    if do == "recorded":
        connection.execute(f"COPY ({RECORDED}) TO '{out}' (HEADER)")
        return
    paths = json.loads(cache.read_text())
    connection.execute(FLATTEN.format(
        folder=folder,
        names=[".".join(path) for path in paths],
        paths=["$." + ".".join(f'"{key}"' for key in path) for path in paths]))
    connection.execute("CHECKPOINT")


if __name__ == "__main__":
    main()
