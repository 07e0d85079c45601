//! What people can do: the invented product with its sections, stages, groups, events and metrics.
//!
//! A set of events is one 64-bit word, bit e for the event at position e. So a level of the tree,
//! or a metric, is a word too.

mod stages;

pub(crate) use stages::STAGES;

/// Events of every stage.
pub(crate) const STAGE_EVENTS: usize = 6;
/// Number of all events.
pub(crate) const EVENTS: usize = STAGES.len() * STAGE_EVENTS;

/// How often each event of a stage is used, of 256, by its position in the stage.
const USE: [usize; STAGE_EVENTS] = [102, 52, 36, 28, 22, 16];
/// Events at the start of each stage that its indicator counts. It is a choice, as in any real
/// product: not all events, so it differs from the union.
const INDICATOR: usize = 4;

/// A counted number of the dictionary.
pub(crate) struct Metric {
    pub(crate) key_path: String,
    pub(crate) description: String,
    pub(crate) group: &'static str,
    /// The indicators that the metric stands for, as in `performance_indicator_type`.
    pub(crate) flags: &'static [&'static str],
    pub(crate) events: u64,
}

/// A row of the truth: the users of a set of events.
pub(crate) struct Selection {
    /// `total`, `section`, `stage`, `group` or `action`.
    pub(crate) level: &'static str,
    /// The section, stage, group or key path; empty for the total.
    pub(crate) key: String,
    pub(crate) events: u64,
}

/// The metrics, stage by stage: one for every event, then the indicator of the stage.
pub(crate) fn metrics() -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (at, stage) in STAGES.iter().enumerate() {
        let key_path = |name: &str| format!("usage_activity_by_stage_monthly.{}.{name}", stage.key);
        let mut event = at * STAGE_EVENTS;
        for group in stage.groups {
            for (nth, (name, description)) in group.events.iter().enumerate() {
                metrics.push(Metric {
                    key_path: key_path(name),
                    description: format!("Users who did this: {}", lower_first(description)),
                    group: group.key,
                    flags: if nth == 0 { &["gmau"] } else { &[] },
                    events: 1 << event,
                });
                event += 1;
            }
        }
        // The first stage stands for the whole product too: whoever signs in or manages.
        let first = at == 0;
        let counted = if first { STAGE_EVENTS } else { INDICATOR };
        metrics.push(Metric {
            key_path: key_path("users_active"),
            description: format!("Users of {}", stage.name),
            // The stage itself: under one of its groups, that group would count the whole stage.
            group: stage.key,
            flags: if first { &["smau", "umau"] } else { &["smau"] },
            events: ((1 << counted) - 1) << (at * STAGE_EVENTS),
        });
    }
    metrics
}

/// Everything that the truth counts, in the order of the report: total, sections, stages, groups,
/// metrics.
pub(crate) fn selections() -> Vec<Selection> {
    let row = |level, key: &str, events| Selection { level, key: key.to_owned(), events };
    let mut rows = vec![row("total", "", (1 << EVENTS) - 1)];
    let mut sections: Vec<Selection> = Vec::new();
    let mut stages = Vec::new();
    let mut groups = Vec::new();
    let mut first = 0;
    for stage in &STAGES {
        let mut stage_events = 0;
        for group in stage.groups {
            let events = ((1 << group.events.len()) - 1) << first;
            first += group.events.len();
            stage_events |= events;
            groups.push(row("group", group.key, events));
        }
        match sections.iter_mut().find(|section| section.key == stage.section) {
            Some(section) => section.events |= stage_events,
            None => sections.push(row("section", stage.section, stage_events)),
        }
        stages.push(row("stage", stage.key, stage_events));
    }
    rows.extend(sections);
    rows.extend(stages);
    rows.extend(groups);
    rows.extend(metrics().into_iter().map(|metric| row("action", &metric.key_path, metric.events)));
    rows
}

/// The name and description of every event, in order of position.
pub(crate) fn events() -> impl Iterator<Item = (&'static str, &'static str)> {
    STAGES.iter().flat_map(|stage| stage.groups).flat_map(|group| group.events.iter().copied())
}

/// The stage that the event at this position belongs to.
pub(crate) const fn stage_of(event: u8) -> u8 {
    event / STAGE_EVENTS as u8
}

/// Which event a person chooses.
pub(crate) struct Habits {
    /// The stage for each of 256 draws.
    stages: [u8; 256],
    /// The position in its stage for each of 256 draws.
    positions: [u8; 256],
}

impl Habits {
    pub(crate) fn new() -> Self {
        Self { stages: fill(STAGES.map(|stage| stage.share)), positions: fill(USE) }
    }

    /// The position of an event. 24 bits of the person's `traits` are three favourite stages (the
    /// same one twice is usual); 15 of 16 events happen there, more than half in the first.
    pub(crate) fn action(&self, traits: u64, random: u64) -> u8 {
        let byte = |bits: u64| usize::from(bits as u8);
        let draw = match random & 15 {
            0..9 => byte(traits),
            9..13 => byte(traits >> 8),
            13..15 => byte(traits >> 16),
            _ => byte(random >> 4),
        };
        self.stages[draw] * STAGE_EVENTS as u8 + self.positions[byte(random >> 12)]
    }
}

/// A table with each position as often as its weight. The weights add up to 256.
fn fill<const N: usize>(weights: [usize; N]) -> [u8; 256] {
    let mut table = [0; 256];
    let mut from = 0;
    for (at, weight) in weights.into_iter().enumerate() {
        table[from..from + weight].fill(at as u8);
        from += weight;
    }
    table
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|c| c.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{EVENTS, STAGE_EVENTS, STAGES, USE, events, metrics, selections};

    #[test]
    fn the_tree_is_complete() {
        for stage in &STAGES {
            let events: usize = stage.groups.iter().map(|group| group.events.len()).sum();
            assert_eq!(events, STAGE_EVENTS, "{}", stage.key);
        }
        assert_eq!(STAGES.iter().map(|stage| stage.groups.len()).sum::<usize>(), 24);
        assert_eq!(STAGES.iter().map(|stage| stage.share).sum::<usize>(), 256);
        assert_eq!(USE.iter().sum::<usize>(), 256);
        assert_eq!(events().map(|(name, _)| name).collect::<HashSet<_>>().len(), EVENTS);
    }

    #[test]
    fn every_node_has_its_indicator() {
        let metrics = metrics();
        assert_eq!(metrics.len(), EVENTS + STAGES.len());
        let flagged = |flag: &str| metrics.iter().filter(|m| m.flags.contains(&flag)).count();
        assert_eq!((flagged("smau"), flagged("gmau"), flagged("umau")), (10, 24, 1));
    }

    #[test]
    fn each_level_covers_every_event_once() {
        let rows = selections();
        for level in ["total", "section", "stage", "group"] {
            let words: Vec<u64> =
                rows.iter().filter(|row| row.level == level).map(|row| row.events).collect();
            assert_eq!(words.iter().map(|w| w.count_ones()).sum::<u32>() as usize, EVENTS);
            assert_eq!(words.iter().fold(0, |a, b| a | b), (1 << EVENTS) - 1, "{level}");
        }
        let keys: HashSet<_> = rows.iter().map(|row| (row.level, row.key.as_str())).collect();
        assert_eq!(keys.len(), rows.len());
    }
}
