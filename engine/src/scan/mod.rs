//! Reads event files into validated batches.
//!
//! A [`Source`] says where the events are and which column is what. [`Scan`] reads all sources
//! once, in parallel, decodes only the requested columns, and passes batches of valid rows to the sinks.
//! Rows that cannot be used are counted by reason ([`Rejects`]).

mod column_check;
mod counted;
mod csv;
mod csv_options;
mod example;
mod expression;
mod file_columns;
mod files;
mod find;
mod json_shape;
mod labels;
mod lines;
mod numbers;
mod open_scan;
mod parquet;
mod reason;
mod reject;
mod request;
mod run;
mod sample;
mod source;
mod text;
mod time_grain;
mod times;
mod user_keys;
mod worker;

pub use column_check::{ColumnProblem, column_problems, file_schema, is_complete};
pub use csv_options::{CsvOptions, Header, Quote};
pub use example::Example;
pub use expression::{Expression, says_time};
pub use files::{Compression, EventFile, Format};
pub(crate) use lines::lines_of;
pub use open_scan::Scan;
pub(crate) use parquet::{ParquetFile, int_bounds};
pub use reason::Reason;
pub use reject::{Rejected, RejectedSource, Rejects};
pub use request::{EVENT, PERIOD, Request, ScanSummary, Sink, USER};
pub use sample::{Sample, sample};
pub use source::{DEPLOYMENT, Dimension, Source, Value, dimensions_of};
pub use text::{Batches as TextBatches, read as read_text, schema as text_schema};
pub use time_grain::{TimeBucketer, TimeGrain};
pub use user_keys::UserKeys;
pub(crate) use user_keys::{
    any_keys, counted_rows, for_each_key, is_countable, is_int, is_user, scope_values,
    split_scopes, user_keys,
};
