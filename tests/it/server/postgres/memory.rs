//! The real memory of the server stays within its limit, and other statements are answered.

use std::time::Duration;

use super::server::{Server, error_fields, run};
use super::texts::rows;
use crate::project::contributions;

const LIMIT: usize = 1 << 30;

/// Statements whose memory operators do not report, or that cannot be interrupted.
const LARGE: [&str; 7] = [
    "SELECT a.author, array_agg(b.commit) FROM contributions a, contributions b GROUP BY 1",
    "SELECT a.author, string_agg(b.commit, ',') FROM contributions a, contributions b GROUP BY 1",
    "SELECT a.author, median(length(b.commit)) FROM contributions a, contributions b GROUP BY 1",
    "SELECT median(a.value) FROM generate_series(1, 1000000000) a(value)",
    "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))",
    "SELECT max(length(s || n)) FROM (SELECT string_agg(repeat('x', 1000), '') AS s \
     FROM generate_series(1, 10000)) a, generate_series(1, 99999) t(n)",
    "SELECT max(s) FROM (SELECT sum(value) OVER () AS s FROM generate_series(1, 20000000) t(value))",
];

#[test]
fn real_memory_stays_within_the_limit() {
    let more = ["--memory-limit", "1GiB", "--statement-memory", "256MiB", "--time-limit", "10s"];
    let server = Server::start(&contributions(), &more);
    run(async {
        let dashboard = server.client().await;
        let expected = rows(&dashboard, "SELECT * FROM smau").await;
        for batch in
            [&LARGE[..1], &LARGE[1..4], &LARGE[2..], &[LARGE[1]; 4][..], &[LARGE[6]; 4][..]]
        {
            let mut running = Vec::new();
            for sql in batch {
                let client = server.client().await;
                running.push(tokio::spawn(async move { client.simple_query(sql).await.map(drop) }));
            }
            while !running.iter().all(|statement| statement.is_finished()) {
                assert_eq!(rows(&dashboard, "SELECT * FROM smau").await, expected);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            for (statement, sql) in running.into_iter().zip(batch) {
                let (code, message, _) = error_fields(statement.await.unwrap());
                println!("{sql:.60}: {code} {message}");
                assert!(["53200", "57014", "22000"].contains(&code.as_str()), "{sql}: {message}");
            }
            println!("peak {:?}", server.peak());
        }
    });
    server.assert_healthy();
    if let Some(peak) = server.peak() {
        assert!(peak < LIMIT / 4 * 5, "{peak} bytes");
    }
}
