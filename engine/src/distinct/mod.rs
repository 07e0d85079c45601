//! Grouping and counting in one physical operator.
//!
//! DataFusion's own aggregation hashes the group of every row, truncates every timestamp, and
//! exchanges the state of every group between two phases. One operator replaces both phases:
//!
//! * group columns are encoded as small codes, and a period is computed once per run of rows in it
//!   ([`column_encoder`], [`periods`], [`groups`]);
//! * a filter of one text column is evaluated once per distinct text, not once per row
//!   ([`filters`]);
//! * each group has an [`ExactSet`](exact_set::ExactSet) for each exact count, of ids that values
//!   get once per query ([`query_ids`]), and a [`Sketch`](crate::users::Sketch) of hashes for each
//!   approximate one ([`counts`], [`distinct_states`]);
//! * other aggregates use DataFusion's accumulators ([`passthrough`]);
//! * local Parquet files are read without columns that are not needed ([`parquet_scan`]);
//! * threads share only the ids, and merge their sets at the end ([`worker`]).
//!
//! `COUNT(DISTINCT x)` is planned onto it by two [`rules`]: one turns it into `exact_distinct(x)`
//! in the logical plan, the other turns an aggregation with this function (or with
//! `approx_count_distinct`) into the operator. Where the second does not apply, the function's own
//! accumulators count.

mod codes;
mod column_encoder;
mod counts;
mod distinct_state;
mod distinct_states;
mod exact_set;
mod exec;
mod filters;
mod groups;
mod parquet_scan;
mod passthrough;
mod periods;
mod plan;
mod query_ids;
mod rules;
mod worker;

pub(crate) use distinct_state::DistinctState;
pub(crate) use exact_set::ExactSet;
pub use exec::DistinctAggregateExec;
pub(crate) use plan::Aggregates;
pub(crate) use query_ids::{IdValue, QueryIds};
pub use rules::{CountDistinctRule, physical_rules};
pub(crate) use worker::{GroupedUsers, Worker};
