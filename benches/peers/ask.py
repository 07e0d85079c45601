"""One engine answers one question, in a process of its own. Not run by hand: run.py starts it.

    ask.py QUESTION LABEL DATA OUT THREADS

Writes the answer as CSV with a header into the file OUT, by the engine's own writer, so that no
rows pass through Python. `ask.py --versions` prints the engines' versions as JSON; `ask.py --start
ENGINE` starts an engine and asks it for nothing but the number 1.
"""

import json
import sys

from questions import QUESTIONS, STAGES, clickhouse_files, sql


def ask_clickhouse(question, way, data, out, threads):
    import chdb
    text = sql(question, way, clickhouse_files(f"{data}/events/*.parquet", question.ids))
    chdb.query(f"{text} INTO OUTFILE '{out}' TRUNCATE FORMAT CSVWithNames "
               f"SETTINGS max_threads = {threads}")


def ask_duckdb(question, way, data, out, threads):
    import duckdb
    connection = duckdb.connect(config={"threads": threads, "temp_directory": f"{out}.spill"})
    connection.execute("SET preserve_insertion_order = false")
    text = sql(question, way, f"'{data}/events/*.parquet'")
    connection.execute(f"COPY ({text}) TO '{out}' (FORMAT csv, HEADER)")


def ask_datafusion(question, way, data, out, threads):
    from datafusion import SessionConfig, SessionContext
    context = SessionContext(SessionConfig().with_target_partitions(threads))
    context.register_parquet("events", f"{data}/events/")
    text = sql(question, way, "events")
    # One file, because the name has an ending.
    context.sql(f"COPY ({text}) TO '{out}' STORED AS CSV "
                "OPTIONS ('format.has_header' 'true')").collect()


def ask_polars(question, way, data, out, threads):
    import polars
    if polars.thread_pool_size() != threads:
        sys.exit(f"Polars has {polars.thread_pool_size()} threads, not {threads}")
    user = polars.col("user_id")
    if question.each_stage:
        counts = [getattr(user.filter(polars.col("stage") == stage), way.count)()
                  for stage in STAGES]
        counts = [polars.len(), *counts]
    else:
        counts = [getattr(user, way.count)()]
    events = polars.scan_parquet(f"{data}/events/*.parquet")
    month = polars.col("ts").dt.truncate("1mo").alias("month")
    named = [count.alias(name) for count, name in zip(counts, question.values)]
    events.group_by(month, *question.keys).agg(named).sink_csv(out, engine="streaming")


ENGINES = {
    "clickhouse": ask_clickhouse,
    "duckdb": ask_duckdb,
    "polars": ask_polars,
    "datafusion": ask_datafusion,
}


def start(engine):
    if engine == "clickhouse":
        import chdb
        chdb.query("SELECT 1")
    elif engine == "duckdb":
        import duckdb
        duckdb.connect().execute("SELECT 1").fetchall()
    elif engine == "datafusion":
        from datafusion import SessionContext
        SessionContext().sql("SELECT 1").collect()
    else:
        import polars
        polars.select(polars.lit(1))


def versions():
    from importlib.metadata import version
    import chdb
    clickhouse = chdb.query("SELECT version()", "TSVRaw").bytes().decode().strip()
    return {
        "clickhouse": f"{clickhouse} (chdb {version('chdb')})",
        **{engine: version(engine) for engine in ["duckdb", "polars", "datafusion"]},
    }


def main():
    if sys.argv[1:] == ["--versions"]:
        print(json.dumps(versions()))
        return
    if sys.argv[1] == "--start":
        start(sys.argv[2])
        return
    name, label, data, out, threads = sys.argv[1:]
    question = QUESTIONS[name]
    way = next(way for way in question.ways if way.label == label)
    ENGINES[way.engine](question, way, data, out, int(threads))


if __name__ == "__main__":
    main()
