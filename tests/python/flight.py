"""Flight SQL as analysts see it: by the ADBC driver, and by pyarrow alone."""

import csv
import sys
import threading
import time

import adbc_driver_flightsql.dbapi as flightsql
import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight
from adbc_driver_flightsql import DatabaseOptions


def connect(address, **options):
    return flightsql.connect(f"grpc://{address}", autocommit=True, db_kwargs=options)


def lines(address, sql):
    """Prints the rows of a statement."""
    with connect(address) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        for row in cursor.fetchall():
            print(*row, sep="|")


def refused(action, *words):
    """The action fails, and says these words."""
    try:
        found = action()
    except (adbc_driver_manager.Error, flight.FlightError, pa.ArrowException) as error:
        for word in words:
            assert word in str(error), f"no {word!r} in {error}"
    else:
        raise AssertionError(f"not refused: {found!r}")


def report(address, path):
    """The rows of a view are those of the command."""
    with open(path, newline="") as file:
        told = list(csv.DictReader(file))
    with connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM xmau WHERE level IN ('total', 'stage')")
        table = cursor.fetch_arrow_table()
    assert table.column_names == list(told[0])
    for name in ("period_start", "level", "stage", "users"):
        sent = ["" if value is None else str(value) for value in table[name].to_pylist()]
        assert sent == [row[name] for row in told], name
    assert table.schema.field("period_start").type == pa.date32()
    assert table.schema.field("users").type == pa.int64()


def adbc(address):
    with connect(address) as connection, connection.cursor() as cursor:
        # Values: by place, of several types, more than once.
        users = "SELECT count(DISTINCT user_id) FROM visits WHERE plan = ? AND event LIKE ?"
        for plan, event, count in [("free", "%", 2), ("paid", "page%", 2), ("none", "%", 0)]:
            cursor.execute(users, (plan, event))
            assert cursor.fetchone() == (count,), plan
        cursor.execute("SELECT ?, ?, ?, ?", (1, "two", 3.5, None))
        assert cursor.fetchall() == [(1, "two", 3.5, None)]
        cursor.execute("SELECT bitmap_count(?)", (sets(cursor),))
        assert cursor.fetchone() == (1000,)
        refused(lambda: cursor.execute(users, ("free",)), "2 parameters", "1 values")
        refused(lambda: cursor.execute("SELECT nothing FROM visits"), "nothing")

        # Many rows, as a stream.
        cursor.execute("SELECT value, value % 3 AS rest FROM generate_series(1, 1000000)")
        reader = cursor.fetch_record_batch()
        assert sum(batch.num_rows for batch in reader) == 1_000_000

        # What there is.
        objects = connection.adbc_get_objects(depth="all", table_name_filter="visits")
        (catalog,) = objects.read_all().to_pylist()
        schemas = {schema["db_schema_name"]: schema for schema in catalog["catalog_db_schemas"]}
        (table,) = schemas["public"]["db_schema_tables"]
        columns = [column["column_name"] for column in table["table_columns"]]
        assert (table["table_type"], columns) == ("TABLE", ["at", "user_id", "event", "plan"])
        assert connection.adbc_get_table_schema("visits").names == columns
        assert "VIEW" in connection.adbc_get_table_types()
        info = connection.adbc_get_info()
        assert info["vendor_name"] == "headcount", info
        # The driver asks for rows while we go on; to read them waits until it is set.
        cursor.execute("SET datafusion.execution.time_zone = '+02:00'")
        assert cursor.fetchall() == []
        cursor.execute("SHOW datafusion.execution.time_zone")
        assert cursor.fetchone()[1] == "+02:00"
        groups = "SELECT plan, count(*) AS n FROM visits GROUP BY plan"
        schema = cursor.adbc_execute_schema(groups)
        assert (schema.names, schema.types) == (["plan", "n"], [pa.string(), pa.int64()])

        # Only reading.
        for sql in ["CREATE TABLE t AS SELECT 1", "DELETE FROM visits", "COPY visits TO '/tmp/x.csv'"]:
            refused(lambda: cursor.execute(sql), "this server only reads")
        rows = pa.table({"a": [1]})
        refused(lambda: cursor.adbc_ingest("t", rows), "refused")
        refused(lambda: cursor.execute("SELECT * FROM '/etc/passwd'"), "passwd")

        # Cancelled from another thread, while it runs.
        endless = (
            "SELECT count(*) FROM generate_series(1, 3000000) a "
            "CROSS JOIN generate_series(1, 3000000) b WHERE a.value % 7 = b.value % 11"
        )
        begun = time.monotonic()
        timer = threading.Timer(0.5, cursor.adbc_cancel)
        timer.start()
        refused(lambda: (cursor.execute(endless), cursor.fetchall()))
        timer.join()
        assert time.monotonic() - begun < 1.5, time.monotonic() - begun
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def sets(cursor):
    cursor.execute("SELECT bitmap_agg(value) FROM generate_series(1, 1000)")
    return cursor.fetchone()[0]


def access(address, user, password, certificate):
    with open(certificate) as file:
        trusted = {DatabaseOptions.TLS_ROOT_CERTS.value: file.read()}
    uri = f"grpc+tls://{address}"
    right = {"username": user, "password": password}
    with flightsql.connect(uri, autocommit=True, db_kwargs=right | trusted) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM visits")
            assert cursor.fetchone() == (7,)

    def with_options(**options):
        with flightsql.connect(uri, autocommit=True, db_kwargs=options) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")

    refused(lambda: with_options(username=user, password="wrong", **trusted), "wrong")
    refused(lambda: with_options(**trusted), "requires a name and a password")
    refused(lambda: with_options(**right))


def pyarrow(address, user, password):
    client = flight.connect(f"grpc://{address}")
    refused(lambda: list(client.list_actions()), "requires a name and a password")
    refused(lambda: client.authenticate_basic_token(user, "wrong"), "wrong")
    token = client.authenticate_basic_token(user, password)
    options = flight.FlightCallOptions(headers=[token])
    # CommandStatementQuery, written down by hand: the text is field 1 of the message inside.
    query = b"SELECT plan, count(*) AS n FROM visits GROUP BY plan ORDER BY plan"
    kind = b"type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery"
    inner = b"\x0a" + bytes([len(query)]) + query
    command = b"\x0a" + bytes([len(kind)]) + kind + b"\x12" + bytes([len(inner)]) + inner
    info = client.get_flight_info(flight.FlightDescriptor.for_command(command), options)
    reader = client.do_get(info.endpoints[0].ticket, options)
    table = reader.read_all()
    assert table.schema.equals(info.schema), (table.schema, info.schema)
    assert table.to_pydict() == {"plan": ["free", "paid"], "n": [4, 3]}
    refused(lambda: client.do_get(flight.Ticket(b"nonsense"), options).read_all())


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
