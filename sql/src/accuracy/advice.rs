//! Conclusions in sentences, all derived from the measurements.

use counters::{Counter, Kind};

use super::measurement::{Measured, Measurement, Node, SetKind};
use crate::output::text::format_number;

/// A sketch counts as smaller or faster if it needs at most this share of the exact set's memory or
/// time; smaller differences do not justify errors, and may be chance.
const CLEARLY: f64 = 0.9;

/// An exact report of less than so many microseconds and bytes leaves little to save.
const LITTLE: (f64, f64) = (1e6, 100e6);

/// The share of correct intervals is reported as too low if chance makes it so low in about one of
/// 40 cases.
const SIGMAS: f64 = 2.0;

/// The confidence level of the intervals.
const PROMISED: f64 = 0.95;

/// The sentences; the first one is the verdict.
pub(super) fn advice(measured: &Measured) -> Vec<String> {
    let sketches = sketches(measured);
    let mut advice = vec![report_verdict(measured).unwrap_or_else(|| size_verdict(&sketches))];
    advice.extend(sketches.iter().filter_map(SketchComparison::sentence));
    advice.extend(node_advice(measured, &sketches));
    advice.extend(kind_advice(measured));
    advice.push(interval_advice(measured));
    advice
}

/// One of the engine's sketches compared with exact sets, by size.
struct SketchComparison<'a> {
    precision: u8,
    /// Exact, sketch.
    pairs: Vec<(&'a Measurement, &'a Measurement)>,
}

fn sketches(measured: &Measured) -> Vec<SketchComparison<'_>> {
    let of = |counter: Counter| {
        let lines = measured.lines.iter().filter(|line| line.part == SetKind::Size);
        lines.filter(move |line| line.counter == counter)
    };
    let mut sketches: Vec<SketchComparison<'_>> = Vec::new();
    let own = measured.lines.iter().map(|line| line.counter);
    for counter in own.filter(|counter| counter.kind == Kind::Headcount) {
        let Some(precision) = counter.precision else { continue };
        if sketches.iter().all(|sketch| sketch.precision != precision) {
            let pairs = of(Counter::EXACT).filter_map(|exact| {
                Some((exact, of(counter).find(|line| line.users == exact.users)?))
            });
            sketches.push(SketchComparison { precision, pairs: pairs.collect() });
        }
    }
    sketches.retain(|sketch| !sketch.pairs.is_empty());
    sketches
}

impl SketchComparison<'_> {
    /// The size from which on the sketch needs clearly less.
    fn less(&self, cost: impl Fn(&Measurement) -> f64) -> Option<u64> {
        let less =
            |(exact, sketch): &&(&Measurement, &Measurement)| cost(sketch) <= cost(exact) * CLEARLY;
        self.pairs.iter().rev().take_while(less).last().map(|(exact, _)| exact.users)
    }

    fn smaller(&self) -> Option<u64> {
        self.less(|line| line.memory)
    }

    fn faster(&self) -> Option<u64> {
        self.less(|line| line.fill)
    }

    fn sentence(&self) -> Option<String> {
        let (exact, sketch) = self.pairs.last()?;
        let top = format_number(exact.users);
        let memory = match self.smaller() {
            None => format!(
                "not clearly smaller than the exact set at any size ({} instead of {} at {top} \
                 users)",
                bytes(sketch.memory),
                bytes(exact.memory)
            ),
            Some(users) => {
                let (exact, sketch) = self.pairs.iter().find(|(exact, _)| exact.users == users)?;
                format!(
                    "smaller than the exact set from {} users on ({} instead of {})",
                    format_number(users),
                    bytes(sketch.memory),
                    bytes(exact.memory)
                )
            }
        };
        let stored = match self.less(|line| line.stored.unwrap_or(f64::INFINITY)) {
            Some(users) => format!("smaller in storage from {} users on", format_number(users)),
            None => "not smaller in storage at any size".to_owned(),
        };
        let time = match self.faster() {
            Some(users) => format!("faster to fill from {} users on", format_number(users)),
            None => {
                let ratio = sketch.fill / exact.fill;
                if ratio.is_finite() {
                    format!("filling takes {ratio:.1} times as long at {top} users")
                } else {
                    "not faster to fill at any size".to_owned()
                }
            }
        };
        let errors = &sketch.errors;
        Some(format!(
            "Precision {}: {memory}, {stored}; {time}. At {top} users the mean error is {}, the \
             95th percentile {}, the largest {}.",
            self.precision,
            percent(errors.mean),
            percent(errors.p95),
            percent(errors.worst)
        ))
    }
}

/// The verdict on a project, by the cost of whole reports.
fn report_verdict(measured: &Measured) -> Option<String> {
    let reports = || measured.lines.iter().filter(|line| line.part == SetKind::Report);
    let exact = reports().find(|line| line.counter == Counter::EXACT)?;
    let costs = |line: &Measurement| format!("{} and {}", time(line.fill), bytes(line.memory));
    let saves = |line: &Measurement| {
        let fast = line.fill <= exact.fill * CLEARLY;
        let small = line.memory <= exact.memory * CLEARLY;
        (fast, small)
    };
    let sketches: Vec<&Measurement> =
        reports().filter(|line| line.counter != Counter::EXACT).collect();
    if sketches.is_empty() {
        return None;
    }
    if exact.fill < LITTLE.0 && exact.memory < LITTLE.1 {
        return Some(format!(
            "Count exactly. The exact report takes only {}, and sketches of large sets have \
             errors.",
            costs(exact)
        ));
    }
    // The most precise one that saves anything: its errors are the price.
    let Some(best) = sketches.iter().rev().find(|line| saves(line) != (false, false)) else {
        return Some(format!(
            "Count exactly. The exact report takes {}; no sketch is clearly faster or smaller, \
             and sketches have errors.",
            costs(exact)
        ));
    };
    let what = match saves(best) {
        (true, true) => "time and memory",
        (true, false) => "time, but not memory",
        _ => "memory, but not time",
    };
    Some(format!(
        "Approximate reports save {what}: the report at precision {} takes {}, the exact report \
         {}. The mean error of a row is {}, the largest {}.",
        best.counter.precision.unwrap_or_default(),
        costs(best),
        costs(exact),
        percent(best.errors.mean),
        percent(best.errors.worst)
    ))
}

/// The verdict without reports, by the random sets.
fn size_verdict(sketches: &[SketchComparison<'_>]) -> String {
    let first = |from: fn(&SketchComparison<'_>) -> Option<u64>| {
        let sizes = sketches.iter().filter_map(|sketch| Some((from(sketch)?, sketch.precision)));
        // Of those that pay from the same size on, the most precise.
        sizes.min_by_key(|(users, precision)| (*users, std::cmp::Reverse(*precision)))
    };
    let on = |(users, precision): (u64, u8)| {
        format!("from {} users per set on (precision {precision})", format_number(users))
    };
    match (first(|sketch| sketch.smaller()), first(|sketch| sketch.faster())) {
        (None, None) => "Count exactly. At every size the exact set is about as small and fast as \
                         the sketches, or smaller and faster."
            .to_owned(),
        (Some(memory), None) => format!(
            "Count exactly, unless memory is limited: sketches are smaller {}, but not faster at \
             any precision up to the largest size.",
            on(memory)
        ),
        (None, Some(time)) => format!(
            "Count exactly, unless time is limited: sketches are faster {}, but not smaller at \
             any precision up to the largest size.",
            on(time)
        ),
        (Some(memory), Some(time)) => format!(
            "Approximate counting helps with large sets only: it saves memory {}, and time {}.",
            on(memory),
            on(time)
        ),
    }
}

/// How many of the project's own sets are large enough.
fn node_advice(measured: &Measured, sketches: &[SketchComparison<'_>]) -> Option<String> {
    let (_, nodes): &(Counter, Vec<Node>) = measured.nodes.first()?;
    let largest = nodes.iter().map(|node| node.users).max()?;
    let from = sketches.iter().filter_map(SketchComparison::smaller).min();
    let all = format_number(nodes.len() as u64);
    let largest = format_number(largest);
    Some(match from {
        None => format!(
            "The largest of the {all} sets in the report has {largest} users; no sketch is \
             smaller at any measured size."
        ),
        Some(from) => {
            let large = nodes.iter().filter(|node| node.users >= from).count();
            format!(
                "{} of the {all} sets in the report have at least {} users, where a sketch is \
                 smaller; the largest has {largest}.",
                format_number(large as u64),
                format_number(from)
            )
        }
    })
}

/// A comparison of all kinds of sketches, at the largest size and a common precision.
fn kind_advice(measured: &Measured) -> Option<String> {
    let sizes = || measured.lines.iter().filter(|line| line.part == SetKind::Size);
    let largest = sizes().map(|line| line.users).max()?;
    let at = |precision: Option<u8>| {
        let same =
            move |line: &&Measurement| line.users == largest && line.counter.precision == precision;
        sizes().filter(same).collect::<Vec<&Measurement>>()
    };
    let precisions = sizes().filter_map(|line| line.counter.precision);
    let best = precisions.max_by_key(|p| (at(Some(*p)).len(), *p))?;
    let words: Vec<String> = at(Some(best))
        .into_iter()
        .map(|line| {
            let (error, memory) = (percent(line.errors.mean), bytes(line.memory));
            format!("{} {error} in {memory}", line.counter.kind.name())
        })
        .collect();
    (words.len() > 1).then(|| {
        format!(
            "Mean errors at precision {best} and {} users: {}.",
            format_number(largest),
            words.join(", ")
        )
    })
}

/// Whether the stated intervals hold, where the sketch is not exact anyway.
fn interval_advice(measured: &Measured) -> String {
    let mut counters: Vec<(Counter, f64, f64)> = Vec::new();
    for line in measured.lines.iter().filter(|line| line.part == SetKind::Size) {
        let Some(inside) = line.errors.inside.filter(|_| line.errors.worst > 0.0) else { continue };
        let sets = line.sets as f64;
        match counters.iter_mut().find(|(counter, ..)| *counter == line.counter) {
            Some((_, held, all)) => {
                *held += inside * sets;
                *all += sets;
            }
            None => counters.push((line.counter, inside * sets, sets)),
        }
    }
    let broken: Vec<String> = counters
        .iter()
        .filter(|(_, held, all)| {
            let chance = (PROMISED * (1.0 - PROMISED) / all).sqrt();
            held / all < PROMISED - SIGMAS * chance
        })
        .map(|(counter, held, all)| {
            format!(
                "{counter}: {:.1} % of {} estimates",
                held / all * 100.0,
                format_number(*all as u64)
            )
        })
        .collect();
    match (counters.is_empty(), broken.is_empty()) {
        (true, _) => {
            "No sketch estimated: all sets are small enough to be stored exactly.".to_owned()
        }
        (_, true) => "All 95 % intervals contain the exact count as often as stated, within \
                      random variation."
            .to_owned(),
        _ => format!(
            "These 95 % intervals contain the exact count less often than stated: {}.",
            broken.join("; ")
        ),
    }
}

/// `812 B`, `13.1 KB`, `1.2 MB`
pub(super) fn bytes(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 999_950_000.0 => format!("{:.1} GB", bytes / 1e9),
        bytes if bytes >= 999_950.0 => format!("{:.1} MB", bytes / 1e6),
        bytes if bytes >= 999.5 => format!("{:.1} KB", bytes / 1e3),
        bytes => format!("{bytes:.0} B"),
    }
}

/// Formats microseconds: `0.4 µs`, `31 ms`, `5.2 s`.
pub(super) fn time(micros: f64) -> String {
    match micros {
        micros if micros >= 999_500.0 => format!("{:.1} s", micros / 1e6),
        micros if micros >= 9_950.0 => format!("{:.0} ms", micros / 1e3),
        micros if micros >= 999.5 => format!("{:.1} ms", micros / 1e3),
        micros if micros >= 9.95 => format!("{micros:.0} µs"),
        micros => format!("{micros:.1} µs"),
    }
}

/// A share in per cent: `0 %`, `0.65 %`, `12.3 %`.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent.abs() < 0.01 => "< 0.01 %".to_owned(),
        percent if percent.abs() < 9.995 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}
