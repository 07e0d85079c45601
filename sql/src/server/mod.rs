//! The servers: PostgreSQL's protocol, Arrow Flight SQL and HTTP, over one engine.
//!
//! ```text
//! connection --> session --> StatementExecution --> RowStream --> protocol
//!                             |  limits of time, memory and rows; cancellation, log, metrics
//!                           ServerContext: memory, query threads, users, limits
//! ```
//!
//! The rules for all protocols are implemented here: users ([`access`]), read-only statements
//! ([`read_only`]), limits ([`limits`], [`execution`]), metrics ([`metrics`]). A protocol module
//! only converts messages to statements, and rows to messages.
//!
//! Connections and queries run on separate threads, so a busy server still accepts connections,
//! cancels statements and stops in time.

pub mod access;
pub mod context;
mod cooperative;
mod credentials;
pub mod execution;
pub mod flight;
pub mod http;
mod incoming;
pub mod limits;
pub mod metrics;
pub mod postgres;
pub mod read_only;
mod syntax;
pub mod threads;
pub mod tls;

pub use access::Access;
pub use context::ServerContext;
pub use execution::{RowStream, StatementExecution, StatementInfo};
pub use limits::Limits;
pub use metrics::Protocol;
pub use tls::Tls;
