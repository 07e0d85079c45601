//! Statements as texts: what is answered, how values are written, settings, transactions, cursors.

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
    server.is_well();
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
        let two = "SELECT (SELECT value FROM generate_series(1, 2))";
        assert!(client.simple_query(two).await.is_err());
    });
    server.is_well();
}

#[test]
fn transactions_look_like_transactions() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    let mut wire = super::wire::Wire::open(server.postgres);
    let mut status = |sql: &str| {
        wire.say('Q', &[sql.as_bytes(), b"\0"].concat());
        let heard = wire.until_ready();
        let (_, body) = heard.last().unwrap();
        (super::wire::kinds(&heard), char::from(body[0]))
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
    server.is_well();
}
