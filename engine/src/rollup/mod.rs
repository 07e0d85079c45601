//! Aggregates events into cells: for every (time bucket, event, dimension values) the set of its
//! users. Every stage, window and dimension of a report is computed from cells by set algebra.
//!
//! [`ingest`](fn@ingest) stores the cells of files by day in the [store](crate::store), and
//! [`Rollup::from_store`] reads cells from there, together with the files that are not in the store
//! yet.
//!
//! Events are grouped and users counted by the [operator](crate::distinct) that also runs SQL
//! aggregations; the users of a cell are a set per group.

mod approx;
mod cell;
mod cell_users;
mod exact;
mod file_status;
mod from_events;
mod from_store;
mod ingest;
mod ingest_sink;
mod load;
mod merge_small_sets;
mod sets_by_cell;
mod source_plan;
mod stored_rows;
mod stored_sets;
mod trailing;
mod user_directory;
mod user_expr;

pub use approx::Sketches;
pub use cell::Cell;
pub use cell_users::{CellUsers, Counting, Rollup};
pub use exact::ExactSets;
pub use file_status::{changed_files, check_settings, find_files};
pub use from_store::FromStore;
pub use ingest::{DEFAULT_MEMORY, IngestReport, MIN_MEMORY, ingest};
pub use source_plan::{SourcePlan, StoreCoverage, source_plan, store_coverage};
pub use stored_rows::{RowGroupRef, StoredColumn, StoredRows, may_be_empty, row_schema};
pub use stored_sets::StoredSets;
pub use user_directory::{CountedUser, UserDirectory};
pub use user_expr::{CountRequest, UserExpr};
