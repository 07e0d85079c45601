//! Arguments of the commands, and their help texts.

mod count;
mod publish;
mod report;
mod sql;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use datasets::{Ids, Nonresponse};
use engine::active::Level;
use engine::calendar::{Day, Window, first_day, last_day};
use engine::project::Project;
use engine::{Error, Result};

use super::values::{
    bytes, calendar_month, ids, month, nonresponse, precision, server_memory, setting,
};
use crate::output::Format;
use crate::server::Limits;
use crate::server::execution::parse_duration;
use crate::session::Options;

pub(super) use publish::Publish;
pub(super) use report::Report;
pub(super) use sql::Sql;

/// Counts the active users of a product: exact and approximate monthly active users, overall (MAU)
/// and per stage (SMAU).
#[derive(Debug, Parser)]
#[command(
    name = "headcount",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some input was \
                  rejected (counts and reasons are on stderr)."
)]
pub(super) struct Arguments {
    /// Folder of the project [default: this folder or its nearest parent with headcount.yaml]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) project: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Report on a small real data set, as a table and as HTML
    Demo(Demo),
    /// Create a working example project, to be adapted
    Init(Init),
    /// Report every problem, with file, line and key, events that no metric uses, and where metrics
    /// have data
    Check(Check),
    /// Count active users per period, stage and dimension
    Report(Report),
    /// Publish report rows as a Parquet file or Delta table for dbt and other programs
    Publish(Publish),
    /// Compare numbers from events with those from pings, where both describe the same people
    Reconcile(Reconcile),
    /// Write the documentation of metrics as HTML pages that need no server
    Docs(Docs),
    /// Build this installation's Service Ping from its events
    Ping(Ping),
    /// Add new event files to the store, each exactly once
    Ingest(Ingest),
    /// Inspect, verify, compact or export the store
    #[command(subcommand)]
    Store(Store),
    /// Run SQL: at a prompt, or with -c and -f
    Sql(Sql),
    /// Serve queries over PostgreSQL's protocol, Arrow Flight SQL and HTTP
    Serve(Box<Serve>),
    /// Generate synthetic events, or installations that send pings, with the true numbers of users in
    /// separate files
    Generate(Generate),
    /// Measure accuracy and speed on your data, or on synthetic data
    Bench(Bench),
    /// Print completions for a shell
    Completions {
        /// The shell to complete in
        shell: Shell,
    },
}

impl Command {
    /// The threads that it was given, if it takes a number of them.
    pub(super) fn threads(&self) -> Option<NonZeroUsize> {
        match self {
            Self::Sql(options) => options.threads,
            Self::Serve(options) => options.threads,
            _ => None,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where to write the HTML report
    #[arg(short, long, value_name = "FILE", default_value = "headcount-demo.html")]
    pub(super) output: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Folder to create; existing files are never changed
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
    /// Files of events to write a first draft for, instead of an example: files, folders, globs
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) from: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// List every metric with the days of its data, instead of the first few
    #[arg(short, long)]
    pub(super) verbose: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Compares the SaaS installation (`pings.saas` in headcount.yaml) month by month and metric by metric:
users of its events (of the deployment saas, if a source has deployments) in the last 28 days of the
month, with its last ping of the month. Likely causes of a difference:
  window              the ping counts other days, in which the events have its number
  sketch_error        the same, but for the error of Redis' counters
  incomplete          the events begin or end within the days that are compared
  not_counted         the metric is not counted from events
  missing_in_version  the version is older than the metric
  not_sent            the ping does not have the metric
  not_measured        the value in the ping is no number, such as -1 after a timeout
  unexplained         none of these

Examples:
  headcount reconcile                                 all months and metrics
  headcount reconcile --from 2026-01 --to 2026-03 -o reconciled.csv
  headcount reconcile --metric usage_activity_by_stage_monthly.plan.issues

Tables and Markdown leave out the days that are compared; other formats have all columns.")]
pub(super) struct Reconcile {
    /// First month, by any of its days: 2026-01, 2026-01-15
    #[arg(long, value_parser = first_day)]
    pub(super) from: Option<Day>,
    /// Last month, inclusive
    #[arg(long, value_parser = last_day)]
    pub(super) to: Option<Day>,
    /// Metrics to compare, separated by commas: key paths of metrics or of pings [default: all]
    #[arg(long, value_delimiter = ',', value_name = "METRICS")]
    pub(super) metric: Vec<String>,
    /// Memory that users and counts may hold, such as 4GB or 512MiB; more is refused
    /// [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(super) memory_limit: Option<usize>,
    /// Format of the output [default: by the ending of FILE, or table]
    #[arg(long, value_name = "FORMAT", value_parser = Format::parser(Format::OF_QUERIES))]
    pub(super) format: Option<Format>,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The folder has one page with a table of all metrics, events, groups, stages and sections, a page for
each of them, a page on personal data, and the table as dictionary.csv and dictionary.json. The pages
work from the file system, without JavaScript, and load nothing from elsewhere. Numbers are those of
`headcount report --level total,section,stage,group,action`, and of pings those of the table
`ping_recorded`. The same input gives the same files.

Examples:
  headcount docs -o metric-docs
  headcount docs -o public --overwrite --title 'Metrics of our product'")]
pub(super) struct Docs {
    /// Folder to create; it may exist if it is empty
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
    /// Replace an earlier site in the folder; other files stay
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Title of the pages
    #[arg(long, value_name = "TEXT", default_value = "Metrics dictionary")]
    pub(super) title: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headcount ping -o ping.json                         of the newest complete month
  headcount ping --month 2026-03                      recorded on the last day of March
  headcount ping --as-of 2026-03-18 --min-users 5     recorded on a day, without small numbers
  headcount ping --sketches                           also mergeable sketches of the users

The ping says who sends it as `installation:` in headcount.yaml does. Metrics that cannot be counted
from events are left out and listed on stderr.")]
pub(super) struct Ping {
    /// Month of the ping, which must be complete [default: the newest complete month]
    #[arg(long, value_name = "YYYY-MM", value_parser = calendar_month, conflicts_with = "as_of")]
    pub(super) month: Option<Day>,
    /// Build the ping of this day, with which the data end
    #[arg(long, value_name = "DAY", value_parser = last_day)]
    pub(super) as_of: Option<Day>,
    /// Leave out values of 1 to N - 1 users
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) min_users: u64,
    /// Add a HyperLogLog sketch for each metric, of users hashed with a salt that installations share
    #[arg(long)]
    pub(super) sketches: bool,
    /// Read the events even if the store can answer
    #[arg(long)]
    pub(super) no_store: bool,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Files are recognized by their content: ingesting one again, under any name, does nothing. Files are
committed in batches; after an interruption, run the command again.

Examples:
  headcount ingest                                    all new files of the sources
  headcount ingest events/2026-03.parquet             only this one
  headcount ingest --memory-limit 512MB               use smaller batches")]
pub(super) struct Ingest {
    /// Files, folders or objects of the project's sources [default: all new ones]
    #[arg(value_name = "FILES")]
    pub(super) files: Vec<PathBuf>,
    /// Memory to use, such as 4GB or 512MiB [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(super) memory_limit: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Store {
    /// Show the version, sizes, and the contents by source and month, or by year if there are many
    Info {
        /// List every month
        #[arg(short, long)]
        verbose: bool,
        /// Use an older version
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
    /// Read the whole store and check it: checksums, sets, counts, user ids, pings, the list of files
    Verify {
        /// Use an older version
        #[arg(long, value_name = "N")]
        version: Option<u64>,
        /// Also read all files of events and pings, and compare them with what was ingested
        #[arg(long)]
        events: bool,
    },
    /// Merge small files; results do not change
    Compact {
        /// Also delete files that only older versions use; in an object store, those older than a day
        #[arg(long)]
        sweep: bool,
    },
    /// Write the tables as plain Parquet files
    Export {
        /// Folder to create
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Use an older version
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Clients can only read. Addresses other than this machine's own require a file of users. Ctrl-C or
SIGTERM waits for running statements; a second one cancels them.

Examples:
  headcount serve                                     PostgreSQL's protocol on 127.0.0.1:5432
  headcount serve --postgres 127.0.0.1:5433 --flight 127.0.0.1:32010 --http 127.0.0.1:8080
  headcount serve --add-user ada --users users.txt
  headcount serve --postgres 0.0.0.0:5432 --users users.txt --tls-cert cert.pem --tls-key key.pem

Connect with psql (the database may have any name):
  psql -h 127.0.0.1 -p 5432 -d headcount")]
pub(super) struct Serve {
    /// Address for psql, drivers and BI tools [default if no address is given: 127.0.0.1:5432]
    #[arg(long, value_name = "ADDR")]
    pub(super) postgres: Option<SocketAddr>,
    /// Address for Arrow Flight SQL
    #[arg(long, value_name = "ADDR")]
    pub(super) flight: Option<SocketAddr>,
    /// Address for HTTP: /healthz, /metrics, /api/report
    #[arg(long, value_name = "ADDR")]
    pub(super) http: Option<SocketAddr>,
    /// File of users; without it everyone on this machine can connect
    #[arg(long, value_name = "FILE")]
    pub(super) users: Option<PathBuf>,
    /// Add a user to the file, with a password from stdin, and exit
    #[arg(long, value_name = "NAME", requires = "users")]
    pub(super) add_user: Option<String>,
    /// Certificate chain of the server, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(super) tls_cert: Option<PathBuf>,
    /// Private key of the first certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(super) tls_key: Option<PathBuf>,
    /// Time limit of a statement, from its arrival to its last row: 30s, 5m
    #[arg(long, default_value = "5m", value_name = "TIME", value_parser = parse_duration)]
    pub(super) time_limit: Duration,
    /// Memory limit of all statements together, at least 512 MiB
    #[arg(long, default_value = "4GiB", value_name = "SIZE", value_parser = server_memory)]
    pub(super) memory_limit: usize,
    /// Memory limit of one statement; beyond it the statement spills to disk or fails
    #[arg(long, default_value = "1GiB", value_name = "SIZE", value_parser = bytes)]
    pub(super) statement_memory: usize,
    /// Row limit of one result
    #[arg(long, default_value_t = 10_000_000, value_name = "N")]
    pub(super) row_limit: u64,
    /// Most connections at a time, of all protocols
    #[arg(long, default_value = "100", value_name = "N")]
    pub(super) connections: NonZeroUsize,
    /// Log statements that take longer than this as slow
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = parse_duration)]
    pub(super) slow: Duration,
    /// How long running statements may continue after the server is asked to stop
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = parse_duration)]
    pub(super) grace: Duration,
    /// Threads for queries [default: one per core]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    /// Folder for spill files [default: the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    pub(super) temporary: Option<PathBuf>,
    /// A setting of DataFusion, as in `headcount sql`
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub(super) set: Vec<(String, String)>,
    /// Format of the log on stderr
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub(super) log: LogFormat,
    /// error, warn, info (every statement), debug, trace or off
    #[arg(long, default_value = "info", value_name = "LEVEL")]
    pub(super) log_level: String,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl Serve {
    /// What sessions may use.
    pub(super) fn options(&self) -> Options {
        Options {
            memory_limit: Some(self.memory_limit),
            threads: self.threads.map(NonZeroUsize::get),
            temporary: self.temporary.clone(),
            settings: self.set.clone(),
        }
    }

    /// What statements and connections may take.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            time: self.time_limit,
            memory: self.statement_memory,
            rows: self.row_limit,
            connections: self.connections.get(),
            slow: self.slow,
            grace: self.grace,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
The folder is a project: run `headcount report --project DIR` and compare the result with
DIR/truth/truth.csv. The same arguments produce the same bytes with any number of threads.

Examples:
  headcount generate --events 100000000 --users 5000000 --months 12 --seed 1 -o /data/generated
  headcount generate --installations 1000 --months 12 --nonresponse biased -o /data/fleet")]
pub(super) struct Generate {
    /// Number of events, exactly
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) events: u64,
    /// Number of users; not all of them are active
    #[arg(long, default_value_t = 50_000)]
    pub(super) users: u64,
    /// Number of months
    #[arg(long, default_value_t = 12)]
    pub(super) months: u32,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// First month
    #[arg(long, default_value = "2025-01", value_name = "YYYY-MM", value_parser = month)]
    pub(super) start: (i32, u32),
    /// User keys: dense (1, 2, 3 ...), random64 or uuid
    #[arg(long, default_value = "dense", value_parser = ids)]
    pub(super) ids: Ids,
    /// Each installation has its own user keys
    #[arg(long)]
    pub(super) scoped: bool,
    /// Parquet files for each month
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) files_per_month: u32,
    /// Maximum number of rows in a row group
    #[arg(long, default_value_t = 1 << 20, value_name = "N")]
    pub(super) rows_per_group: u64,
    /// Share of events that arrive late, 0 to 0.5
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub(super) late: f64,
    /// Generate weekly pings of this many installations, and subscriptions, in place of events
    #[arg(long, value_name = "N", conflicts_with_all = EVENT_OPTIONS)]
    pub(super) installations: Option<u32>,
    /// Key paths in a ping, about
    #[arg(long, default_value_t = 1_300, value_name = "N", requires = "installations")]
    pub(super) keys: u32,
    /// Installations that send no pings: random, or biased (the more users, the less likely)
    #[arg(long, default_value = "random", requires = "installations",
          value_parser = nonresponse)]
    pub(super) nonresponse: Nonresponse,
    /// Replace an earlier data set in the folder
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Folder to create
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
}

/// Options of `generate` that are about events.
const EVENT_OPTIONS: [&str; 7] =
    ["events", "users", "ids", "scoped", "files_per_month", "rows_per_group", "late"];

#[derive(Debug, Args)]
pub(super) struct Bench {
    #[command(subcommand)]
    pub(super) what: BenchCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Compare exact and approximate counting: errors, bytes, times, and when each is better
    Accuracy(Accuracy),
}

#[derive(Debug, Args)]
#[command(after_help = "\
In a project, sets of its users are sampled, its nodes and periods are counted with every sketch,
and whole reports are timed. Without a project the users are synthetic. Everything except times and
the memory of whole reports is the same for the same seed.

Counted by: Headcount's exact sets and its HyperLogLog, HLL, Theta and CPC of Apache DataSketches,
and DataFusion's approx_distinct, whose precision is always 14. Every sketch takes the same
integer keys, and the time to hash them is included; an exact set takes ids that were given before.

Examples:
  headcount bench accuracy
  headcount bench accuracy -o accuracy.html
  headcount bench accuracy --invented 10000000 --precisions 14 --sizes 1000,100000 --trials 200")]
pub(super) struct Accuracy {
    /// Precisions of the sketches, 4 to 18, separated by commas
    #[arg(long, default_value = "10,12,14,16", value_delimiter = ',', value_name = "PRECISIONS",
          value_parser = precision)]
    pub(super) precisions: Vec<u8>,
    /// Sizes of the sampled sets, in users, separated by commas
    #[arg(long, default_value = "10,100,1000,10000,100000,1000000", value_delimiter = ',',
          value_name = "SIZES", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) sizes: Vec<u64>,
    /// Number of sampled sets of each size
    #[arg(long, default_value_t = 50, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) trials: u32,
    /// Seed of the sampling
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Named window of the project's own sets
    #[arg(long, default_value = "month", value_name = "WINDOW")]
    pub(super) window: Window,
    /// Levels of the project's own sets, separated by commas: total, section, stage, group, action
    #[arg(
        long,
        default_value = "total,stage,action",
        value_delimiter = ',',
        value_name = "LEVELS"
    )]
    pub(super) level: Vec<Level>,
    /// Sample from this many synthetic users, even in a project
    #[arg(long, value_name = "USERS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) invented: Option<u64>,
    /// Format of the output [default: by the ending of FILE, or table]
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// The folder of the project: the one named, or the nearest one upwards.
pub(super) fn root(named: Option<PathBuf>) -> Result<PathBuf> {
    match named {
        Some(folder) => Ok(folder),
        None => {
            let here = PathBuf::from(".");
            let here = std::env::current_dir().map_err(|cause| Error::io(&here, cause))?;
            Project::find(&here)
        }
    }
}
