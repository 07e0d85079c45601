//! Statements and messages that want to break something: refused or answered, and the server lives.

use tokio_postgres::Client;

use super::server::{Server, run};
use super::texts::rows;
use crate::project::Project;

fn small(project: &Project) -> Server {
    let more = ["--time-limit", "3s", "--statement-memory", "64MiB", "--memory-limit", "128MiB"];
    Server::start(project.root(), &more)
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
