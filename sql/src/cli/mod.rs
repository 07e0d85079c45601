//! The commands. Results go to stdout, everything else to stderr; the exit codes are in
//! [`messages::Outcome::code`].

mod args;
mod bench;
mod check;
mod demo;
mod docs;
mod explain;
mod generate;
mod ingest;
mod init;
mod messages;
mod output;
mod ping;
mod progress;
mod publish;
mod reconcile;
mod report;
mod serve;
mod sql;
mod store;
mod terminal;
mod values;

use std::io::{ErrorKind, stdout};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use engine::{Error, Kind, Result};
use rayon::ThreadPoolBuilder;

use args::{Arguments, Command, root};
use messages::{Outcome, print_message};

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
        Command::Check(options) => check::run(&root(project)?, &options),
        Command::Docs(options) => docs::run(&root(project)?, &options),
        Command::Report(options) => report::run(&root(project)?, &options),
        Command::Publish(options) => publish::run(&root(project)?, &options),
        Command::Reconcile(options) => reconcile::run(&root(project)?, &options),
        Command::Sql(options) => sql::run(project, &options),
        Command::Serve(options) => serve::run(project, &options),
        Command::Ping(options) => ping::run(&root(project)?, &options),
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
