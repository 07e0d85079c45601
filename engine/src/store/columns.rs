//! The columns of a batch of a small table, by name.

use arrow::array::Array;
use arrow::record_batch::RecordBatch;

use crate::{Error, Result};

/// A batch that was read from a table.
pub(super) struct Columns<'a> {
    batch: &'a RecordBatch,
    /// What messages call the table.
    table: &'static str,
}

impl<'a> Columns<'a> {
    pub(super) fn new(batch: &'a RecordBatch, table: &'static str) -> Self {
        Self { batch, table }
    }

    /// A column of this type.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn get<T: Array + 'static>(&self, name: &str) -> Result<&'a T> {
        let column = self.batch.column_by_name(name);
        let column = column.and_then(|column| column.as_any().downcast_ref());
        column.ok_or_else(|| self.broken())
    }

    /// The error for a batch that cannot be one of the table.
    pub(super) fn broken(&self) -> Error {
        Error::input(format!("{} of the store is corrupt", self.table))
    }
}
