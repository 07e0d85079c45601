//! Tests of the servers, with real clients.
//!
//! | module | content |
//! |---|---|
//! | `flight` | Flight SQL: the client of arrow-flight, ADBC, pyarrow, malformed messages |
//! | `hostile` | hostile statements, for all protocols |
//! | `http` | HTTP over raw sockets |
//! | `in_process` | servers in the test's own process |
//! | `one_answer` | the same question by all interfaces |
//! | `poll` | waiting for servers |
//! | `postgres` | PostgreSQL's protocol: tokio-postgres, psql, Python's drivers, malformed messages |

mod flight;
mod hostile;
mod http;
mod in_process;
mod one_answer;
mod poll;
mod postgres;
