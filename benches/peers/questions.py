"""The questions, and the ways in which each engine answers them best.

Every way is a line of the table. What is "best" was tried: the engines read the same files, but
they differ in what they like.

* The time column has a zone (UTC). DuckDB and DataFusion truncate such times an order slower than
  times without, so both get the zone taken off first, which costs nothing.
* ClickHouse is told the columns' types: not nullable, and 32 bits for ids that fit. Reading names
  as LowCardinality takes it more time here, not less.
* Random ids fill 63 bits: groupBitmap takes them as UInt64, and it takes no text at all. Texts
  that are UUIDs become 16 bytes in ways of their own.
"""

from typing import NamedTuple

STAGES = ["manage", "plan", "create", "verify", "package", "release", "configure", "monitor",
          "secure", "govern"]


class Way(NamedTuple):
    """One engine's way to one answer."""

    engine: str
    name: str
    # An SQL expression with {stage} where one count per stage is asked for, a method of Polars, or
    # the arguments of `headcount report`.
    count: str
    # exact, approximate (then with its stated standard error) or sum
    kind: str = "exact"
    error: float = 0.0
    # The largest error that is stated for sets below 10,000, where that is worse.
    small_error: float = 0.0

    @property
    def label(self):
        return f"{self.engine} {self.name}"


class Question(NamedTuple):
    """What is asked, of which data set, and by whom. Every question is asked by month."""

    says: str
    ids: str
    keys: list
    ways: list
    # The level of the generator's truth that holds the answer.
    level: str | None
    each_stage: bool = False

    @property
    def values(self):
        if self.each_stage:
            return ["events", *(f"users_{stage}" for stage in STAGES)]
        return ["users"]


def report(arguments, kind="exact", error=0.0):
    return Way("headcount", "report", arguments, kind, error)


SQL = Way("headcount", "sql", "COUNT(DISTINCT user_id)")
UNIQ_EXACT = Way("clickhouse", "uniqExact", "uniqExact(user_id)")
GROUP_BITMAP = Way("clickhouse", "groupBitmap", "groupBitmap(user_id)")
DUCKDB = Way("duckdb", "COUNT(DISTINCT)", "count(DISTINCT user_id)")
POLARS = Way("polars", "n_unique", "n_unique")
DATAFUSION = Way("datafusion", "COUNT(DISTINCT)", "count(DISTINCT user_id)")
EXACT = [UNIQ_EXACT, GROUP_BITMAP, DUCKDB, POLARS, DATAFUSION]

# Stated errors: the documentation where it has one, else 1.04 / sqrt(registers) with the registers
# of the source (DuckDB 2.0: 2^10, Polars' streaming engine: 2^8, DataFusion: 2^14).
APPROXIMATE = [
    Way("clickhouse", "uniqCombined64", "uniqCombined64(user_id)", "approximate", 0.0029),
    Way("clickhouse", "uniqHLL12", "uniqHLL12(user_id)", "approximate", 0.0163, 0.1),
    Way("duckdb", "approx_count_distinct", "approx_count_distinct(user_id)", "approximate", 0.0325),
    Way("polars", "approx_n_unique", "approx_n_unique", "approximate", 0.065),
    Way("datafusion", "approx_distinct", "approx_distinct(user_id)", "approximate", 0.0081),
]
HLL_14 = 0.0081

QUESTIONS = {
    "smau": Question(
        "exact users by month and stage, dense integer ids",
        "dense", ["stage"], [SQL, report("--level stage"), *EXACT], "stage"),
    "floor": Question(
        "the same exact answer beside a mere sum(user_id) by month and stage",
        "dense", ["stage"],
        [SQL, SQL._replace(name="sql sum", count="sum(user_id)", kind="sum"),
         *(Way(engine, "sum", "sum(user_id)", "sum")
           for engine in ["clickhouse", "duckdb", "datafusion"]),
         Way("polars", "sum", "sum", "sum")],
        "stage"),
    "mau": Question(
        "exact users by month",
        "dense", [], [SQL, report("--level total"), *EXACT], "total"),
    "amau": Question(
        "exact users by month and event (720 groups)",
        "dense", ["event"], [SQL, report("--level action"), *EXACT], "action"),
    "smau64": Question(
        "exact users by month and stage, random 64-bit ids",
        "random64", ["stage"], [SQL, report("--level stage"), *EXACT], "stage"),
    "smau-uuid": Question(
        "exact users by month and stage, UUIDs as text",
        "uuid", ["stage"],
        [SQL, report("--level stage"), UNIQ_EXACT,
         Way("clickhouse", "uniqExact(toUUID)", "uniqExact(toUUID(user_id))"),
         DUCKDB,
         Way("duckdb", "COUNT(DISTINCT ::UUID)", "count(DISTINCT user_id::UUID)"),
         POLARS, DATAFUSION],
        "stage"),
    "filter": Question(
        "count(*) and ten COUNT(DISTINCT) FILTER (WHERE stage = ...), by month",
        "dense", [],
        [SQL._replace(count="COUNT(DISTINCT user_id) FILTER (WHERE stage = '{stage}')"),
         Way("clickhouse", "uniqExactIf", "uniqExactIf(user_id, stage = '{stage}')"),
         Way("clickhouse", "groupBitmapIf", "groupBitmapIf(user_id, stage = '{stage}')"),
         DUCKDB._replace(count="count(DISTINCT user_id) FILTER (WHERE stage = '{stage}')"),
         POLARS,
         DATAFUSION._replace(count="count(DISTINCT user_id) FILTER (WHERE stage = '{stage}')")],
        "stage", each_stage=True),
    "approx": Question(
        "approximate users by month and stage, beside Headcount's exact answer",
        "dense", ["stage"],
        [Way("headcount", "sql", "approx_count_distinct(user_id, 14)", "approximate", HLL_14),
         SQL._replace(name="sql exact"),
         report("--level stage --approx 14", "approximate", HLL_14),
         *APPROXIMATE],
        "stage"),
    # No report: it would keep 60 events apart in each of 1.2 million groups.
    "namespace": Question(
        "exact users by month and namespace (1.2 million groups with 100 M events), random 64-bit "
        "ids",
        "random64", ["namespace"], [SQL, *EXACT], None),
}

MONTH = {
    "headcount": "date_trunc('month', ts)",
    "clickhouse": "toStartOfMonth(ts)",
    "duckdb": "date_trunc('month', make_timestamp(epoch_us(ts)))",
    "datafusion": "date_trunc('month', arrow_cast(ts, 'Timestamp(us)'))",
}
CLICKHOUSE_USERS = {"dense": "UInt32", "random64": "UInt64", "uuid": "String"}


def clickhouse_files(files, ids):
    """Event files as a table of ClickHouse, with types instead of guesses."""
    columns = (f"ts DateTime64(6, \\'UTC\\'), user_id {CLICKHOUSE_USERS[ids]}, event String, "
               "stage String, plan String, namespace Int64")
    return f"file('{files}', Parquet, '{columns}')"


def sql(question, way, source):
    """The question in the engine's SQL."""
    if question.each_stage:
        counts = [way.count.format(stage=stage) for stage in STAGES]
        counts = ["count(*)", *counts]
    else:
        counts = [way.count]
    columns = [f"{MONTH[way.engine]} AS month", *question.keys]
    columns += [f"{count} AS {name}" for count, name in zip(counts, question.values)]
    places = ", ".join(str(place + 1) for place in range(1 + len(question.keys)))
    return f"SELECT {', '.join(columns)} FROM {source} GROUP BY {places}"
