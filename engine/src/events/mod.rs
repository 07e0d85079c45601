//! Reads event files into validated batches.
//!
//! A [`Source`] says where the events are and which column is what. [`Scan`] reads all sources
//! once, in parallel, decodes only the requested columns, and passes batches of valid rows to the sinks.
//! Rows that cannot be used are counted by reason ([`Rejects`]).

mod column_check;
mod counted;
mod csv;
mod example;
mod files;
mod find;
mod labels;
mod lines;
mod numbers;
mod parquet;
mod reject;
mod scan;
mod source;
mod text;
mod time_grain;
mod times;
mod user_keys;
mod worker;

pub use column_check::{ColumnProblem, column_problems};
pub use example::Example;
pub use files::{Compression, EventFile, Format};
pub(crate) use lines::lines_of;
pub(crate) use parquet::{ParquetFile, int_bounds};
pub use reject::{Reason, Rejected, RejectedSource, Rejects};
pub use scan::{EVENT, PERIOD, Request, Scan, ScanSummary, Sink, USER};
pub use source::{DEPLOYMENT, Source, Value};
pub use text::{Batches as TextBatches, columns as text_columns, read as read_text};
pub use time_grain::{TimeBucketer, TimeGrain};
pub use user_keys::UserKeys;
pub(crate) use user_keys::{
    any_keys, counted_rows, for_each_key, is_countable, is_int, is_user, scope_values,
    split_scopes, user_keys,
};

impl From<arrow::error::ArrowError> for crate::Error {
    fn from(cause: arrow::error::ArrowError) -> Self {
        Self::internal(format!("Arrow: {cause}")).caused_by(cause)
    }
}

impl From<datafusion::error::DataFusionError> for crate::Error {
    /// The error of ours that DataFusion passed on, or an internal one.
    fn from(error: datafusion::error::DataFusionError) -> Self {
        match error {
            datafusion::error::DataFusionError::External(cause) => match cause.downcast() {
                Ok(ours) => *ours,
                Err(other) => Self::internal(other.to_string()),
            },
            other => Self::internal(other.to_string()).caused_by(other),
        }
    }
}
