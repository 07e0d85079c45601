//! The commands. Results go to stdout, everything else to stderr; the exit codes are in
//! [`Outcome::code`].

mod args;
mod bench;
mod check;
mod demo;
mod explain;
mod generate;
mod ingest;
mod init;
mod output;
mod progress;
mod reconcile;
mod report;
mod serve;
mod sql;
mod store;

use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use engine::pings::Refused;
use engine::project::Project;
use engine::scan::Rejects;
use engine::{Error, Kind, Result};
use rayon::ThreadPoolBuilder;

use crate::output::text::printable;
use args::{Arguments, Command};

/// How a command ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Everything was done.
    Done,
    /// Done, but some input was rejected, as listed on stderr.
    Rejected,
    /// The command found errors, such as `check`.
    Failed,
}

impl Outcome {
    /// 0 done, 1 failed, 2 wrong usage (given by the parser of arguments), 3 done with rejected
    /// input.
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Rejected => 3,
        }
    }
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let known = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    engine::storage::use_variables(known);
    match run(arguments) {
        Ok(outcome) => ExitCode::from(outcome.code()),
        // The reader has closed the pipe, as in `headcount report | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print_message(&format!("error: {error}"));
            ExitCode::from(Outcome::Failed.code())
        }
    }
}

fn run(arguments: Arguments) -> Result<Outcome> {
    if let Some(threads) = arguments.command.threads() {
        // For work outside of a query's threads, such as writing its rows.
        let pool = ThreadPoolBuilder::new().num_threads(threads.get()).build_global();
        pool.map_err(|cause| Error::new(Kind::Io, format!("cannot start threads: {cause}")))?;
    }
    let project = arguments.project;
    match arguments.command {
        Command::Demo(options) => demo::run(&options),
        Command::Init(options) => init::run(&options),
        Command::Check => check::run(&root(project)?),
        Command::Report(options) => report::run(&root(project)?, &options),
        Command::Reconcile(options) => reconcile::run(&root(project)?, &options),
        Command::Sql(options) => sql::run(project, &options),
        Command::Serve(options) => serve::run(project, &options),
        Command::Ingest(options) => ingest::run(&root(project)?, &options),
        Command::Store(command) => store::run(&root(project)?, &command),
        Command::Generate(options) => generate::run(&options),
        Command::Bench(options) => bench::run(project.as_deref(), &options),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "headcount", &mut stdout());
            Ok(Outcome::Done)
        }
    }
}

/// The folder of the project: the one named, or the nearest one upwards.
fn root(named: Option<PathBuf>) -> Result<PathBuf> {
    match named {
        Some(folder) => Ok(folder),
        None => {
            let here = PathBuf::from(".");
            let here = std::env::current_dir().map_err(|cause| Error::io(&here, cause))?;
            Project::find(&here)
        }
    }
}

/// Writes a line to stderr, with control characters escaped. Write errors are ignored.
fn print_message(line: &str) {
    let _ = writeln!(stderr(), "{}", printable(line));
}

/// Prints rejected rows by reason, and sources with no accepted rows.
fn print_rejects(rejects: &Rejects) -> Outcome {
    let outcome = print_reject_reasons(rejects);
    for lost in rejects.fully_rejected() {
        print_message(&format!("error: {lost}; {}", lost.reason.help()));
    }
    outcome
}

/// Prints rejected rows by reason.
fn print_reject_reasons(rejects: &Rejects) -> Outcome {
    if rejects.total() == 0 {
        return Outcome::Done;
    }
    let rows = |rows: u64| if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    print_message(&format!("rejected {}, not counted:", rows(rejects.total())));
    for (source, reason, all) in rejects.iter() {
        print_message(&format!(
            "  {source}: {reason}: {}, the first in {}",
            rows(all.rows),
            all.first
        ));
    }
    Outcome::Rejected
}

/// Prints refused uploads of pings by reason.
fn print_refused(refused: &Refused) -> Outcome {
    if refused.is_empty() {
        return Outcome::Done;
    }
    let uploads = |uploads| format!("{uploads} upload{}", if uploads == 1 { "" } else { "s" });
    let all = refused.values().map(|(count, _)| count).sum::<u64>();
    print_message(&format!("refused {} of pings:", uploads(all)));
    for (reason, (count, first)) in refused {
        print_message(&format!("  {reason}: {}, the first in {first}", uploads(*count)));
    }
    Outcome::Rejected
}

/// Whether to write colours: only to a terminal, and if `NO_COLOR` is not set.
fn use_colors() -> bool {
    stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn is_broken_pipe(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == ErrorKind::BrokenPipe;
        }
        cause = error.source();
    }
    false
}

/// Error for a result that cannot be written to stdout.
fn output_error(cause: std::io::Error) -> Error {
    Error::io(std::path::Path::new("standard output"), cause)
}
