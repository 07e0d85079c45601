//! Grouping and counting in one physical operator.
//!
//! DataFusion's own aggregation hashes every row's group, truncates every timestamp, and exchanges
//! the state of every group between two halves. Here, in the place of both halves,
//!
//! * group columns become small codes, and a period is told once for each run of rows in it
//!   ([`column_encoder`], [`periods`], [`groups`]);
//! * a filter of one text column is asked once for each text, not for each row ([`filters`]);
//! * each group has an [`ExactSet`](exact_set::ExactSet) for each exact count, of numbers that
//!   values are given once for the whole query ([`shared_ids`]), and a
//!   [`Sketch`](crate::users::Sketch) of hashes for each approximate one ([`counts`], [`distinct_states`]);
//! * local Parquet files are read without what need not be ([`parquet_scan`]);
//! * threads share nothing but the numbers, and unite their sets at the end ([`worker`]).
//!
//! `COUNT(DISTINCT x)` is planned onto it by two [`rules`]: one turns it into `exact_distinct(x)`
//! in the logical plan, the other turns an aggregation with this function (or with
//! `approx_count_distinct`) into the operator. Where the second does not apply, the function's
//! own accumulators count.

mod column_encoder;
mod counts;
mod distinct_states;
mod exact_set;
mod exec;
mod filters;
mod groups;
mod parquet_scan;
mod passthrough;
mod periods;
mod plan;
mod rules;
mod shared_ids;
mod worker;

pub use exec::DistinctAggregateExec;
pub use rules::{CountDistinctRule, physical_rules};
