//! Errors as gRPC statuses.

use engine::{Error, Kind};
use tonic::{Code, Status};

/// Most bytes of an error message, because clients limit the size of headers.
const MAX_ERROR_BYTES: usize = 2000;

/// Converts an error to a gRPC status.
pub(super) fn status(error: &Error) -> Status {
    let code = match error.kind() {
        Kind::Input => Code::InvalidArgument,
        Kind::Limit => Code::ResourceExhausted,
        Kind::Io => Code::FailedPrecondition,
        _ => Code::Internal,
    };
    let mut message = error.to_string();
    if message.len() > MAX_ERROR_BYTES {
        message.truncate(message.floor_char_boundary(MAX_ERROR_BYTES));
        message.push_str(" ...");
    }
    Status::new(code, message)
}
