//! `COUNT(DISTINCT user)` from the roll-up: random queries give the same rows as on the events, and
//! the roll-up is used only while it matches the events.
//!
//! Fixed queries are in `tests/slt/visits`.

mod laws;
mod limits;

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use headcount::catalog::{CatalogOptions, register};
use headcount::session::{Options, session};

use crate::answer::sorted;
use crate::project::Project;

/// A session on a project.
fn open(project: &Project) -> SessionContext {
    let session = session(&Options { threads: Some(2), ..Options::default() }).unwrap();
    let project = engine::project::Project::load(project.root()).unwrap();
    let catalog_options =
        CatalogOptions { project: Some(Arc::new(project)), ..CatalogOptions::default() };
    register(&session, &catalog_options).unwrap();
    session
}

/// The output of `EXPLAIN`.
async fn plan(session: &SessionContext, sql: &str) -> String {
    sorted(session, &format!("EXPLAIN FORMAT INDENT {sql}")).await.join("\n")
}

/// Rows with the roll-up, by the events, and by DataFusion alone are the same. Returns whether the
/// plan shows the roll-up.
async fn same(project: &Project, sql: &str) -> bool {
    let session = open(project);
    let plan = plan(&session, sql).await;
    let shown = plan.contains("RollupExec");
    assert_eq!(shown, plan.contains("(roll-up of "), "{sql}\n{plan}");
    let with = sorted(&session, sql).await;
    for setting in ["headcount.rollup", "headcount.exact_distinct"] {
        session.sql(&format!("SET {setting} = false")).await.unwrap();
        assert_eq!(with, sorted(&session, sql).await, "{setting}: {sql}\n{plan}");
    }
    shown
}
