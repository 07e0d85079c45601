//! Signals, the log, and the logging of slow statements.

use super::raw_connection::{self, RawConnection};
use super::server::{Server, fails, run};
use super::texts::rows;
use crate::project::Project;

const LONG: &str = "SELECT count(*) FROM generate_series(1, 100000000000)";

#[test]
fn it_stops_on_request() {
    let project = Project::good();
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(project.root(), &["--grace", "60m"]);
        let mut idle = RawConnection::open(server.postgres);
        server.signal(signal);
        // Idle connections are closed with an error.
        let received = idle.until_ready();
        let fields = raw_connection::error(&received);
        assert!(fields.iter().any(|field| field == "C57P01"), "{fields:?}");
        assert!(server.ended().success());
    }
}

#[test]
fn running_statements_may_end_within_the_grace_period() {
    let project = Project::good();
    let mut server = Server::start(project.root(), &["--http", "127.0.0.1:0", "--grace", "60m"]);
    run(async {
        let client = server.client().await;
        // About a second of work.
        let sql = "SELECT count(*) FROM generate_series(1, 20000) a(value) \
                   CROSS JOIN generate_series(1, 20000) b(value) WHERE a.value % 7 <> b.value % 11";
        let running = tokio::spawn(async move { rows(&client, sql).await });
        server.wait_for_metric("headcount_running_statements 1");
        server.signal("TERM");
        assert_eq!(running.await.unwrap().len(), 1);
    });
    assert!(server.ended().success());
}

#[test]
fn statements_are_cancelled_after_the_grace_period() {
    let project = Project::good();
    let mut server = Server::start(project.root(), &["--http", "127.0.0.1:0", "--grace", "1s"]);
    run(async {
        let client = server.client().await;
        let running = tokio::spawn(async move { client.simple_query(LONG).await.map(|_| ()) });
        server.wait_for_metric("headcount_running_statements 1");
        server.signal("TERM");
        fails(running.await.unwrap(), "57P01", &["stopping"]);
    });
    assert!(server.ended().success());
}

#[test]
fn the_log_has_an_object_a_line_and_names_slow_statements() {
    let project = Project::good();
    let mut server = Server::start(project.root(), &["--log", "json", "--slow", "300ms"]);
    run(async {
        let client = server.client().await;
        rows(&client, "SELECT count(*) FROM visits").await;
        rows(&client, "SET statement_timeout = '500ms'").await;
        let _ = client.simple_query(LONG).await;
        let _ = client.simple_query("SELECT nothing FROM visits").await;
    });
    server.wait_for_line("slow statement");
    server.wait_for_line("nothing FROM visits");
    let log_lines = server.log_lines();
    let lines: Vec<serde_json::Value> = log_lines
        .iter()
        .filter(|line| !line.starts_with("listening"))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let of = |sql: &str| {
        let found = lines.iter().find(|line| line["sql"] == sql && line["outcome"] != "planned");
        found.unwrap_or_else(|| panic!("no {sql} in {lines:#?}"))
    };
    let counted = of("SELECT count(*) FROM visits");
    assert_eq!((&counted["level"], &counted["outcome"]), (&"INFO".into(), &"done".into()));
    assert_eq!((&counted["protocol"], &counted["rows"]), (&"postgres".into(), &1.into()));
    let slow = of(LONG);
    assert_eq!((&slow["level"], &slow["outcome"]), (&"WARN".into(), &"out_of_time".into()));
    assert_eq!(slow["message"], "slow statement");
    let failed = of("SELECT nothing FROM visits");
    assert_eq!(failed["outcome"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("nothing"));
}
