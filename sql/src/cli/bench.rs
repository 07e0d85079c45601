//! `headcount bench`: measurements on the user's data.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};
use engine::active::{Level, Question};
use engine::calendar::Window;
use engine::project::Project;
use engine::{Error, Result};

use super::args::precision;
use super::output::Destination;
use super::progress::Progress;
use super::{Outcome, print_message, print_rejects};
use crate::accuracy::{Measured, Settings, measure_project, measure_synthetic, write};
use crate::output::Format;

/// Synthetic users per user of the largest size, unless `--invented` is given.
const SYNTHETIC_PER_SIZE: u64 = 5;

#[derive(Debug, Args)]
pub(super) struct Bench {
    #[command(subcommand)]
    what: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
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
struct Accuracy {
    /// Precisions of the sketches, 4 to 18, separated by commas
    #[arg(long, default_value = "10,12,14,16", value_delimiter = ',', value_name = "PRECISIONS",
          value_parser = precision)]
    precisions: Vec<u8>,
    /// Sizes of the sampled sets, in users, separated by commas
    #[arg(long, default_value = "10,100,1000,10000,100000,1000000", value_delimiter = ',',
          value_name = "SIZES", value_parser = clap::value_parser!(u64).range(1..))]
    sizes: Vec<u64>,
    /// Number of sampled sets of each size
    #[arg(long, default_value_t = 50, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    trials: u32,
    /// Seed of the sampling
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Named window of the project's own sets
    #[arg(long, default_value = "month", value_name = "WINDOW")]
    window: Window,
    /// Levels of the project's own sets, separated by commas: total, section, stage, group, action
    #[arg(
        long,
        default_value = "total,stage,action",
        value_delimiter = ',',
        value_name = "LEVELS"
    )]
    level: Vec<Level>,
    /// Sample from this many synthetic users, even in a project
    #[arg(long, value_name = "USERS", value_parser = clap::value_parser!(u64).range(1..))]
    invented: Option<u64>,
    /// Format of the output [default: by the ending of FILE, or table]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(project: Option<&Path>, options: &Bench) -> Result<Outcome> {
    match &options.what {
        BenchCommand::Accuracy(options) => accuracy(project, options),
    }
}

fn accuracy(project: Option<&Path>, options: &Accuracy) -> Result<Outcome> {
    let destination =
        Destination::new(options.format, options.output.as_deref(), Format::value_variants());
    let measured = destination.write(|out, color| {
        let measured = measure(project, options)?;
        write(&measured, destination.format, out, color)?;
        Ok(measured)
    })?;
    for note in &measured.notes {
        print_message(&format!("note: {note}"));
    }
    Ok(print_rejects(&measured.rejects))
}

fn measure(project: Option<&Path>, options: &Accuracy) -> Result<Measured> {
    let ascending = |mut sizes: Vec<u64>| {
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    };
    let mut precisions = options.precisions.clone();
    precisions.sort_unstable();
    precisions.dedup();
    let start = Instant::now();
    let progress = Progress::new("measuring");
    let settings = Settings {
        precisions,
        sizes: ascending(options.sizes.clone()),
        trials: options.trials,
        seed: options.seed,
        clock: &|| start.elapsed(),
        progress: &|done, total| progress.at(done, total),
    };
    let largest = settings.sizes.last().copied().unwrap_or(1);
    if let Some(users) = options.invented {
        return measure_synthetic(users, &settings);
    }
    let found = match project {
        Some(root) => Some(root.to_owned()),
        None => {
            let here = PathBuf::from(".");
            let here = std::env::current_dir().map_err(|cause| Error::io(&here, cause))?;
            Project::find(&here).ok()
        }
    };
    match found {
        Some(root) => {
            let question = Question {
                window: options.window,
                levels: options.level.iter().copied().collect(),
                ..Question::default()
            };
            measure_project(&root, &question, &settings)
        }
        None => measure_synthetic(largest.saturating_mul(SYNTHETIC_PER_SIZE), &settings),
    }
}
