//! Sets of one size after the other, drawn at random.

use counters::{Counter, Kind};
use engine::Result;

use super::Settings;
use super::line::{Line, Part};
use super::people::{People, Random};
use super::trials::Trials;

/// Measures every counter on the same sets. All sizes must be at most the number of people.
pub(super) fn measure(
    people: &mut People,
    sizes: &[u64],
    settings: &Settings<'_>,
) -> Result<Vec<Line>> {
    let mut random = Random::new(settings.seed);
    let trials = u64::from(settings.trials);
    // Users handed to counters, which is what takes the time.
    let all: u64 = sizes.iter().map(|size| size * trials).sum();
    let mut done = 0;
    let mut lines = Vec::new();
    for size in sizes {
        // The exact set comes first: it knows how many users a union has.
        let counters = Counter::all(&settings.precisions, &Kind::ALL);
        let mut tried: Vec<Trials> =
            counters.into_iter().map(|counter| Trials::new(Part::Size, counter)).collect();
        for _ in 0..settings.trials {
            let draw = people.draw(*size, &mut random);
            let mut union = None;
            for trials in &mut tried {
                let before = trials.take_last();
                trials.fill(&draw, settings.clock)?;
                if let Some(before) = before {
                    union = Some(trials.merge(&before, union, settings.clock)?);
                }
            }
            done += size;
            (settings.progress)(done, all);
        }
        lines.extend(tried.into_iter().filter_map(Trials::line));
    }
    Ok(lines)
}
