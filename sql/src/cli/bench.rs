//! `headcount bench`: measurements on the user's data.

use std::path::Path;
use std::time::Instant;

use clap::ValueEnum;
use engine::Result;
use engine::active::Question;

use super::args::{Accuracy, Bench, BenchCommand, root};
use super::messages::{Outcome, print_message, print_rejects};
use super::output::Destination;
use super::progress::Progress;
use crate::accuracy::{Measured, Settings, measure_project, measure_synthetic, write};
use crate::output::Format;

/// Synthetic users per user of the largest size, unless `--invented` is given.
const SYNTHETIC_PER_SIZE: u64 = 5;

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
    match root(project.map(Path::to_owned)).ok() {
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
