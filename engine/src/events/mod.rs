//! Reads event files into validated batches.
//!
//! A [`Source`] says where the events are and which column is what. [`Scan`] reads all sources
//! once, in parallel, decodes only the requested columns, and passes every [`Batch`] to the sinks.
//! Rows that cannot be used are counted by reason ([`Rejects`]).

mod batch;
mod column_check;
mod columns;
mod csv;
mod example;
mod files;
mod find;
mod interner;
mod lines;
mod numbers;
mod parquet;
mod reject;
mod scan;
mod source;
mod text;
mod time_grain;
mod worker;

pub use batch::{Batch, Codes, SKIP, UserKeys};
pub use column_check::{ColumnProblem, column_problems};
pub use example::Example;
pub use files::{Compression, EventFile, Format};
pub use interner::{NONE_LABEL, StringInterner};
pub(crate) use lines::lines_of;
pub(crate) use parquet::{BATCH_ROWS, int_bounds};
pub use reject::{Reason, Rejected, RejectedSource, Rejects};
pub use scan::{Request, Scan, ScanObserver, ScanSummary, Sink};
pub use source::{DEPLOYMENT, Source, Value};
pub use text::{Batches as TextBatches, columns as text_columns, read as read_text};
pub use time_grain::{TimeBucketer, TimeGrain};

impl From<arrow::error::ArrowError> for crate::Error {
    fn from(cause: arrow::error::ArrowError) -> Self {
        Self::internal(format!("Arrow: {cause}")).caused_by(cause)
    }
}
