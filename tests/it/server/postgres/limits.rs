//! Limits of time, memory, rows and connections; cancellation.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use tokio_postgres::NoTls;

use super::raw_connection::{self, RawConnection};
use super::server::{Server, client, fails, run};
use super::texts::rows;
use crate::project::{Project, contributions};

/// Endless work without rows.
const ENDLESS: [&str; 3] = [
    "SELECT count(*) FROM generate_series(1, 100000000000)",
    "SELECT count(*) FROM generate_series(1, 3000000) a(value) CROSS JOIN generate_series(1, 3000000) b(value) \
     WHERE a.value % 7 = b.value % 11",
    "SELECT count(DISTINCT a.value * b.value % 1000) FROM generate_series(1, 3000000) a(value) \
     CROSS JOIN generate_series(1, 3000000) b(value)",
];
/// Endless rows.
const FLOOD: &str =
    "SELECT value, value * 2 AS twice FROM generate_series(1, 100000000000) t(value)";
/// The metrics while no statement, or one, is running.
const IDLE: &str = "headcount_running_statements 0";
const BUSY: &str = "headcount_running_statements 1";

#[test]
fn slow_statements_end_while_others_run() {
    let project = Project::good();
    let mut server =
        Server::start(project.root(), &["--http", "127.0.0.1:0", "--time-limit", "2s"]);
    run(async {
        let other = server.client().await;
        for sql in ENDLESS.into_iter().chain([FLOOD]) {
            let slow = server.client().await;
            let slow = tokio::spawn(async move { slow.simple_query(sql).await.map(|_| ()) });
            server.wait_for_metric(BUSY);
            assert_eq!(rows(&other, "SELECT count(*) FROM visits").await, ["7"]);
            fails(slow.await.unwrap(), "57014", &["limit of 2 s", "--time-limit"]);
            server.wait_for_metric(IDLE);
        }
        // Prepared statements have the same time.
        fails(other.query(FLOOD, &[]).await, "57014", &["limit of 2 s"]);
        // A connection may give itself less, and no more.
        for (timeout, limit) in [("'300ms'", "0.3 s"), ("60000", "2 s"), ("0", "2 s")] {
            rows(&other, &format!("SET statement_timeout = {timeout}")).await;
            fails(other.simple_query(ENDLESS[0]).await, "57014", &[limit]);
        }
    });
    server.assert_healthy();
}

#[test]
fn memory_and_rows_have_their_limits() {
    let project = Project::good();
    let more = ["--statement-memory", "16MiB", "--memory-limit", "512MiB", "--row-limit", "20000"];
    let server = Server::start(project.root(), &more);
    run(async {
        let client = server.client().await;
        let much = "SELECT array_agg(value) FROM generate_series(1, 10000000) t(value)";
        fails(client.simple_query(much).await, "53200", &["--statement-memory"]);
        fails(client.query(much, &[]).await, "53200", &["--statement-memory"]);
        let kept = "SELECT max(s) FROM (SELECT sum(value) OVER () AS s \
                    FROM generate_series(1, 10000000) t(value))";
        fails(
            client.simple_query(kept).await,
            "53200",
            &["a window function", "--statement-memory"],
        );
        let rows_of = |n: u32| format!("SELECT value FROM generate_series(1, {n}) t(value)");
        assert_eq!(rows(&client, &rows_of(20_000)).await.len(), 20_000);
        fails(
            client.simple_query(&rows_of(20_001)).await,
            "54000",
            &["limit of 20000 rows", "LIMIT"],
        );
        // Those before the limit come, and then the error.
        let stream = client.query_raw(&rows_of(1_000_000), Vec::<i64>::new()).await.unwrap();
        let (mut stream, mut come) = (std::pin::pin!(stream), 0);
        let error = loop {
            match stream.next().await.unwrap() {
                Ok(_) => come += 1,
                Err(error) => break error,
            }
        };
        assert!(come > 0 && come <= 20_000, "{come}");
        fails(Err::<(), _>(error), "54000", &["20000"]);
        assert_eq!(rows(&client, "SELECT 1").await, ["1"]);
    });
    server.assert_healthy();
}

#[test]
fn a_cancelled_statement_stops() {
    let root = contributions();
    let mut server = Server::start(&root, &["--http", "127.0.0.1:0"]);
    run(async {
        let statements = ENDLESS.into_iter().chain([
            FLOOD,
            // Over raw events: they are read again and again.
            "SELECT count(*) FROM smau a, smau b, smau c, smau d, smau e, smau f",
        ]);
        for sql in statements {
            for prepared in [false, true] {
                let client = server.client().await;
                let cancel = client.cancel_token();
                let running = tokio::spawn(async move {
                    match prepared {
                        true => client.query(sql, &[]).await.map(|_| ()),
                        false => client.simple_query(sql).await.map(|_| ()),
                    }
                });
                server.wait_for_metric(BUSY);
                // Most are past planning now; in either state they can be cancelled.
                tokio::time::sleep(Duration::from_millis(300)).await;
                cancel.cancel_query(NoTls).await.unwrap();
                fails(running.await.unwrap(), "57014", &["cancel"]);
                server.wait_for_metric(IDLE);
            }
        }
        // A connection whose statement was cancelled goes on; nothing to cancel is no mistake.
        let client = server.client().await;
        client.cancel_token().cancel_query(NoTls).await.unwrap();
        let rows_of = client.query_raw(FLOOD, Vec::<i64>::new()).await.unwrap();
        let mut rows_of = std::pin::pin!(rows_of);
        rows_of.next().await.unwrap().unwrap();
        client.cancel_token().cancel_query(NoTls).await.unwrap();
        let rest = rows_of.try_collect::<Vec<_>>().await;
        fails(rest.map(|rows| rows.len()), "57014", &["cancel"]);
        assert_eq!(rows(&client, "SELECT 1").await, ["1"]);
    });
    server.assert_healthy();
}

#[test]
fn cancelling_requires_the_key() {
    let project = Project::good();
    let server = Server::start(project.root(), &["--time-limit", "2s"]);
    let mut victim = RawConnection::unauthenticated(server.postgres);
    victim.bytes(&raw_connection::startup(&[("user", "ada")]));
    let received = victim.until_ready();
    let (_, key) = received.iter().find(|(kind, _)| *kind == 'K').unwrap();
    victim.send('Q', &[FLOOD.as_bytes(), b"\0"].concat());
    let request = |key: &[u8]| {
        let length = u32::try_from(key.len() + 8).unwrap().to_be_bytes();
        let mut other = RawConnection::unauthenticated(server.postgres);
        other.bytes(&[&length[..], &80_877_102_u32.to_be_bytes(), key].concat());
        // The server does not respond to cancel requests.
        while other.receive().is_some() {}
    };
    let mut wrong = key.clone();
    wrong[7] ^= 1;
    for key in [&wrong[..], &key[..4], &[0; 300]] {
        request(key);
    }
    let received = victim.until_ready();
    assert!(raw_connection::error(&received).iter().any(|field| field.contains("limit of 2 s")));
    server.assert_healthy();
}

/// Clients that disconnect or do not read do not affect others.
#[test]
fn statements_of_disconnected_clients_are_cancelled() {
    let project = Project::good();
    let mut server = Server::start(
        project.root(),
        &["--http", "127.0.0.1:0", "--time-limit", "60m", "--connections", "3"],
    );
    for sql in [ENDLESS[0], FLOOD] {
        let mut disconnected = RawConnection::open(server.postgres);
        disconnected.send('Q', &[sql.as_bytes(), b"\0"].concat());
        server.wait_for_metric(BUSY);
        drop(disconnected);
        server.wait_for_metric(IDLE);
    }
    let cancelled = "headcount_statements_total{protocol=\"postgres\",outcome=\"cancelled\"}";
    server.wait_for_metric(&format!("{cancelled} 2"));
    server.wait_for_metric("headcount_connections{protocol=\"postgres\"} 0");
    run(async {
        let busy = server.client().await;
        let cancel = busy.cancel_token();
        let running = tokio::spawn(async move { busy.simple_query(ENDLESS[0]).await.map(|_| ()) });
        server.wait_for_metric(BUSY);
        let mut idle = Vec::new();
        let refused = loop {
            match client(&server.config()).await {
                Ok(client) => idle.push(client),
                Err(error) => break error,
            }
        };
        assert!(idle.len() <= 2, "{} connections are open", idle.len() + 1);
        fails(Err::<(), _>(refused), "53300", &["3", "--connections"]);
        // While all connections are in use, statements can be cancelled.
        cancel.cancel_query(NoTls).await.unwrap();
        fails(running.await.unwrap(), "57014", &["cancel"]);
    });
}
