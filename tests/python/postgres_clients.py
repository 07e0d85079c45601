"""PostgreSQL's protocol with more drivers and tools, each as its users use it."""

import asyncio
import datetime
import importlib.metadata
import io
import json
import pathlib
import sys


def uri(address, database="headcount"):
    return f"postgresql://ada@{address}/{database}"


def asyncpg(address):
    import asyncpg

    async def main():
        pool = await asyncpg.create_pool(uri(address), min_size=1, max_size=2)
        async with pool.acquire() as connection:
            # The driver sends what the server says the types are, in binary.
            month = datetime.date(2026, 1, 1)
            assert await connection.fetchval("SELECT users FROM mau WHERE period_start = $1", month) == 2
            rows = await connection.fetch(
                "SELECT period_start, stage, users FROM active_users($1, level => $2) "
                "WHERE users >= $3 ORDER BY 1, 2 LIMIT $4",
                "month", "stage", 1, 2,
            )
            assert [tuple(row) for row in rows] == [(month, "reading", 2), (month, "writing", 1)], rows
            # The columns are known before `by` is, if they are named.
            rows = await connection.fetch(
                "SELECT plan, users FROM active_users('month', 'total', by => $1) WHERE period_start = $2 AND plan IS NOT NULL",
                "plan", month,
            )
            assert {row["plan"] for row in rows} == {"free", "paid"}, rows
            try:
                await connection.fetch("SELECT * FROM active_users('month', by => $1)", None)
                raise AssertionError("not refused")
            except asyncpg.FeatureNotSupportedError as error:
                assert "name the columns" in str(error), error
            some = "SELECT count(*) FROM visits WHERE user_id = any($1)"
            assert await connection.fetchval(some, ["1", "2"]) == 5
            numbers = "SELECT sum(value) FROM generate_series(1, $1::BIGINT) AS t(value) WHERE value <> all($2)"
            assert await connection.fetchval(numbers, 10, [1, 2]) == 52
            # Types of arrays are looked up in the catalog.
            assert await connection.fetchval("SELECT ARRAY[1, 2]::BIGINT[]") == [1, 2]
            async with connection.transaction():
                cursor = await connection.cursor("SELECT value FROM generate_series(1, 1000) AS t(value) ORDER BY 1")
                assert len(await cursor.fetch(10)) == 10
                assert (await cursor.fetchrow())["value"] == 11
            output = io.BytesIO()
            query = "SELECT plan, count(*) AS n FROM visits GROUP BY plan ORDER BY plan"
            status = await connection.copy_from_query(query, output=output, format="csv", header=True)
            assert (status, output.getvalue()) == ("COPY 2", b"plan,n\nfree,4\npaid,3\n"), output.getvalue()
            output = io.BytesIO()
            status = await connection.copy_from_query(
                "SELECT user_id FROM visits WHERE plan = $1", "paid", output=output
            )
            assert (status, len(output.getvalue().splitlines())) == ("COPY 3", 3)
            try:
                await connection.fetchval("SELECT nothing FROM visits")
            except asyncpg.UndefinedColumnError:
                pass
        # The pool resets the connection before it is used again.
        assert await pool.fetchval("SELECT 1") == 1
        await pool.close()

    asyncio.run(main())


def psycopg2(address):
    import psycopg2
    import psycopg2.extras

    with psycopg2.connect(uri(address)) as connection:
        with connection.cursor(cursor_factory=psycopg2.extras.DictCursor) as cursor:
            cursor.execute("SELECT period_start, users FROM mau WHERE users > %s ORDER BY 1", (1,))
            assert [tuple(row) for row in cursor] == [
                (datetime.date(2026, 1, 1), 2), (datetime.date(2026, 2, 1), 3),
            ]
            cursor.execute("SELECT count(*) FROM visits WHERE user_id = ANY(%s)", (["1", "2"],))
            assert cursor.fetchone() == [5]
            output = io.StringIO()
            cursor.copy_expert("COPY (SELECT DISTINCT plan FROM visits ORDER BY 1) TO STDOUT", output)
            assert output.getvalue() == "free\npaid\n"
            output = io.StringIO()
            cursor.copy_to(output, "visits", sep="|", columns=("user_id", "plan"))
            assert sorted(set(output.getvalue().split())) == ["1|free", "1|paid", "2|paid", "3|free"]
        with connection.cursor(name="rows") as cursor:
            cursor.itersize = 100
            cursor.execute("SELECT value FROM generate_series(1, 250) AS t(value)")
            assert sum(value for (value,) in cursor) == 250 * 251 // 2
    connection.close()


def psycopg_copy(address):
    import psycopg

    with psycopg.connect(uri(address, "sales"), autocommit=True) as connection:
        sql = "COPY (SELECT period_start, users, stage FROM smau ORDER BY 1, 3) TO STDOUT"
        expected = connection.execute(sql[len("COPY ("):-len(") TO STDOUT")]).fetchall()
        for options, binary in [("", False), (" (FORMAT binary)", True)]:
            with connection.cursor(binary=binary).copy(sql + options) as copy:
                copy.set_types(["date", "int8", "text"])
                assert list(copy.rows()) == expected, options
        many = "COPY (SELECT value, 'x' || value FROM generate_series(1, 100000) AS t(value)) TO STDOUT (FORMAT csv)"
        with connection.cursor().copy(many) as copy:
            size = sum(len(block) for block in copy)
        assert size == sum(len(f"{n},x{n}\n") for n in range(1, 100_001))
        with connection.cursor().copy("COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(["int8"])
            assert list(copy.rows()) == []
        # An error in the middle ends only the statement.
        wrong = "COPY (SELECT CAST(repeat('9', CAST(value AS INT)) AS INT) FROM generate_series(1, 20) AS t(value)) TO STDOUT"
        try:
            with connection.cursor().copy(wrong) as copy:
                for _ in copy:
                    pass
            raise AssertionError("not refused")
        except psycopg.DataError:
            pass
        for sql in ["COPY visits FROM STDIN", "COPY visits TO '/tmp/x'", "COPY visits TO PROGRAM 'cat'"]:
            try:
                connection.execute(sql)
                raise AssertionError(f"not refused: {sql}")
            except psycopg.errors.ReadOnlySqlTransaction:
                pass
        # The name of the database is that of the connection.
        (found,) = connection.execute("SELECT count(*) FROM sales.public.visits").fetchone()
        assert found == 7
        assert connection.execute("SELECT current_database()").fetchone() == ("sales",)
        assert connection.execute("SELECT datname FROM pg_database").fetchall() == [("sales",)]


def frames(address):
    """pandas with SQLAlchemy, polars with SQLAlchemy and with connectorx."""
    import pandas
    import polars
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri(address).replace("postgresql", "postgresql+psycopg2"))
    table = pandas.read_sql_table("smau", engine)
    assert str(table["users"].dtype) == "int64" and len(table) == 6, table
    query = "SELECT plan, count(DISTINCT user_id) AS users FROM visits GROUP BY plan ORDER BY plan"
    rows = pandas.read_sql_query(query, engine)
    assert rows.to_dict("list") == {"plan": ["free", "paid"], "users": [2, 2]}
    by_name = sqlalchemy.text("SELECT count(*) AS n FROM visits WHERE plan = :plan LIMIT :rows")
    rows = pandas.read_sql_query(by_name, engine, params={"plan": "paid", "rows": 1})
    assert rows["n"].tolist() == [3]
    rows = polars.read_database(query, engine)
    assert rows.to_dict(as_series=False) == {"plan": ["free", "paid"], "users": [2, 2]}
    rows = polars.read_database_uri(query, uri(address), engine="connectorx")
    assert rows.to_dict(as_series=False) == {"plan": ["free", "paid"], "users": [2, 2]}
    parts = polars.read_database_uri(
        "SELECT value FROM generate_series(1, 1000) AS t(value)", uri(address),
        partition_on="value", partition_range=(1, 1000), partition_num=3,
    )
    assert parts["value"].sum() == 500_500
    typed = polars.read_database_uri("SELECT period_start, users, complete FROM mau ORDER BY 1", uri(address))
    assert typed.dtypes == [polars.Date, polars.Int64, polars.Boolean], typed.dtypes
    rows = polars.read_database_uri(query, uri(address), engine="adbc")
    assert rows.to_dict(as_series=False) == {"plan": ["free", "paid"], "users": [2, 2]}


def reflection(address):
    """SQLAlchemy's reflection with every driver: types, views and their definitions."""
    import sqlalchemy

    for driver in ["psycopg2", "psycopg", "asyncpg"]:
        if driver == "asyncpg":
            from sqlalchemy.ext.asyncio import create_async_engine

            async def definitions():
                engine = create_async_engine(uri(address).replace("postgresql", "postgresql+asyncpg"))
                async with engine.connect() as connection:
                    found = await connection.run_sync(reflected)
                await engine.dispose()
                return found

            found = asyncio.run(definitions())
        else:
            engine = sqlalchemy.create_engine(uri(address).replace("postgresql", f"postgresql+{driver}"))
            with engine.connect() as connection:
                found = reflected(connection)
        assert found == "SELECT * FROM active_users(level => 'stage')", (driver, found)


def reflected(connection):
    import sqlalchemy

    inspector = sqlalchemy.inspect(connection)
    kinds = {column["name"]: str(column["type"]) for column in inspector.get_columns("visits")}
    assert kinds == {"at": "TEXT", "user_id": "TEXT", "event": "TEXT", "plan": "TEXT"}, kinds
    kinds = {column["name"]: str(column["type"]) for column in inspector.get_columns("activity")}
    assert kinds["users"] == "BYTEA" and kinds["user_count"] == "BIGINT", kinds
    assert inspector.get_indexes("visits") == [] and inspector.get_foreign_keys("smau") == []
    everything = sqlalchemy.MetaData()
    everything.reflect(connection, views=True)
    assert {"visits", "smau", "metrics"} <= set(everything.tables)
    return inspector.get_view_definition("smau")


def adbc(address):
    """The ADBC driver for PostgreSQL reads types from the catalog, and rows by COPY."""
    import adbc_driver_postgresql.dbapi as postgresql
    import pyarrow as pa

    with postgresql.connect(uri(address)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT period_start, stage, users, complete FROM smau ORDER BY 1, 2")
        table = cursor.fetch_arrow_table()
        assert table.schema.types == [pa.date32(), pa.string(), pa.int64(), pa.bool_()], table.schema
        assert table["users"].to_pylist() == [2, 1, 2, 1, 0, 1], table["users"]
        cursor.execute("SELECT count(*) FROM visits WHERE plan = $1", ("paid",))
        assert cursor.fetchone() == (3,)
        cursor.execute("SELECT value FROM generate_series(1, 100000) AS t(value)")
        assert sum(batch.num_rows for batch in cursor.fetch_record_batch()) == 100_000
        objects = connection.adbc_get_objects(depth="tables", table_name_filter="visits").read_all()
        (catalog,) = [row for row in objects.to_pylist() if row["catalog_db_schemas"]]
        assert catalog["catalog_name"] == "headcount"
        schemas = {schema["db_schema_name"]: schema for schema in catalog["catalog_db_schemas"]}
        (found,) = schemas["public"]["db_schema_tables"]
        assert (found["table_name"], found["table_type"]) == ("visits", "table")
        # With columns and constraints, of which there are none.
        objects = connection.adbc_get_objects(depth="all").read_all().to_pylist()
        (schemas,) = [row["catalog_db_schemas"] for row in objects if row["catalog_name"] == "headcount"]
        schemas = {schema["db_schema_name"]: schema["db_schema_tables"] for schema in schemas}
        tables = {table["table_name"]: table for table in schemas["public"]}
        columns = [column["column_name"] for column in tables["visits"]["table_columns"]]
        assert columns == ["at", "user_id", "event", "plan"], columns
        columns = {column["column_name"]: column for column in tables["smau"]["table_columns"]}
        assert columns["users"]["xdbc_type_name"] == "int8", columns["users"]
        assert len(columns) == 17 and columns["window"]["ordinal_position"] == 1
        assert all(table["table_constraints"] == [] for table in tables.values())
        some = connection.adbc_get_objects(
            depth="columns", db_schema_filter="public", table_name_filter="sm%", column_name_filter="user%"
        ).read_all().to_pylist()
        (table,) = [table for row in some for schema in row["catalog_db_schemas"] or [] for table in schema["db_schema_tables"]]
        assert [column["column_name"] for column in table["table_columns"]] == ["users", "users_low", "users_high"]
        assert "view" in connection.adbc_get_table_types()
        assert connection.adbc_get_info()["vendor_name"] == "PostgreSQL"
        cursor.execute("SELECT a FROM (VALUES (ARRAY[1, NULL]), ('{}'::int[]), (NULL)) AS t(a)")
        assert cursor.fetch_arrow_table()["a"].to_pylist() == [[1, None], [], None]
        assert connection.adbc_get_table_schema("smau").field("users").type == pa.int64()


def superset(address):
    """What Apache Superset reads with its version of SQLAlchemy: schemas, tables, views and columns."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri(address).replace("postgresql", "postgresql+psycopg2"))
    with engine.connect() as connection:
        assert engine.dialect.do_ping(connection.connection)
        inspector = sqlalchemy.inspect(connection)
        assert inspector.default_schema_name == "public"
        assert {"public", "dictionary"} <= set(inspector.get_schema_names()), inspector.get_schema_names()
        assert "visits" in inspector.get_table_names("public")
        assert inspector.get_foreign_table_names("public") == []
        assert set(inspector.get_view_names("public")) == {"mau", "smau", "gmau", "amau", "xmau"}
        assert inspector.has_table("visits", "public") and not inspector.has_table("nowhere", "public")
        columns = inspector.get_columns("smau", "public")
        kinds = {column["name"]: str(column["type"]) for column in columns}
        assert kinds["period_start"] == "DATE" and kinds["users"] == "BIGINT", kinds
        assert kinds["complete"] == "BOOLEAN" and kinds["change_pct"] == "DOUBLE_PRECISION", kinds
        for table in ("visits", "smau"):
            assert not inspector.get_pk_constraint(table, "public")["constrained_columns"]
            assert inspector.get_foreign_keys(table, "public") == []
            assert inspector.get_indexes(table, "public") == []
            assert inspector.get_table_comment(table, "public") == {"text": None}
        # An estimate of costs reads a text without costs.
        cost = connection.execute(sqlalchemy.text("EXPLAIN SELECT COUNT(*) FROM visits")).fetchone()[0]
        assert isinstance(cost, str) and "cost=" not in cost, cost


def duckdb(address):
    """DuckDB's extension attaches the database, and joins it with its own tables."""
    import duckdb

    connection = duckdb.connect()
    files = importlib.metadata.files("duckdb-ext-postgres")
    (extension,) = [file.locate() for file in files if file.suffix == ".duckdb_extension"]
    connection.execute(f"LOAD '{extension}'")
    host, port = address.split(":")
    connection.execute(f"ATTACH 'host={host} port={port} user=ada dbname=headcount' AS pg (TYPE postgres, READ_ONLY)")
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'pg'").fetchall()}
    assert "visits" in tables, tables
    rows = connection.execute("SELECT plan, count(*) FROM pg.visits GROUP BY ALL ORDER BY ALL").fetchall()
    assert rows == [("free", 4), ("paid", 3)]
    rows = connection.execute(
        "SELECT names.name, s.users FROM pg.smau s JOIN (VALUES ('reading', 'Reading')) names(stage, name) "
        "USING (stage) WHERE s.period_start = DATE '2026-01-01'"
    ).fetchall()
    assert rows == [("Reading", 2)]
    rows = connection.execute("FROM postgres_query('pg', 'SELECT users FROM active_users(''month'') ORDER BY 1')").fetchall()
    assert len(rows) >= 3


def dbt(address, folder):
    """dbt reads: debug, source freshness, tests of sources, documentation, show."""
    from dbt.cli.main import dbtRunner

    root = pathlib.Path(folder)
    host, port = address.split(":")
    profile = {"type": "postgres", "host": host, "port": int(port), "user": "ada", "password": "x",
               "dbname": "headcount", "schema": "public", "threads": 1}
    project = {"name": "people", "version": "1.0.0", "profile": "people", "model-paths": ["models"]}
    (root / "models").mkdir()
    (root / "profiles.yml").write_text(json.dumps({"people": {"target": "dev", "outputs": {"dev": profile}}}))
    (root / "dbt_project.yml").write_text(json.dumps(project))
    columns = [{"name": "plan", "data_tests": ["not_null", {"accepted_values": {"values": ["free", "paid"]}}]}]
    freshness = {"warn_after": {"count": 10000, "period": "day"}}
    source = {"name": "product", "schema": "public", "loaded_at_field": "at::timestamp",
              "freshness": freshness, "tables": [{"name": "visits", "columns": columns}]}
    (root / "models/sources.yml").write_text(json.dumps({"version": 2, "sources": [source]}))
    (root / "models/plans.sql").write_text(
        "select plan, count(distinct user_id) as users from {{ source('product', 'visits') }} group by plan"
    )
    runner = dbtRunner()
    places = ["--project-dir", folder, "--profiles-dir", folder, "--quiet", "--no-send-anonymous-usage-stats"]
    for command in [
        ["debug"], ["source", "freshness"], ["test", "--select", "source:*"], ["docs", "generate"],
        ["show", "--select", "plans"], ["show", "--inline", "select users from active_users('month')"],
    ]:
        ran = runner.invoke([*command, *places])
        assert ran.success, (command, ran.exception, ran.result)
    catalog = json.loads((root / "target/catalog.json").read_text())
    visits = catalog["sources"]["source.people.product.visits"]
    types = {name: column["type"] for name, column in visits["columns"].items()}
    assert types == {"at": "text", "user_id": "text", "event": "text", "plan": "text"}, types
    freshness = json.loads((root / "target/sources.json").read_text())["results"]
    assert [result["status"] for result in freshness] == ["pass"], freshness


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
