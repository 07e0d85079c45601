//! The servers, by the clients that people use.
//!
//! | module | speaks |
//! |---|---|
//! | `flight` | Flight SQL: the client of arrow-flight, ADBC, pyarrow, and nonsense |
//! | `hostile` | statements that want to break something, by every protocol |
//! | `http` | HTTP, byte by byte |
//! | `in_process` | servers inside of the test's own process |
//! | `one_answer` | everything, and hears the same |
//! | `postgres` | PostgreSQL's protocol: tokio-postgres, psql, Python's drivers, and nonsense |

mod flight;
mod hostile;
mod http;
mod in_process;
mod one_answer;
mod postgres;
