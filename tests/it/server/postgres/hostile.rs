//! Statements and messages that want to break something: refused or answered, and the server lives.

use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::server::{Server, run};
use super::texts::rows;
use crate::project::Project;

fn small(project: &Project) -> Server {
    let more = ["--time-limit", "3s", "--statement-memory", "64MiB", "--memory-limit", "128MiB"];
    Server::start(project.root(), &more)
}

#[test]
fn hostile_statements_are_answered() {
    let project = Project::good();
    let server = small(&project);
    let many = |what: &str, times: usize| what.repeat(times);
    let statements = [
        format!("SELECT {}1{}", many("(", 5_000), many(")", 5_000)),
        format!("SELECT 1{}", many(" + 1", 20_000)),
        format!("SELECT 1 WHERE {}true", many("NOT ", 5_000)),
        format!("SELECT {}1", many("- ", 5_000)),
        format!("{}SELECT 1", many("SELECT 1 UNION ALL ", 3_000)),
        format!("SELECT {}1{}", many("(SELECT ", 500), many(")", 500)),
        format!("SELECT {}", many("[", 5_000)),
        format!("SELECT '{}", many("x", 1 << 20)),
        format!("SELECT \"{}\"", many("é", 1 << 19)),
        format!("SELECT 1 IN ({}1)", many("1,", 50_000)),
        format!("SELECT pg_class.relname FROM pg_class WHERE {}true", many("oid = 1 OR ", 5_000)),
        many("SELECT 1;", 5_000),
        many("BEGIN;", 5_000),
        "SELECT repeat('x', 2000000000)".to_owned(),
        "SELECT repeat(repeat('x', 100000), 100000)".to_owned(),
        "SELECT array_agg(a.value) FROM generate_series(1, 100000000) a".to_owned(),
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r"
            .to_owned(),
        "SELECT regexp_match(repeat('a', 100000), '(a+)+$')".to_owned(),
        "SELECT $é, ?, $0, $$ ".to_owned(),
        "SELECT $1".to_owned(),
        "\u{feff}\u{202e}SELECT".to_owned(),
        "SELECT bitmap_count(x'ffffffffffffffffffff')".to_owned(),
        "SELECT 1 / 0, CAST('x' AS INT), -9223372036854775808 / -1".to_owned(),
        "SELECT date_bin(INTERVAL '0', now()), to_timestamp(1e300)".to_owned(),
        "SELECT DATE '0001-01-01', DATE '9999-12-31' + INTERVAL '300000 years'".to_owned(),
        "SELECT arrow_cast(9223372036854775807, 'Timestamp(Second, None)')".to_owned(),
        "SELECT arrow_cast(-2147483648, 'Date32'), arrow_cast(1, 'Decimal256(70, 3)')".to_owned(),
        "SELECT map(['a'], [1]), struct(1, 'a'), [[1]], [struct(1)]".to_owned(),
        "DECLARE c CURSOR FOR DROP TABLE visits".to_owned(),
        "PREPARE p AS SELECT 1; EXECUTE p".to_owned(),
        "DO $$ BEGIN NULL; END $$".to_owned(),
        "SELECT pg_sleep(1000), pg_read_file('/etc/passwd'), lo_import('/etc/passwd')".to_owned(),
        "SELECT * FROM '/etc/passwd'".to_owned(),
        "SELECT * FROM \"/etc/passwd\"".to_owned(),
        "SELECT * FROM read_csv('/etc/passwd')".to_owned(),
        "CREATE FUNCTION f() RETURNS INT RETURN 1".to_owned(),
        "SET datafusion.execution.target_partitions = 100000".to_owned(),
        "EXPLAIN ANALYZE SELECT count(*) FROM generate_series(1, 100000000000)".to_owned(),
    ];
    run(async {
        let mut client = server.client().await;
        for sql in statements {
            let shown: String = sql.chars().take(60).collect();
            for prepared in [false, true] {
                let begun = Instant::now();
                // Some are only slow or large, and may well be answered.
                let error = match prepared {
                    true => client.query(&sql, &[]).await.err(),
                    false => client.simple_query(&sql).await.err(),
                };
                assert!(
                    begun.elapsed() < Duration::from_secs(12),
                    "{shown}: {:?}",
                    begun.elapsed()
                );
                if let Some(error) = error {
                    println!("{shown}: {error:?}");
                    assert!(!format!("{error:?}").contains("root:"), "{shown}: {error:?}");
                }
                let _ = client.simple_query("ROLLBACK").await;
                assert!(alive(&client).await, "after {shown}");
                client = server.client().await;
            }
        }
    });
    server.is_well();
}

async fn alive(client: &Client) -> bool {
    rows(client, "SELECT 7").await == ["7"]
}

/// A thousand of everything, and then no more.
#[test]
fn what_is_left_open_is_bounded() {
    let project = Project::good();
    let server = small(&project);
    run(async {
        let client = server.client().await;
        let mut kept = Vec::new();
        let mut refused = None;
        for n in 0..20_000 {
            match client.prepare(&format!("SELECT {n}")).await {
                Ok(statement) => kept.push(statement),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        assert!(refused.is_some(), "{} statements", kept.len());
        assert!(alive(&client).await);
    });
    server.is_well();
}
