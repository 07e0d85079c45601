//! Signals, the log, and what is written down of slow statements.

use std::time::{Duration, Instant};

use super::server::{Server, fails, run};
use super::texts::rows;
use super::wire::{self, Wire};
use crate::project::Project;

const LONG: &str = "SELECT count(*) FROM generate_series(1, 100000000000)";

#[test]
fn it_stops_when_it_is_told_to() {
    let project = Project::good();
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(project.root(), &["--grace", "20s"]);
        let mut idle = Wire::open(server.postgres);
        server.signal(signal);
        // Nobody waits for those who do nothing; they are told.
        let heard = idle.until_ready();
        let told = wire::error(&heard);
        assert!(told.iter().any(|field| field == "C57P01"), "{told:?}");
        assert!(server.ended(Duration::from_secs(5)).success());
    }
}

#[test]
fn running_statements_may_end_within_the_grace() {
    let project = Project::good();
    let mut server = Server::start(project.root(), &["--grace", "20s"]);
    run(async {
        let client = server.client().await;
        // About a second of work.
        let sql = "SELECT count(*) FROM generate_series(1, 20000) a \
                   CROSS JOIN generate_series(1, 20000) b WHERE a.value % 7 <> b.value % 11";
        let running = tokio::spawn(async move { rows(&client, sql).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.signal("TERM");
        assert_eq!(running.await.unwrap().len(), 1);
    });
    assert!(server.ended(Duration::from_secs(5)).success());
}

#[test]
fn what_runs_beyond_the_grace_is_ended() {
    let project = Project::good();
    let mut server = Server::start(project.root(), &["--grace", "1s"]);
    let begun = Instant::now();
    run(async {
        let client = server.client().await;
        let running = tokio::spawn(async move { client.simple_query(LONG).await.map(|_| ()) });
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.signal("TERM");
        fails(running.await.unwrap(), "57P01", &["stopping"]);
    });
    assert!(server.ended(Duration::from_secs(5)).success());
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}
