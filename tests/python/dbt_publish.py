"""dbt_publish.py FOLDER REPORT...: a dbt project uses the publication FOLDER as a package.

Each REPORT is a CSV file of `headcount report` with the rows of one window. dbt must find these rows in its
model; MetricFlow must give their numbers, and no number that is not one of theirs. Prints how many
rows and queries were compared."""

import csv
import datetime
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import duckdb
import duckdb_extension_delta

os.environ.update(DBT_SEND_ANONYMOUS_USAGE_STATS="false", DO_NOT_TRACK="1")
from dbt.cli.main import dbtRunner
from dbt_metricflow.cli.cli_configuration import CLIConfiguration
from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

RENAMED = {"window": "window_name", "group": "group_name", "count": "count_type"}
FIXED = "window period_start period_end complete level section stage group metric method basis count \
users users_low users_high previous_users change_pct".split()
NODE = ["section", "stage", "group_name", "metric", "basis"]


def use_package(home, package):
    """Makes a dbt project that uses the package, and runs its models and tests."""
    version = duckdb.sql("SELECT library_version FROM pragma_version()").fetchone()[0]
    platform = duckdb.sql("PRAGMA platform").fetchone()[0]
    extension = Path(duckdb_extension_delta.__file__).parent / "extensions" / version
    folder = home / "extensions" / version / platform
    folder.mkdir(parents=True)
    shutil.copy(extension / "delta.duckdb_extension", folder)
    files = {
        "dbt_project.yml": "name: shop\nversion: 1.0.0\nconfig-version: 2\nprofile: shop\n",
        "packages.yml": f"packages:\n  - local: {package}\n",
        "profiles.yml": "shop:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n"
        f"      path: {home}/shop.duckdb\n"
        f"      config_options: {{extension_directory: {home}/extensions}}\n",
    }
    for name, text in files.items():
        (home / name).write_text(text, encoding="utf-8")
    for command in ["deps", "build"]:
        folders = ["--project-dir", str(home), "--profiles-dir", str(home)]
        done = dbtRunner().invoke(["--quiet", "--warn-error", command, *folders])
        if not done.success:
            sys.exit(f"dbt {command}: {done.exception or [run.message for run in done.result]}")


def text(value):
    """A value as the CSV file has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.strftime("%Y-%m-%d")
    if isinstance(value, (Decimal, float)) and value == int(value):
        value = int(value)
    return str(value)


def rows_of(table):
    return [dict(zip(table.column_names, map(text, row))) for row in table.rows]


def reported(file):
    """The rows of a report, by the names of the model."""
    with open(file, encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            line["change_pct"] = text(float(line["change_pct"])) if line["change_pct"] else ""
            yield {RENAMED.get(k, k) if k in FIXED else f"by_{k}": v for k, v in line.items()}


def same(found, expected, what):
    found, expected = ([sorted(row.items()) for row in rows] for rows in (found, expected))
    if sorted(found) != sorted(expected):
        missing = [row for row in expected if row not in found]
        more = [row for row in found if row not in expected]
        sys.exit(f"{what}: {len(missing)} rows are missing, such as {missing[:2]}, and {len(more)} are "
                 f"wrong, such as {more[:2]}")


class MetricFlow:
    def __init__(self, home):
        os.chdir(home)
        self.configuration = CLIConfiguration()
        self.configuration.setup(home, home, configure_file_logging=False)
        self.queries = 0

    def metric(self, name, by, where=()):
        """The values of a metric: rows with the columns of `by`, and `users`."""
        self.queries += 1
        entity = [column if column.startswith("metric_time") else f"headcount__{column}" for column in by]
        request = MetricFlowQueryRequest.create(
            metric_names=[name], group_by_names=entity, where_constraints=list(where)
        )
        found = rows_of(self.configuration.mf.query(request).result_df)
        names = {**dict(zip(entity, by)), name: "users"}
        return [{names[column]: value for column, value in row.items()} for row in found]


def newest(rows, period):
    """The rows of the newest period in each `period` of their days."""
    last = {}
    for row in rows:
        key = period(row["period_end"])
        last[key] = max(last.get(key, ""), row["period_end"])
    return [row for row in rows if row["period_end"] == last[period(row["period_end"])]]


def quarter(day):
    return f"{day[:4]}-{(int(day[5:7]) - 1) // 3 * 3 + 1:02}-01"


def check_metric(flow, name, rows, dimensions):
    """Compares a metric with the rows of a window and level."""
    # One value of everything: the published numbers.
    by = ["metric_time__day", *NODE, *dimensions]
    key = lambda row: {c: row["period_end" if c == "metric_time__day" else c] for c in by}
    same(flow.metric(name, by), [{**key(row), "users": row["users"]} for row in rows], name)

    # Without dimensions: the rows over all values. Without nodes: nothing, unless there is only one.
    everyone = [row for row in rows if not any(row[dimension] for dimension in dimensions)]
    for columns in (NODE, []):
        for grain, period in (("metric_time__quarter", quarter), (None, lambda _: "")):
            cells = defaultdict(list)
            for row in newest(everyone, period):
                time = {grain: period(row["period_end"])} if grain else {}
                cells[tuple({**time, **{c: row[c] for c in columns}}.items())].append(row["users"])
            expected = [
                {**dict(cell), "users": users[0] if len(users) == 1 else ""}
                for cell, users in cells.items()
            ]
            by = [grain, *columns] if grain else columns
            same(flow.metric(name, by), expected, f"{name} by {by}")

    # Several values of a dimension without the row over all of them: nothing.
    for dimension in dimensions:
        cells = defaultdict(list)
        others = [other for other in dimensions if other != dimension]
        for row in newest([row for row in rows if row[dimension]], lambda _: ""):
            if not any(row[other] for other in others):
                cells[tuple((c, row[c]) for c in NODE)].append(row["users"])
        expected = [
            {**dict(cell), "users": users[0] if len(users) == 1 else ""}
            for cell, users in cells.items()
        ]
        where = f"{{{{ Dimension('headcount__{dimension}') }}}} is not null"
        same(flow.metric(name, NODE, [where]), expected, f"{name} where {where}")


def main(package, files):
    rows = [row for file in files for row in reported(file)]
    dimensions = sorted({name for row in rows for name in row if name.startswith("by_")})
    # A window that does not know a dimension has the rows over all values.
    rows = [{**dict.fromkeys(dimensions, ""), **row} for row in rows]
    with tempfile.TemporaryDirectory() as home:
        home = Path(home).resolve()
        use_package(home, package)
        flow = MetricFlow(home)
        found = rows_of(flow.configuration.sql_client.query("SELECT * EXCLUDE (node, period_complete) FROM active_users"))
        same(found, rows, "the model")
        # In a report of pings, some rows come from events alone.
        window = lambda row: row["window_name"].replace("last_28d_of_month", "ping_28d")
        incomplete = {(window(row), row["period_end"]) for row in rows if row["complete"] != "true"}
        metrics = defaultdict(list)
        for row in rows:
            if (window(row), row["period_end"]) not in incomplete:
                metrics[f"{row['level']}_users_{window(row)}"].append(row)
        for name, own in sorted(metrics.items()):
            check_metric(flow, name, own, dimensions)
        print(f"{len(rows)} rows, {len(metrics)} metrics, {flow.queries} queries")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
