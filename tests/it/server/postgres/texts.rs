//! The simple query protocol: results, text encoding, settings, transactions, cursors.

use tokio_postgres::{Client, SimpleQueryMessage};

use super::server::{Server, fails, run};
use crate::project::Project;

/// The rows of an answer, with `|` between values and `-` for null.
pub(super) async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let answer = client.simple_query(sql).await;
    let answer = answer.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let mut rows = Vec::new();
    for message in answer {
        if let SimpleQueryMessage::Row(row) = message {
            let values = (0..row.len()).map(|at| row.get(at).unwrap_or("-").to_owned());
            rows.push(values.collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

#[test]
fn the_numbers_are_those_of_the_report() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let sql = "SELECT period_start, stage, users FROM smau ORDER BY 1, 2";
        let report = project.report(&["--level", "stage"]);
        let expected: Vec<String> = report
            .lines(&["period_start", "stage", "users"])
            .iter()
            .map(|line| line.replace(' ', "|"))
            .collect();
        assert!(!expected.is_empty());
        assert_eq!(rows(&client, sql).await, expected);
        let counted = "SELECT count(DISTINCT user_id), count(*) FROM visits";
        assert_eq!(rows(&client, counted).await, ["3|7"]);
    });
    server.assert_healthy();
}

#[test]
fn values_are_written_as_postgresql_writes_them() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        for (sql, expected) in [
            ("true, false, NULL", "t|f|-"),
            ("1::SMALLINT, -2::INT, 9223372036854775807", "1|-2|9223372036854775807"),
            ("18446744073709551615::BIGINT UNSIGNED", "18446744073709551615"),
            ("1.5::DOUBLE, 0.1::REAL, 1e300", "1.5|0.1|1e+300"),
            ("'NaN'::DOUBLE, 'Infinity'::DOUBLE", "NaN|Infinity"),
            ("12.50::DECIMAL(10, 2), -0.07::DECIMAL(5, 2)", "12.50|-0.07"),
            ("DATE '2026-02-28', DATE '1969-12-31'", "2026-02-28|1969-12-31"),
            ("TIMESTAMP '2026-02-28T12:00:00'", "2026-02-28 12:00:00"),
            ("TIMESTAMP '2026-02-28 12:00:00.25'", "2026-02-28 12:00:00.25"),
            ("'grün', '', 'a|b'", "grün||a|b"),
            ("'\\x00ff10'::bytea", "\\x00ff10"),
            ("[1, 2, NULL], ['a', 'b c']", "{1,2,NULL}|{a,\"b c\"}"),
            ("bitmap_count(bitmap_agg(user_id::BIGINT)) FROM visits", "3"),
            ("bitmap_to_array(bitmap_agg(user_id::BIGINT)) FROM visits", "{1,2,3}"),
            ("arrow_cast('a', 'Dictionary(Int32, Utf8)'), arrow_cast('b', 'Utf8View')", "a|b"),
        ] {
            assert_eq!(rows(&client, &format!("SELECT {sql}")).await, [expected], "{sql}");
        }
    });
    server.assert_healthy();
}

#[test]
fn a_message_may_have_several_statements_or_none() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        assert_eq!(
            rows(&client, "SELECT 1; SELECT 2 AS b;; SELECT 'x;y'").await,
            ["1", "2", "x;y"]
        );
        for nothing in ["", ";", " ; ;", "-- nothing\n", "/* nothing */"] {
            assert_eq!(rows(&client, nothing).await, Vec::<String>::new(), "{nothing:?}");
        }
        // What comes before a mistake is answered, what comes after it is not looked at.
        fails(
            client.simple_query("SELECT 1; SELECT nothing; SELECT 2").await,
            "42703",
            &["nothing"],
        );
        fails(client.simple_query("SELECT 1; SELEC 2").await, "42601", &[]);
        // A subquery of several rows is a mistake, not its first row.
        let two = "SELECT (SELECT value FROM generate_series(1, 2) t(value))";
        assert!(client.simple_query(two).await.is_err());
    });
    server.assert_healthy();
}

#[test]
fn errors_have_codes_and_hints() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        for (sql, code, parts) in [
            ("SELEC 1", "42601", &["SELEC"][..]),
            ("SELECT 'open", "42601", &[]),
            ("SELECT (1", "42601", &[]),
            ("SELECT * FROM nowhere", "42P01", &["no table `nowhere`"]),
            ("SELECT * FROM 'events.csv'", "42P01", &[]),
            ("SELECT * FROM \"events.csv\"", "42P01", &[]),
            ("SELECT nothing FROM visits", "42703", &["nothing"]),
            ("SELECT nofunction(1)", "42883", &["nofunction"]),
            ("SELECT 1 / 0", "22012", &["zero"]),
            ("SELECT CAST('x' AS INT)", "22P02", &["\"x\""]),
            ("SELECT bitmap_count('\\xff'::bytea)", "22000", &[]),
            ("CREATE TABLE t AS SELECT 1", "25006", &["only reads"]),
            ("DROP TABLE visits", "25006", &["only reads"]),
            ("INSERT INTO visits SELECT * FROM visits", "25006", &["only reads"]),
            ("DELETE FROM visits", "25006", &["only reads"]),
            ("UPDATE visits SET plan = 'x'", "25006", &["only reads"]),
            ("TRUNCATE visits", "25006", &["only reads"]),
            ("COPY visits TO '/tmp/out.csv'", "25006", &["only reads"]),
            ("COPY visits FROM STDIN", "25006", &["only reads"]),
            ("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'", "42601", &[]),
            ("EXPLAIN COPY visits TO '/tmp/out.csv'", "25006", &["only reads"]),
            ("SET nonsense = 1", "42704", &["nonsense"]),
            ("SHOW nonsense", "42704", &["nonsense"]),
            ("SET datafusion.runtime.memory_limit = '1T'", "25006", &["memory_limit"]),
            ("SET statement_timeout = 'soon'", "22023", &["statement_timeout"]),
            ("SET client_encoding = 'LATIN1'", "22023", &["client_encoding"]),
            ("FETCH 1 FROM nobody", "34000", &["nobody"]),
            ("LISTEN x", "25006", &[]),
        ] {
            let result = client.simple_query(sql).await;
            assert!(result.is_err(), "{sql} is answered");
            println!("{sql}");
            fails(result, code, parts);
        }
        let hint =
            super::server::error_fields(client.simple_query("SELECT * FROM nowhere").await).2;
        assert!(!hint.is_empty());
    });
    server.assert_healthy();
}

#[test]
fn settings_are_those_of_one_connection() {
    let project = Project::good();
    let server = Server::start(project.root(), &["--time-limit", "30s"]);
    run(async {
        let (one, other) = (server.client().await, server.client().await);
        for (set, show, expected, elsewhere) in [
            ("SET application_name = 'it''s'", "application_name", "it's", ""),
            ("SET search_path TO public, other", "search_path", "public, other", "public"),
            ("SET statement_timeout = 1500", "statement_timeout", "1500ms", "0"),
            ("SET statement_timeout TO '2s'", "statement_timeout", "2s", "0"),
            ("SET statement_timeout = 0", "statement_timeout", "0", "0"),
            ("SET TIME ZONE 'Europe/Berlin'", "TimeZone", "Europe/Berlin", "UTC"),
            ("SET timezone TO 'utc'", "TIME ZONE", "UTC", "UTC"),
            ("SET extra_float_digits = 3", "extra_float_digits", "3", "1"),
            (
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                "transaction_read_only",
                "on",
                "on",
            ),
            ("SET headcount.exact_distinct = false", "headcount.exact_distinct", "false", "true"),
        ] {
            assert_eq!(rows(&one, set).await, Vec::<String>::new(), "{set}");
            assert_eq!(rows(&one, &format!("SHOW {show}")).await, [expected], "{set}");
            assert_eq!(rows(&other, &format!("SHOW {show}")).await, [elsewhere], "{set}");
        }
        rows(&one, "RESET application_name").await;
        assert_eq!(rows(&one, "SHOW application_name").await, [""]);
        rows(&one, "DISCARD ALL").await;
        assert_eq!(rows(&one, "SHOW search_path").await, ["public"]);
        // Until the transaction ends.
        rows(&one, "BEGIN; SET LOCAL application_name = 'local'").await;
        assert_eq!(rows(&one, "SHOW application_name").await, ["local"]);
        rows(&one, "COMMIT").await;
        assert_eq!(rows(&one, "SHOW application_name").await, [""]);
        rows(&one, "BEGIN; SET application_name = 'undone'; ROLLBACK").await;
        assert_eq!(rows(&one, "SHOW application_name").await, [""]);
    });
    server.assert_healthy();
}

#[test]
fn transactions_look_like_transactions() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    let mut raw_connection = super::raw_connection::RawConnection::open(server.postgres);
    let mut status = |sql: &str| {
        raw_connection.send('Q', &[sql.as_bytes(), b"\0"].concat());
        let received = raw_connection.until_ready();
        let (_, body) = received.last().unwrap();
        (super::raw_connection::kinds(&received), char::from(body[0]))
    };
    let is = |found: (String, char), kinds: &str, status: char| {
        assert_eq!(found, (kinds.to_owned(), status));
    };
    is(status("SELECT 1"), "TDCZ", 'I');
    is(status("BEGIN"), "CZ", 'T');
    is(status("SELECT 1"), "TDCZ", 'T');
    is(status("SAVEPOINT a"), "CZ", 'T');
    is(status("SELECT nothing"), "EZ", 'E');
    is(status("SELECT 1"), "EZ", 'E');
    is(status("ROLLBACK TO SAVEPOINT a"), "CZ", 'T');
    is(status("SELECT nothing"), "EZ", 'E');
    is(status("COMMIT"), "CZ", 'I');
    is(status("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"), "CZ", 'T');
    is(status("END"), "CZ", 'I');
    is(status("ROLLBACK"), "CZ", 'I');
    is(status("BEGIN; SELECT 1; COMMIT"), "CTDCCZ", 'I');
    run(async {
        let client = server.client().await;
        rows(&client, "BEGIN").await;
        assert!(client.simple_query("SELECT nothing").await.is_err());
        fails(client.simple_query("SELECT 1").await, "25P02", &["aborted"]);
    });
    server.assert_healthy();
}

#[test]
fn cursors_return_rows_in_parts() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let numbers = "SELECT value FROM generate_series(1, 20000) AS n(value) ORDER BY value";
        fails(client.simple_query(&format!("DECLARE c CURSOR FOR {numbers}")).await, "25P01", &[]);
        rows(&client, &format!("BEGIN; DECLARE c NO SCROLL CURSOR FOR {numbers}")).await;
        assert_eq!(rows(&client, "FETCH NEXT FROM c").await, ["1"]);
        assert_eq!(rows(&client, "FETCH NEXT FROM c").await, ["2"]);
        assert_eq!(rows(&client, "FETCH FORWARD 2 FROM c").await, ["3", "4"]);
        let most = rows(&client, "FETCH 10000 FROM c").await;
        assert_eq!((most.len(), most[9999].as_str()), (10_000, "10004"));
        assert_eq!(rows(&client, "FETCH ALL FROM c").await.len(), 20_000 - 10_004);
        assert_eq!(rows(&client, "FETCH NEXT FROM c").await.len(), 0);
        rows(&client, "CLOSE c").await;
        fails(client.simple_query("FETCH NEXT FROM c").await, "34000", &["c"]);
        rows(&client, "ROLLBACK").await;
        rows(&client, "BEGIN; DECLARE c CURSOR FOR SELECT 1; COMMIT").await;
        fails(client.simple_query("FETCH NEXT FROM c").await, "34000", &["c"]);
        rows(&client, "DECLARE h CURSOR WITH HOLD FOR SELECT 7").await;
        assert_eq!(rows(&client, "FETCH ALL FROM h").await, ["7"]);
        fails(client.simple_query("FETCH PRIOR FROM h").await, "55000", &["forward"]);
    });
    server.assert_healthy();
}
