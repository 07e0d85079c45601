//! Integration tests: the program as users run it, with every number computed in a second way.
//!
//! | module | question |
//! |---|---|
//! | `activity` | do sets of the table `activity` combine only within one store? |
//! | `broken` | does every broken input end in an error that says what, where and what to do? |
//! | `cli` | do the commands match their help? |
//! | `cycles` | do no two files use each other? |
//! | `damage` | does a damaged CSV file give an error rather than fewer rows? |
//! | `docs` | do the examples of README.md and docs/ run, and their links resolve? |
//! | `duckdb` | are random statements answered as DuckDB answers them? |
//! | `exchange` | do other programs read our sets and sketches, and we theirs? |
//! | `exports` | are exports of other products counted as plain Python counts them? |
//! | `forecast` | are lines continued, and short series refused? |
//! | `laws` | are the rows of random data those of the reference implementation in `oracle`? |
//! | `metric_data` | does `check` say where each metric has data? |
//! | `packages` | does the wheel install and run, and are the other packages made of files that exist? |
//! | `ping_out` | are the values of `headcount ping` those of plain loops, and unions of sketches near the true ones? |
//! | `pings` | are the tables of pings those of the rules, of a count by hand, and of plain Python? |
//! | `planning` | does our operator give the rows of DataFusion for COUNT(DISTINCT)? |
//! | `publish` | do dbt and MetricFlow give the published numbers, and readers never find half of a publication? |
//! | `real` | are the answers on the real data those of plain DataFusion? |
//! | `recount` | are the reports of random projects those of a second count in Python? |
//! | `rejects` | are rows that cannot be counted reported by reason, and the others counted? |
//! | `report_page` | do reports work in a browser, and with many values? |
//! | `rewrite` | do queries on the roll-up give the rows of the events? |
//! | `rows` | do reports with many rows keep to the limits, and `--top` to its definition? |
//! | `server` | do clients of every protocol get the same answers, within the limits? |
//! | `shape` | are the dependency rules followed? |
//! | `site` | are the pages of `headcount docs` whole, and do their statements give their numbers? |
//! | `slt` | do the sqllogictest files pass? |
//! | `sources` | do the same events give the same rows in every file format and column type? |
//! | `sql` | does `headcount sql` run scripts, write all formats and match the reports? |
//! | `store` | does the store keep every number through kills, late files and duplicates? |
//! | `terminal` | do tables fit a terminal without leaving out a column or number? |
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
mod cycles;
mod damage;
mod docs;
mod duckdb;
mod exchange;
mod exports;
mod forecast;
mod laws;
mod metric_data;
mod oracle;
mod packages;
mod ping_out;
mod pings;
mod planning;
mod project;
mod publish;
mod python;
mod real;
mod recount;
mod rejects;
mod report_page;
mod rewrite;
mod rows;
mod server;
mod shape;
mod site;
mod slt;
mod sources;
mod sql;
mod store;
mod table;
mod terminal;
mod truth;
mod visits;
mod world;
