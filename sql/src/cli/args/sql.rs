//! Arguments of `headcount sql`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::super::values::{bytes, setting};
use crate::output::Format;
use crate::session::Options;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headcount sql                                       the prompt; \\? lists its commands
  headcount sql -c 'SELECT count(DISTINCT user_id) FROM events'
  headcount sql -f monthly.sql --format csv -o monthly.csv
  headcount sql -c \"SELECT * FROM 'events/*.parquet' LIMIT 10\"

In a project every source is a table of that name. Any file, folder or glob in single quotes is a
table, with or without a project. Files (-f) run before -c; the first error stops. Without both,
statements are read from stdin if it is not a terminal.

On a terminal, tables fit its width and stop after 1,000 rows, and what is longer than a screen goes
through the pager (PAGER; `PAGER=` for none).")]
pub(in crate::cli) struct Sql {
    /// Statements to run, separated by `;`
    #[arg(short, long, value_name = "SQL")]
    pub(in crate::cli) command: Vec<String>,
    /// File of statements to run; - is stdin
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) file: Vec<PathBuf>,
    /// Format of the output [default: by the ending of FILE, or table]
    #[arg(long, value_name = "FORMAT", value_parser = Format::parser(Format::OF_QUERIES))]
    pub(in crate::cli) format: Option<Format>,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
    /// Write every row of a table as a record, with one line for each value
    #[arg(short = 'x', long)]
    pub(in crate::cli) expanded: bool,
    /// Threads per query [default: one per core]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) threads: Option<NonZeroUsize>,
    /// Memory that queries may use, such as 4GB or 512MiB; beyond it they spill to disk or fail
    /// [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(in crate::cli) memory_limit: Option<usize>,
    /// Folder for spill files [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) temporary: Option<PathBuf>,
    /// A setting of DataFusion, such as datafusion.execution.batch_size=1024; SHOW ALL lists them
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(in crate::cli) set: Vec<(String, String)>,
}

impl Sql {
    /// What the session may use.
    pub(in crate::cli) fn options(&self) -> Options {
        Options {
            memory_limit: self.memory_limit,
            threads: self.threads.map(NonZeroUsize::get),
            temporary: self.temporary.clone(),
            settings: self.set.clone(),
        }
    }
}
