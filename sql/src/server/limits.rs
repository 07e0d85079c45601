//! Limits of statements and connections.

use std::time::Duration;

/// Limits of a server. They apply while a statement is planned, runs, and sends its rows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most time for a statement, from its arrival to its last row.
    pub time: Duration,
    /// Most bytes of memory for one statement; above that it spills to disk or fails.
    pub memory: usize,
    /// Most rows of one result.
    pub rows: u64,
    /// Most open connections, of all protocols together.
    pub connections: usize,
    /// Statements that take at least this long are logged as slow.
    pub slow: Duration,
    /// How long running statements may continue after the server starts to stop.
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
