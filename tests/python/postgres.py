"""PostgreSQL's protocol as Python's drivers speak it: psycopg, and SQLAlchemy on top of it."""

import csv
import datetime
import decimal
import sys
import threading
import time

import psycopg
import sqlalchemy
from psycopg import ClientCursor


def connect(address, **options):
    return psycopg.connect(f"postgresql://ada@{address}/headcount", **options)


def refused(action, code, *words):
    """The action fails with a code, and says these words."""
    try:
        found = action()
    except psycopg.Error as error:
        assert error.sqlstate == code, f"{error.sqlstate} {error}"
        for word in words:
            assert word in str(error), f"no {word!r} in {error}"
    else:
        raise AssertionError(f"not refused: {found!r}")


def report(address, path):
    """The rows of a view are those of the command: as text, and in binary."""
    with open(path, newline="") as file:
        told = list(csv.DictReader(file))
    sql = "SELECT * FROM xmau WHERE level IN ('total', 'stage')"
    with connect(address) as connection:
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                cursor.execute(sql)
                names = [column.name for column in cursor.description]
                assert names == list(told[0])
                rows = [dict(zip(names, row)) for row in cursor.fetchall()]
            assert len(rows) == len(told)
            for row, line in zip(rows, told):
                assert isinstance(row["period_start"], datetime.date)
                assert isinstance(row["users"], int)
                assert isinstance(row["complete"], bool)
                for name in ("period_start", "level", "stage", "users"):
                    value = "" if row[name] is None else str(row[name])
                    assert value == line[name], (name, row, line)


def values(cursor):
    """What goes out comes back."""
    for value in [
        1, -(2**40), 1.5, "grün", True, None, b"\x00\xff",
        datetime.date(2026, 2, 28), datetime.datetime(2026, 2, 28, 12, 0, 0, 250000),
        datetime.datetime(2026, 2, 28, 12, tzinfo=datetime.timezone.utc),
        datetime.time(12, 30), [1, 2, 3],
    ]:
        (found,) = cursor.execute("SELECT %s", (value,)).fetchone()
        assert found == value, (value, found)
    (found,) = cursor.execute("SELECT %s", (decimal.Decimal("12.50"),)).fetchone()
    assert found == decimal.Decimal("12.5"), found
    # Texts say no type of their own, and so neither does a list of them.
    words = ["a", "b c", None]
    (found,) = cursor.execute("SELECT %s::TEXT[]", (words,)).fetchone()
    assert found == words, found


def with_values(cursor):
    users = "SELECT count(DISTINCT user_id) FROM visits WHERE plan = %s AND event LIKE %s"
    for plan, event, count in [("free", "%", 2), ("paid", "page%", 2), ("none", "%", 0)]:
        assert cursor.execute(users, (plan, event)).fetchone() == (count,), plan
    by_name = "SELECT count(*) FROM visits WHERE user_id::BIGINT = %(user)s AND plan <> %(plan)s"
    assert cursor.execute(by_name, {"user": 1, "plan": "none"}).fetchone() == (3,)
    some = "SELECT count(*) FROM visits WHERE user_id::BIGINT = ANY(%s)"
    assert cursor.execute(some, ([1, 2],)).fetchone() == (5,)
    since = "SELECT count(*) FROM visits WHERE at::TIMESTAMPTZ >= %s"
    day = datetime.datetime(2026, 2, 1, tzinfo=datetime.timezone.utc)
    assert cursor.execute(since, (day,)).fetchone() == (4,)
    month = "SELECT users FROM mau WHERE period_start = %s"
    assert cursor.execute(month, (datetime.date(2026, 1, 1),)).fetchone() == (2,)
    # A parameter may add columns, as psycopg asks for them after it has sent the value.
    for by, plans in [("plan", {"free", "paid", None}), (None, {None})]:
        report = "SELECT * FROM active_users('month', 'total', by => %s) WHERE period_start = '2026-01-01'"
        names = [column.name for column in cursor.execute(report, (by,)).description]
        assert ("plan" in names) == (by is not None), names
        rows = [dict(zip(names, row)) for row in cursor]
        assert {row.get("plan") for row in rows} == plans, rows
    # The same often enough to be prepared.
    for number in range(20):
        found = cursor.execute("SELECT count(*) FROM visits WHERE user_id::BIGINT = %s", (number % 4,))
        assert found.fetchone() == ([0, 3, 2, 2][number % 4],)


def psycopg_(address):
    with connect(address, autocommit=True) as connection:
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                values(cursor)
                with_values(cursor)
        with_values(ClientCursor(connection))
        execute = connection.execute
        refused(lambda: execute("SELECT * FROM nowhere"), "42P01", "no table `nowhere`")
        refused(lambda: execute("SELECT nothing FROM visits"), "42703", "nothing")
        refused(lambda: execute("DELETE FROM visits"), "25006", "only reads")
        refused(lambda: execute("COPY visits FROM STDIN"), "25006", "only reads")
        execute("SET statement_timeout = '300ms'")
        endless = "SELECT count(*) FROM generate_series(1, 100000000000)"
        refused(lambda: execute(endless), "57014", "limit of 0.3 s")
        execute("RESET statement_timeout")
        timer = threading.Timer(0.5, connection.cancel)
        timer.start()
        began = time.monotonic()
        refused(lambda: execute(endless), "57014", "cancel")
        assert time.monotonic() - began < 1.5
        # Several at once, in one round.
        with connection.pipeline():
            cursors = [execute("SELECT %s::INT", (number,)) for number in range(50)]
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(50)]
        # Many rows, as a stream.
        with connection.cursor() as cursor:
            rows = cursor.stream("SELECT value FROM generate_series(1, 200000) t(value) ORDER BY value")
            assert sum(value for (value,) in rows) == 200_000 * 200_001 // 2
    with connect(address) as connection:
        # Transactions, a mistake in one, a savepoint, and a cursor of the server.
        with connection.transaction():
            try:
                with connection.transaction():
                    connection.execute("SELECT nothing")
            except psycopg.Error:
                pass
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with connection.cursor(name="big") as cursor:
            cursor.itersize = 1000
            cursor.execute("SELECT value FROM generate_series(1, 5000) t(value) ORDER BY value")
            assert cursor.fetchmany(3) == [(1,), (2,), (3,)]
            assert sum(1 for _ in cursor) == 4997
        connection.rollback()


def sqlalchemy_(address):
    engine = sqlalchemy.create_engine(f"postgresql+psycopg://ada@{address}/headcount")
    inspector = sqlalchemy.inspect(engine)
    assert "public" in inspector.get_schema_names()
    assert "visits" in inspector.get_table_names(), inspector.get_table_names()
    assert "smau" in inspector.get_view_names(), inspector.get_view_names()
    assert inspector.has_table("visits") and not inspector.has_table("nowhere")
    kinds = {column["name"]: str(column["type"]) for column in inspector.get_columns("smau")}
    assert kinds["period_start"] == "DATE" and kinds["users"] == "BIGINT", kinds
    assert kinds["complete"] == "BOOLEAN" and kinds["stage"] == "TEXT", kinds
    assert inspector.get_pk_constraint("visits")["constrained_columns"] == []
    for nothing in ("foreign_keys", "indexes", "unique_constraints", "check_constraints"):
        assert getattr(inspector, "get_" + nothing)("visits") == [], nothing
    assert inspector.get_table_comment("visits") == {"text": None}
    everything = sqlalchemy.MetaData()
    everything.reflect(engine, views=True)
    assert {"visits", "smau"} <= set(everything.tables), sorted(everything.tables)
    visits = sqlalchemy.Table("visits", sqlalchemy.MetaData(), autoload_with=engine)
    assert [column.name for column in visits.columns] == ["at", "user_id", "event", "plan"]
    users = sqlalchemy.func.count(sqlalchemy.distinct(visits.c.user_id))
    query = sqlalchemy.select(visits.c.plan, users).group_by(visits.c.plan).order_by(visits.c.plan)
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(query)] == [("free", 2), ("paid", 2)]
        some = sqlalchemy.select(sqlalchemy.func.count()).where(visits.c.user_id.in_(["1", "2"]))
        assert connection.execute(some).scalar() == 5
        streamed = connection.execution_options(stream_results=True, max_row_buffer=100)
        numbers = sqlalchemy.text("SELECT value FROM generate_series(1, 1000) t(value)")
        assert len(streamed.execute(numbers).all()) == 1000


TESTS = {"report": report, "psycopg": psycopg_, "sqlalchemy": sqlalchemy_}

if __name__ == "__main__":
    TESTS[sys.argv[1]](*sys.argv[2:])
