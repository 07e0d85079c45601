//! Prepared statements: parameters and values in binary format.

use std::time::{Duration, UNIX_EPOCH};

use tokio_postgres::types::{ToSql, Type};

use super::server::{Server, fails, run};
use crate::project::Project;

#[test]
fn values_have_the_described_types() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let sql = "SELECT period_start, stage, users, complete FROM smau ORDER BY 1, 2";
        let statement = client.prepare(sql).await.unwrap();
        let types: Vec<&Type> = statement.columns().iter().map(|column| column.type_()).collect();
        assert_eq!(types, [&Type::DATE, &Type::TEXT, &Type::INT8, &Type::BOOL]);
        let rows = client.query(&statement, &[]).await.unwrap();
        let users: i64 = rows.iter().map(|row| row.get::<_, i64>(2)).sum();
        let report = project.report(&["--level", "stage"]);
        assert_eq!(rows.len(), report.rows.len());
        let at = report.column("users");
        let expected: i64 = report.rows.iter().map(|row| row[at].parse::<i64>().unwrap()).sum();
        assert_eq!(users, expected);
        let row = client
            .query_one(
                "SELECT count(DISTINCT user_id), 1.5::DOUBLE, 'grün', '\\x00ff'::bytea, \
                 ARRAY[1, 2]::BIGINT[], \
                 NULL::BIGINT, TIMESTAMP '2026-02-28 12:00:00.25', 7::SMALLINT, 8::INT, 0.5::REAL, \
                 bitmap_to_array(bitmap_agg(user_id::BIGINT)) FROM visits",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), 3);
        assert_eq!(row.get::<_, f64>(1), 1.5);
        assert_eq!(row.get::<_, &str>(2), "grün");
        assert_eq!(row.get::<_, &[u8]>(3), [0, 255]);
        assert_eq!(row.get::<_, Vec<i64>>(4), [1, 2]);
        assert_eq!(row.get::<_, Option<i64>>(5), None);
        let time = UNIX_EPOCH + Duration::from_millis(1_772_280_000_250);
        assert_eq!(row.get::<_, std::time::SystemTime>(6), time);
        assert_eq!((row.get::<_, i16>(7), row.get::<_, i32>(8)), (7, 8));
        assert_eq!(row.get::<_, f32>(9), 0.5);
        assert_eq!(row.columns()[10].type_(), &Type::INT8_ARRAY);
        let statement = client.prepare("SELECT now(), to_timestamp(0)").await.unwrap();
        assert!(statement.columns().iter().all(|column| column.type_() == &Type::TIMESTAMPTZ));
        // The described types are those of the rows.
        let mixed = "SELECT CASE WHEN n = 1 THEN 1 ELSE 2.5::float8 END \
                     FROM generate_series(1, 2) n";
        let rows = client.query(mixed, &[]).await.unwrap();
        let sum: f64 = rows.iter().map(|row| row.get::<_, f64>(0)).sum();
        assert_eq!(sum, 3.5);
    });
    server.assert_healthy();
}

#[test]
fn parameters_are_bound() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let one = 1_i64;
        let paid = "paid";
        let from = UNIX_EPOCH + Duration::from_secs(1_769_904_000); // 2026-02-01
        for (sql, values, expected) in [
            ("user_id::BIGINT = $1", &[&one as &(dyn ToSql + Sync)][..], 3),
            ("user_id::BIGINT = $1 AND plan = $2", &[&one, &paid], 1),
            ("plan = $1", &[&paid], 3),
            ("plan = $1", &[&Option::<&str>::None], 0),
            ("at::TIMESTAMP >= $1", &[&from], 4),
            ("user_id::BIGINT IN ($1, $2)", &[&1_i64, &2_i64], 5),
            ("user_id::BIGINT BETWEEN $2 AND $1", &[&2_i64, &1_i64], 5),
            ("user_id::BIGINT = $1::INT", &[&1_i32], 3),
            ("user_id::BIGINT + 0.0 = $1::DOUBLE", &[&1.0_f64], 3),
        ] {
            let sql = format!("SELECT count(*) FROM visits WHERE {sql}");
            let row = client.query_one(&sql, values).await;
            let row = row.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            assert_eq!(row.get::<_, i64>(0), expected, "{sql}");
        }
        let row = client.query_one("SELECT $1", &[&"x"]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "x");
        let typed = client
            .prepare_typed("SELECT $1, $2, $3", &[Type::INT4, Type::FLOAT8, Type::BYTEA])
            .await
            .unwrap();
        let row = client.query_one(&typed, &[&4_i32, &0.5_f64, &&[1_u8, 2][..]]).await.unwrap();
        assert_eq!((row.get::<_, i32>(0), row.get::<_, f64>(1)), (4, 0.5));
        assert_eq!(row.get::<_, &[u8]>(2), [1, 2]);
        let limited = client
            .prepare_typed(
                "SELECT value FROM generate_series(1, 10) t(value) LIMIT $1",
                &[Type::INT8],
            )
            .await
            .unwrap();
        assert_eq!(client.query(&limited, &[&3_i64]).await.unwrap().len(), 3);
        fails(
            client.query("SELECT nothing FROM visits WHERE plan = $1", &[&paid]).await,
            "42703",
            &[],
        );
        fails(client.query("INSERT INTO visits VALUES ($1)", &[&one]).await, "25006", &[]);
    });
    server.assert_healthy();
}

/// Parameters in places where DataFusion needs a constant, or does not know the type.
#[test]
fn parameters_stand_wherever_a_literal_may() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    run(async {
        let client = server.client().await;
        let types = async |sql: &str| client.prepare(sql).await.unwrap().params().to_vec();
        assert_eq!(
            types("SELECT event FROM visits LIMIT $1 OFFSET $2").await,
            [Type::INT8, Type::INT8]
        );
        assert_eq!(types("SELECT 1 FROM visits WHERE plan = any($1)").await, [Type::TEXT_ARRAY]);
        let report = "SELECT period_start, stage, users FROM active_users($1, level => $2, approx => $3) \
                      WHERE users >= $4 ORDER BY 1, 2 LIMIT $5";
        let expected = [Type::TEXT, Type::TEXT, Type::TEXT, Type::INT8, Type::INT8];
        assert_eq!(types(report).await, expected);
        let values: [&(dyn ToSql + Sync); 5] = [&"month", &"stage", &"false", &1_i64, &2_i64];
        let found = client.query(report, &values).await.unwrap();
        let found: Vec<(&str, i64)> = found.iter().map(|row| (row.get(1), row.get(2))).collect();
        assert_eq!(found, [("reading", 2), ("writing", 1)]);
        // The same statement, prepared once, with other values.
        let statement =
            client.prepare("SELECT users FROM active_users($1, $2) LIMIT 1").await.unwrap();
        for (window, level, users) in [("month", "total", 2_i64), ("year", "total", 3)] {
            let row = client.query_one(&statement, &[&window, &level]).await.unwrap();
            assert_eq!(row.get::<_, i64>(0), users, "{window} {level}");
        }
        let error = client.query(&statement, &[&"decade", &"total"]).await;
        fails(error, "22000", &["decade"]);
        let numbers = "SELECT count(*) FROM generate_series(1, $1::BIGINT + 1)";
        assert_eq!(client.query_one(numbers, &[&9_i64]).await.unwrap().get::<_, i64>(0), 10);
        // The statement is described with all dimensions.
        let all = "SELECT * FROM active_users(by => $1)";
        assert!(!client.query(all, &[&"plan"]).await.unwrap().is_empty());
        let by = client.query(all, &[&None::<&str>]).await;
        fails(by, "0A000", &["depend on a parameter", "name the columns"]);
        // Named columns are known before the value is.
        let named = "SELECT plan, users FROM active_users('month', 'total', by => $1) \
                     WHERE period_start = '2026-01-01' ORDER BY plan";
        let statement = client.prepare(named).await.unwrap();
        let types: Vec<&Type> = statement.columns().iter().map(|column| column.type_()).collect();
        assert_eq!(
            (statement.params(), types.as_slice()),
            (&[Type::TEXT][..], &[&Type::TEXT, &Type::INT8][..])
        );
        let found = client.query(&statement, &[&"plan"]).await.unwrap();
        let found: Vec<(Option<&str>, i64)> =
            found.iter().map(|row| (row.get(0), row.get(1))).collect();
        let literal = client.query(&named.replace("$1", "'plan'"), &[]).await.unwrap();
        let literal: Vec<(Option<&str>, i64)> =
            literal.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert!(found.len() > 1 && found == literal, "{found:?} {literal:?}");
        fails(client.query(&statement, &[&None::<&str>]).await, "42703", &["plan"]);
        let counted = "SELECT count(*) > 0 FROM active_users('month', by => $1)";
        assert!(client.query_one(counted, &[&"plan"]).await.unwrap().get::<_, bool>(0));
        let some = "SELECT count(*) FROM visits WHERE plan = any($1) OR user_id <> all($2)";
        let row = client.query_one(some, &[&vec!["paid"], &vec!["1", "2"]]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 5);
    });
    server.assert_healthy();
}

/// A NUMERIC beside an integer is compared as it is.
#[test]
fn values_are_transferred_exactly() {
    use super::raw_connection::{self, RawConnection, execute, message, sync};
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    let mut raw_connection = RawConnection::open(server.postgres);
    let mut counts = |oid: u32, condition: &str, format: u16, value: &[u8]| {
        let sql = format!(
            "SELECT count(*) FROM (SELECT user_id::BIGINT AS user_id, plan, \
             at::TIMESTAMP AT TIME ZONE 'UTC' AS at FROM visits) v WHERE {condition}\0"
        );
        let parse = message('P', &[b"\0", sql.as_bytes(), b"\0\x01", &oid.to_be_bytes()].concat());
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        let bind = [b"\0\0\0\x01", &format.to_be_bytes()[..], b"\0\x01", &length, value, b"\0\0"];
        let bind = message('B', &bind.concat());
        raw_connection.bytes(&[parse, bind, execute("", 0), sync()].concat());
        let received = raw_connection.until_ready();
        match received.iter().find(|(kind, _)| *kind == 'D') {
            Some((_, body)) => String::from_utf8(body[6..].to_vec()).unwrap(),
            None => raw_connection::error(&received)
                .into_iter()
                .find(|field| field.starts_with('C'))
                .unwrap(),
        }
    };
    for (oid, condition, format, value, expected) in [
        // NUMERIC
        (1700, "user_id = $1", 0, &b"1.5"[..], "0"),
        (1700, "user_id = $1", 0, b"1.0", "3"),
        (1700, "user_id < $1", 0, b"1.5", "3"),
        (1700, "user_id = $1", 1, b"\0\x02\0\0\0\0\0\x01\0\x01\x13\x88", "0"),
        (1700, "user_id = $1", 1, b"\0\x01\0\0\0\0\0\0\0\x01", "3"),
        (1700, "user_id = $1", 0, b"NaN", "C22P02"),
        // INT8, INT4, FLOAT8, TEXT, DATE, TIMESTAMPTZ
        (20, "user_id = $1", 1, b"\0\0\0\0\0\0\0\x01", "3"),
        (23, "user_id = $1", 1, b"\0\0\0\x01", "3"),
        (23, "user_id = $1", 0, b"1", "3"),
        (23, "user_id = $1", 1, b"\0\0\x01", "C22P03"),
        (23, "user_id = $1", 0, b"x", "C22P02"),
        (701, "user_id = $1", 1, b"\x3f\xf8\0\0\0\0\0\0", "0"),
        (25, "plan = $1", 0, b"paid", "3"),
        (1043, "plan = $1", 1, b"paid", "3"),
        (1082, "at::DATE < $1", 0, b"2026-02-01", "3"),
        (1082, "at::DATE < $1", 1, b"\0\0\x25\x38", "3"),
        (1184, "at < $1", 0, b"2026-02-01 01:00:00+01", "3"),
        // Nothing in particular.
        (0, "user_id = $1", 0, b"1", "3"),
        (0, "plan = $1", 0, b"paid", "3"),
        // An array, and one that is none.
        (1016, "array_has($1, user_id)", 0, b"{1,2}", "5"),
        (1007, "user_id = ANY($1)", 0, b"{1,2}", "5"),
        (1016, "array_has($1, user_id)", 0, b"1,2", "C22P02"),
        // A point.
        (600, "plan = $1", 0, b"(1,2)", "C0A000"),
    ] {
        assert_eq!(counts(oid, condition, format, value), expected, "{oid} {condition} {value:?}");
    }
    server.assert_healthy();
}
