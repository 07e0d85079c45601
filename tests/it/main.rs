//! Integration tests: the program as users run it, with every number computed in a second way.
//!
//! | module | question |
//! |---|---|
//! | `activity` | does the table `activity` count what the events count? |
//! | `broken` | does every broken input end in an error that says what, where and what to do? |
//! | `cli` | do the commands match their help? |
//! | `damage` | does a damaged CSV file give an error rather than fewer rows? |
//! | `docs` | do the examples of README.md and docs/ run, and their links resolve? |
//! | `duckdb` | are random statements answered as DuckDB answers them? |
//! | `exchange` | do other programs read our sets and sketches, and we theirs? |
//! | `laws` | are the rows of random data those of the reference implementation in `oracle`? |
//! | `pings` | are the tables of pings those of the rules, of a count by hand, and of plain Python? |
//! | `planning` | does planning COUNT(DISTINCT) onto our operator change no answer? |
//! | `real` | are the answers on the real data those of plain DataFusion? |
//! | `recount` | are the reports of random projects those of a recount in plain Python? |
//! | `rejects` | are rows that cannot be counted reported by reason, and the others counted? |
//! | `rewrite` | does the roll-up in the place of events change no answer of SQL? |
//! | `rows` | do reports with many rows keep to the limits, and `--top` to its definition? |
//! | `server` | do clients of every protocol get the same answers, within the limits? |
//! | `shape` | are the dependency rules followed? |
//! | `slt` | do the sqllogictest files pass? |
//! | `sources` | does the form of the events not matter? |
//! | `sql` | do SQL results match expectations and reports? |
//! | `store` | does the store keep every number, through kills, late files and twice-given ones? |
//! | `truth` | are the answers on generated data the known ones? |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::type_complexity,
    missing_docs,
    reason = "a test may fail loudly, and its tables are types of their own"
)]

mod accuracy;
mod activity;
mod answer;
mod broken;
mod bucket;
mod cli;
mod damage;
mod docs;
mod duckdb;
mod exchange;
mod laws;
mod oracle;
mod pings;
mod planning;
mod project;
mod python;
mod real;
mod recount;
mod rejects;
mod rewrite;
mod rows;
mod server;
mod shape;
mod slt;
mod sources;
mod sql;
mod store;
mod table;
mod truth;
mod world;
