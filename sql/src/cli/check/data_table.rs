//! Where the metrics of the dictionary have data, as a table of key paths.

use std::io::{Result, Write};

use engine::metric::{DataSpan, Dictionary, Metric, Status};
use engine::metric_data::{MetricData, PathData, Place};

use crate::output::text::{format_number, plain};

/// Key paths that are named in each place; the rest is counted.
const FIRST: usize = 3;

/// A key path with its metric.
type Row<'a> = (&'a Metric, &'a MetricData, &'a PathData);

/// Prints how many key paths have data where, by status, and the first of them or all of them.
pub(super) fn print(
    out: &mut impl Write,
    dictionary: &Dictionary,
    data: &[MetricData],
    verbose: bool,
) -> Result<()> {
    if dictionary.metrics.is_empty() {
        return Ok(());
    }
    let metrics = dictionary.metrics.iter().zip(data);
    let rows = metrics.flat_map(|(metric, data)| data.paths.iter().map(move |p| (metric, data, p)));
    let rows: Vec<Row<'_>> = rows.collect();
    let at = |place: Place| rows.iter().filter(move |(_, data, path)| data.place_of(path) == place);
    writeln!(out, "key paths of metrics, by where they have data:")?;
    writeln!(out, "  {:<8}{:>8}{:>8}{:>8}{:>8}", "", "all", "active", "broken", "removed")?;
    for place in Place::ALL {
        let of = |status: Status| at(place).filter(|(metric, ..)| metric.status == status).count();
        let [active, broken, removed] = [Status::Active, Status::Broken, Status::Removed].map(of);
        let all = active + broken + removed;
        writeln!(out, "  {place:<8}{all:>8}{active:>8}{broken:>8}{removed:>8}")?;
    }
    for place in Place::ALL.into_iter().filter(|place| at(*place).next().is_some()) {
        if verbose {
            writeln!(out, "{place}:")?;
            for row in at(place) {
                writeln!(out, "  {}{}", name(row), spans(row))?;
            }
            continue;
        }
        let all = at(place).count();
        let first: Vec<String> = at(place).take(FIRST).map(name).collect();
        let more = match all.saturating_sub(FIRST) {
            0 => String::new(),
            more => format!(" and {} more (--verbose lists them)", format_number(more as u64)),
        };
        writeln!(out, "{place}: {}{more}", first.join(", "))?;
    }
    Ok(())
}

/// The key path, and the status unless it is active.
fn name((metric, _, path): &Row<'_>) -> String {
    match metric.status {
        Status::Active => plain(&path.key_path),
        status => format!("{} ({status})", plain(&path.key_path)),
    }
}

/// What data there is, or else why no users are counted.
fn spans((metric, data, path): &Row<'_>) -> String {
    let span = |[one, many]: [&str; 2], span: DataSpan| {
        let (first, last) = (span.days.start, span.days.end);
        let what = if span.count == 1 { one } else { many };
        format!("{} {what} from {first} to {last}", format_number(span.count))
    };
    let events = data.events.map(|events| span(["event", "events"], events));
    let pings = path.pings.map(|pings| span(["value in pings", "values in pings"], pings));
    match (events, pings, metric.counted()) {
        (None, None, Err(why)) if metric.status == Status::Active => {
            format!(": users are not counted ({why})")
        }
        (None, None, _) => String::new(),
        (events, pings, _) => {
            let spans: Vec<String> = events.into_iter().chain(pings).collect();
            format!(": {}", spans.join("; "))
        }
    }
}
