//! The servers: PostgreSQL's protocol, Arrow Flight SQL and HTTP, over one engine.
//!
//! ```text
//! connection --> its own session --> one statement: Running --> Rows --> the protocol
//!                                      |  time, memory, rows, cancelling, the log, the metrics
//!                                   Shared: memory, threads for queries, users, limits
//! ```
//!
//! What holds for every protocol is written once, here: who may come in ([`access`]), that
//! statements only read ([`read_only`]), what a statement may take ([`limits`], [`running`]), what
//! is counted and logged ([`metrics`]). A protocol only turns its messages into statements, and
//! rows into its messages.
//!
//! Connections live on threads of their own, apart from the threads that queries run on: a busy
//! machine still accepts, cancels and stops in time.

pub mod access;
mod credentials;
pub mod depth;
pub mod flight;
pub mod http;
mod incoming;
pub mod limits;
pub mod memory;
pub mod metrics;
pub mod postgres;
pub mod read_only;
pub mod running;
pub mod shared;
mod stoppable;
pub mod tls;
mod yielding;

pub use access::Access;
pub use limits::Limits;
pub use running::{About, Protocol, Rows, Running};
pub use shared::Shared;
pub use tls::Tls;
