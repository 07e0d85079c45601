//! What statements and connections may take.

use std::time::Duration;

/// Limits of a server; every one holds while a statement is planned, while it runs, and while its
/// rows are on their way.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for a statement, from its arrival to its last row.
    pub time: Duration,
    /// Bytes that one statement may hold; above that it spills to disk or fails.
    pub memory: usize,
    /// Rows of one result.
    pub rows: u64,
    /// Connections at a time, of all protocols together.
    pub connections: usize,
    /// Statements that take longer are logged as slow.
    pub slow: Duration,
    /// How long running statements may go on after the server was told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(300),
            memory: 1 << 30,
            rows: 10_000_000,
            connections: 100,
            slow: Duration::from_secs(5),
            grace: Duration::from_secs(10),
        }
    }
}
