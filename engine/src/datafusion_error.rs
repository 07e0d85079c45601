//! Errors on their way from and to Arrow and DataFusion.

use datafusion::error::DataFusionError;

use crate::Error;

/// An error of ours on its way through DataFusion, with its kind and context.
pub(crate) fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl From<arrow::error::ArrowError> for Error {
    fn from(cause: arrow::error::ArrowError) -> Self {
        Self::internal(format!("Arrow: {cause}")).caused_by(cause)
    }
}

impl From<DataFusionError> for Error {
    /// The error of ours that DataFusion passed on, or an internal one.
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(cause) => match cause.downcast() {
                Ok(ours) => *ours,
                Err(other) => Self::internal(other.to_string()),
            },
            other => Self::internal(other.to_string()).caused_by(other),
        }
    }
}
