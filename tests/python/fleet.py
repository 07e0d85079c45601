"""fleet.py PROGRAM FOLDER: recorded and estimated numbers of a generated fleet, computed by DuckDB.

The files of pings, subscriptions and releases are read by DuckDB, and all numbers are computed in SQL. They
are compared row by row with those that PROGRAM prints. The definitions of metrics are read as the generator
writes them, one key on each line.
"""

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import duckdb

SAAS = "uuid = 'ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f' AND lower(hostname) = 'gitlab.com'"
DEDICATED_HOST = "coalesce(lower(hostname) LIKE '%.gitlab-dedicated.com', false)"

STEPS = ["""
-- Every upload with its time, and its document if that is JSON.
CREATE TABLE uploads AS
WITH documents AS (
    SELECT filename AS file, row_number() OVER () AS line, json AS document
    FROM read_ndjson_objects('{folder}/pings/*.ndjson', filename = true, ignore_errors = true)
    UNION ALL
    SELECT filename, 0, TRY_CAST(content AS JSON) FROM read_text('{folder}/pings/by-hand/*.json'))
SELECT *, coalesce(TRY_CAST(document->>'uploaded_at' AS TIMESTAMPTZ),
                   strptime(left(parse_filename(file), 16), '%Y%m%dT%H%M%SZ')::TIMESTAMPTZ) AS uploaded_at
FROM documents
""", """
-- Rules 2 and 3: the newest accepted upload of each ping.
CREATE TABLE pings AS
WITH accepted AS (
    SELECT document, file, line, uploaded_at, (document->>'uuid') AS uuid,
           nullif(document->>'hostname', '') AS hostname,
           TRY_CAST(document->>'recorded_at' AS TIMESTAMPTZ) AS recorded_at, (document->>'version') AS version,
           (document->>'edition') AS raw_edition, (document->>'license_subscription_id') AS subscription,
           TRY_CAST(document->>'license_user_count' AS BIGINT) AS licensed,
           (document->>'license_expires_at') AS expires, (document->'gitlab_dedicated') = 'true' AS says_dedicated
    FROM uploads
    WHERE json_type(document) = 'OBJECT' AND json_type(document, '$.uuid') = 'VARCHAR' AND uuid <> ''
      AND json_type(document, '$.recorded_at') = 'VARCHAR'
      AND regexp_full_match(document->>'recorded_at', '[0-9-]+T[0-9:.]+(Z|[+-][0-9:]+)')
      AND recorded_at IS NOT NULL AND coalesce(version, '') NOT LIKE '%VERSION%'
      AND recorded_at <= uploaded_at + INTERVAL 24 HOURS
    QUALIFY row_number() OVER (PARTITION BY uuid, hostname, recorded_at
                               ORDER BY uploaded_at DESC, file DESC, line DESC) = 1)
SELECT row_number() OVER () AS ping, *, date_trunc('month', recorded_at)::DATE AS month,
    -- Rule 7.
    if(raw_edition = 'CE', 'CE', 'EE') AS edition,
    CASE WHEN length(split_part(expires, '-', 1)) = 4 AND expires::DATE::TIMESTAMPTZ < recorded_at THEN 'Free'
         WHEN raw_edition IN ('CE', 'EE Free') THEN 'Free' WHEN raw_edition IN ('EE', 'EES') THEN 'Starter'
         WHEN raw_edition = 'EEP' THEN 'Premium' WHEN raw_edition = 'EEU' THEN 'Ultimate'
         ELSE 'Unknown' END AS tier,
    -- Rule 8.
    CASE WHEN {saas} THEN 'saas' WHEN coalesce(says_dedicated, false) OR {dedicated_host} THEN 'dedicated'
         ELSE 'self_managed' END AS deployment,
    {number} AS number, coalesce(version LIKE '%-pre', false) AS prerelease
FROM accepted
""", """
CREATE TABLE last_pings AS FROM pings
QUALIFY row_number() OVER (PARTITION BY uuid, hostname, month ORDER BY recorded_at DESC) = 1
""", """
-- Rule 5: what stands at the key paths of metrics.
CREATE TABLE ping_values AS
SELECT ping, unnest({key_paths}) AS key_path, unnest(document->{json_paths}) AS content FROM pings
""", """
CREATE TABLE numbers AS
SELECT last_pings.*, key_path, time_frame, TRY_CAST(content AS HUGEINT) AS number_sent
FROM ping_values JOIN last_pings USING (ping) JOIN metrics USING (key_path)
WHERE json_type(content) = 'UBIGINT' AND number_sent < 9223372036854775808
""", """
-- Rules 4 and 6.
CREATE TABLE recorded AS
WITH monthly AS (
    SELECT * EXCLUDE (number), CASE time_frame WHEN '28d' THEN number_sent WHEN 'all' THEN greatest(0, number_sent
        - lag(number_sent) OVER (PARTITION BY uuid, hostname, key_path ORDER BY month)) END AS number,
        time_frame = 'all' AND lag(number_sent) OVER (PARTITION BY uuid, hostname, key_path ORDER BY month)
            IS NULL AS is_first
    FROM numbers WHERE time_frame IN ('28d', 'all'))
SELECT month, key_path, edition, deployment, tier, time_frame,
       (month + INTERVAL 1 MONTH)::TIMESTAMPTZ <= (SELECT max(recorded_at) FROM pings) AS complete,
       count(*) AS installations, count(*) FILTER (number > 0) AS installations_active, sum(number) AS recorded
FROM monthly WHERE NOT is_first GROUP BY ALL
""", """
-- Rule 9.
CREATE TABLE windows AS
SELECT key_path, edition, prerelease, min(number) AS lowest, max(number) AS highest
FROM ping_values JOIN pings USING (ping)
WHERE content IS NOT NULL AND deployment <> 'saas' AND number IN (SELECT {release} FROM releases)
GROUP BY ALL
""", """
-- Rule 10: rows that count, the pings of each subscription, and the population.
CREATE TABLE billing AS
SELECT *, (month || '-01')::DATE AS day, status IN ('Active', 'active', 'Cancelled') AND NOT coalesce({saas}, false)
    AS counts, seats::BIGINT AS seat_count, row_number() OVER () AS row_number FROM subscriptions
""", """
CREATE TABLE links AS
SELECT DISTINCT subscription_id, day AS month, ping FROM billing JOIN last_pings
  ON counts AND day = last_pings.month AND billing.uuid = last_pings.uuid
  AND billing.hostname IS NOT DISTINCT FROM last_pings.hostname AND deployment <> 'saas'
UNION
SELECT subscription, month, ping FROM last_pings
WHERE subscription IS NOT NULL AND deployment <> 'saas'
""", """
CREATE TABLE population AS
WITH billed AS (
    SELECT subscription_id, day AS month, bool_or(counts) AS is_counted,
           max(coalesce(seat_count, 0)) FILTER (counts) AS seats,
           list(version) FILTER (counts AND version IS NOT NULL) AS versions,
           bool_or(counts AND {dedicated_host} AND NOT EXISTS (
               FROM last_pings WHERE last_pings.month = billing.day AND last_pings.uuid = billing.uuid
               AND last_pings.hostname IS NOT DISTINCT FROM billing.hostname)) AS is_dedicated
    FROM billing GROUP BY ALL),
pinged AS (
    SELECT subscription_id, links.month, max(licensed) AS seats, list(version) AS versions,
           bool_or(deployment = 'dedicated') AS is_dedicated
    FROM links JOIN last_pings USING (ping) GROUP BY ALL)
SELECT subscription_id, month, coalesce(billed.seats, pinged.seats, 0) AS seats,
       if(coalesce(billed.is_dedicated, false) OR coalesce(pinged.is_dedicated, false), 'dedicated', 'self_managed')
           AS deployment,
       coalesce(pinged.versions, billed.versions, []) AS versions
FROM billed FULL JOIN pinged USING (subscription_id, month) WHERE coalesce(is_counted, true)
""", """
-- Rule 11: for each subscription and key path, whether it satisfies the conditions.
CREATE TABLE able AS
SELECT DISTINCT subscription_id, month, key_path, windows.edition, 'version_check' AS condition
FROM (SELECT subscription_id, month, unnest(versions) AS version FROM population) JOIN windows
  ON {number} BETWEEN lowest AND highest AND (version LIKE '%-pre') = prerelease
UNION ALL
SELECT DISTINCT subscription_id, links.month, key_path, unnest(['CE', 'EE']), 'reported'
FROM links JOIN numbers USING (ping)
""", """
CREATE TABLE estimates AS
WITH sums AS (
    SELECT month, key_path, edition, deployment, sum(recorded) AS recorded
    FROM recorded WHERE complete GROUP BY ALL),
everyone AS (
    SELECT month, deployment, count(*)::HUGEINT AS subscriptions, sum(seats) AS seats FROM population GROUP BY ALL),
able_ones AS (
    SELECT month, deployment, key_path, edition, condition, count(*)::HUGEINT AS subscriptions, sum(seats) AS seats
    FROM able JOIN population USING (subscription_id, month) GROUP BY ALL),
shares AS (
    SELECT sums.*, condition, measure, CASE WHEN deployment <> 'saas' THEN coalesce(
               if(measure = 'seats', able_ones.seats, able_ones.subscriptions), 0) END AS numerator,
           CASE WHEN deployment <> 'saas' THEN coalesce(
               if(measure = 'seats', everyone.seats, everyone.subscriptions), 0) END AS denominator
    FROM sums CROSS JOIN unnest(['version_check', 'reported']) AS conditions(condition)
    CROSS JOIN unnest(['subscriptions', 'seats']) AS measures(measure)
    LEFT JOIN everyone USING (month, deployment)
    LEFT JOIN able_ones USING (month, deployment, key_path, edition, condition))
SELECT *, if(coalesce(numerator, 0) = 0, recorded, (2 * recorded * denominator + numerator) // (2 * numerator)) AS total
FROM shares
"""]

TABLES = {
    "recorded": ("month, key_path, edition, deployment, tier, time_frame, complete, installations, "
                 "installations_active, recorded", "ping_recorded"),
    "estimates": ("month, key_path, edition, deployment, condition, measure, numerator, denominator, recorded, "
                  "total - recorded AS estimated, total", "ping_estimates"),
}


def metrics(folder):
    """Key path and time frame of all metrics whose value is a number."""
    endings = {"7d": "_weekly", "28d": "_monthly", "all": ""}
    for path in sorted((folder / "dictionary/metrics").iterdir()):
        for definition in ("\n" + path.read_text()).split("\n- ")[1:]:
            value = dict(re.findall(r"^\s*(\w+): (.+)$", definition, re.MULTILINE))
            frames = re.findall(r"\w+", value["time_frame"])
            if value["value_type"] != "number":
                continue
            for frame in frames:
                ending = endings[frame] if value["time_frame"].startswith("[") else ""
                yield value["key_path"] + ending, frame


def compute(folder):
    """The tables of a fleet, in a database in memory."""
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    database.execute("CREATE TABLE metrics (key_path VARCHAR, time_frame VARCHAR)")
    known = list(metrics(folder))
    database.executemany("INSERT INTO metrics VALUES (?, ?)", known)
    for name in ["subscriptions", "releases"]:
        database.execute(f"CREATE TABLE {name} AS FROM read_csv('{folder}/{name}.csv', all_varchar = true)")
    key_paths = [key_path for key_path, _ in known]
    names = {
        "folder": folder,
        "saas": SAAS,
        "dedicated_host": DEDICATED_HOST,
        "number": number("version"),
        "release": number("major_minor"),
        "key_paths": str(key_paths),
        "json_paths": str(["$." + ".".join(f'"{key}"' for key in path.split(".")) for path in key_paths]),
    }
    for step in STEPS:
        for name, text in names.items():
            step = step.replace("{" + name + "}", str(text))
        database.execute(step)
    return database


def number(version):
    """SQL for major * 100 + minor."""
    part = f"TRY_CAST(regexp_extract({version}, '^([0-9]+)\\.([0-9]+)', %d) AS INTEGER)"
    return f"({part % 1} * 100 + {part % 2})"


def printed(program, folder, sql):
    """The rows that the program prints, as texts."""
    command = [program, "sql", "--project", folder, "--format", "csv", "-c", sql]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode not in (0, 3):
        sys.exit(ran.stderr)
    return list(csv.reader(io.StringIO(ran.stdout)))[1:]


def main():
    program, folder = sys.argv[1], Path(sys.argv[2])
    database = compute(folder)
    compared = 0
    for table, (columns, of_program) in TABLES.items():
        text = {True: "true", False: "false", None: ""}
        rows = database.execute(f"SELECT {columns} FROM {table}").fetchall()
        ours = sorted([text[v] if v is None or isinstance(v, bool) else str(v) for v in row] for row in rows)
        theirs = sorted(printed(program, folder, f"SELECT {columns} FROM {of_program}"))
        if ours != theirs:
            missing = [row for row in ours if row not in theirs]
            more = [row for row in theirs if row not in ours]
            sys.exit(f"{table}: DuckDB has {missing[:5]}, printed are {more[:5]}")
        compared += len(ours)
    print(f"{compared} rows agree")


main()
