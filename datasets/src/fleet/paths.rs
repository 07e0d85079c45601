//! The key paths of the metrics that pings carry: those of the dictionary of events, and counters,
//! weekly numbers, and values that are no numbers.

use crate::product::{Metric, STAGE_EVENTS, STAGES, events, metrics};

use super::releases::{HISTORY, major_dot_minor};

/// The first of the stages that only EE has.
const EE_STAGES: usize = 8;

/// What a number is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    Week,
    Month,
    /// Everything since the installation exists.
    All,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// Users of an event in 28 days.
    Event(usize),
    /// Users of a stage in 28 days.
    Stage(usize),
    /// Users of a stage in 7 days.
    StageWeek(usize),
    /// All that was ever counted. The number tells counters apart.
    Counter(u64),
    /// What a counter has counted in the last weeks.
    Increase { counter: u64, weeks: i64 },
}

/// A key path with numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricPath {
    pub(crate) key_path: String,
    pub(crate) frame: Frame,
    pub(crate) count: Count,
    /// The release that first has it.
    pub(crate) introduced: u32,
    /// The release from which on it is no longer counted.
    pub(crate) removed: Option<u32>,
    pub(crate) is_ee_only: bool,
    /// Whether installations send it that send no optional metrics.
    pub(crate) is_operational: bool,
}

impl Frame {
    /// As in the dictionary.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Week => "7d",
            Self::Month => "28d",
            Self::All => "all",
        }
    }
}

impl MetricPath {
    fn new(key_path: String, frame: Frame, count: Count) -> Self {
        let (introduced, removed) = (0, None);
        let (is_ee_only, is_operational) = (false, false);
        Self { key_path, frame, count, introduced, removed, is_ee_only, is_operational }
    }

    /// Whether a release of an edition has it. For three releases after its removal it does, with
    /// the value -1000.
    pub(crate) fn is_in(&self, release: u32, is_ce: bool) -> bool {
        let removed = self.removed.unwrap_or(u32::MAX - 3);
        (self.introduced..removed + 3).contains(&release) && !(self.is_ee_only && is_ce)
    }
}

/// All key paths with numbers, of as many releases.
pub(crate) fn metric_paths(releases: u32) -> Vec<MetricPath> {
    let mut paths = Vec::new();
    for (at, metric) in metrics().into_iter().enumerate() {
        let (stage, position) = (at / (STAGE_EVENTS + 1), at % (STAGE_EVENTS + 1));
        let event = stage * STAGE_EVENTS + position;
        let is_stage = position == STAGE_EVENTS;
        let count = if is_stage { Count::Stage(stage) } else { Count::Event(event) };
        let mut path = MetricPath::new(metric.key_path, Frame::Month, count);
        path.is_operational = !metric.flags.is_empty();
        path.is_ee_only = stage >= EE_STAGES || (!is_stage && event % 7 == 3);
        path.introduced = introduced(stage, position, releases);
        path.removed = (!is_stage && event % 11 == 7).then_some(releases * 2 / 3);
        paths.push(path);
    }
    for (stage, name, event) in stage_events() {
        let key_path = format!("counts.{event}");
        let counter = stage as u64;
        paths.push(MetricPath::new(key_path, Frame::All, Count::Counter(counter)));
        for (ending, frame, count) in [
            ("_weekly", Frame::Week, Count::StageWeek(stage)),
            ("_monthly", Frame::Month, Count::Stage(stage)),
        ] {
            let key_path = format!("redis_hll_counters.{name}.{name}_total_unique_counts{ending}");
            paths.push(MetricPath::new(key_path, frame, count));
        }
    }
    let counter = STAGES.len() as u64;
    let increase = |weeks| Count::Increase { counter, weeks };
    for (ending, frame, count) in [
        ("_weekly", Frame::Week, increase(1)),
        ("_monthly", Frame::Month, increase(4)),
        ("", Frame::All, Count::Counter(counter)),
    ] {
        paths.push(MetricPath::new(format!("counts.events_recorded{ending}"), frame, count));
    }
    paths
}

/// The release that first has a metric of the dictionary of events. The indicator of the last stage
/// is younger than some versions in use; the last event of each stage comes some time later.
fn introduced(stage: usize, position: usize, releases: u32) -> u32 {
    if position == STAGE_EVENTS {
        return if stage == STAGES.len() - 1 { HISTORY - 4 } else { 0 };
    }
    if position < STAGE_EVENTS - 1 { 0 } else { 4 + stage as u32 * 7 % (releases - 4) }
}

/// The position and name of each stage, and the name of its first event.
fn stage_events() -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    let firsts = events().step_by(STAGE_EVENTS);
    STAGES.iter().zip(firsts).enumerate().map(|(at, (stage, event))| (at, stage.key, event.0))
}

/// The line of a definition that says in which release the metric came.
pub(crate) fn milestone(metric: &Metric, paths: &[MetricPath]) -> String {
    let path = paths.iter().find(|path| path.key_path == metric.key_path);
    let introduced = path.map_or(0, |path| path.introduced);
    format!("  milestone: \"{}\"\n", major_dot_minor(introduced))
}

/// The definitions of the metrics that the dictionary of events does not have.
pub(crate) fn definitions() -> String {
    let mut text = String::new();
    let mut add = |key_path: &str, description: &str, group: &str, value_type, time_frame: &str| {
        text += &format!("- key_path: {key_path}\n  description: {description}\n");
        text += &format!("  product_group: {group}\n  value_type: {value_type}\n");
        text += &format!("  status: active\n  time_frame: {time_frame}\n");
        text += "  data_source: database\n  data_category: optional\n";
        text += "  tiers: [free, premium, ultimate]\n";
    };
    for (_, stage, event) in stage_events() {
        add(&format!("counts.{event}"), "How often this was done", stage, "number", "all");
        let key_path = format!("redis_hll_counters.{stage}.{stage}_total_unique_counts");
        add(&key_path, "Users of the stage", stage, "number", "[7d, 28d]");
    }
    let group = STAGES[0].key;
    let name = "counts.events_recorded";
    add(name, "Recorded events", group, "number", "[7d, 28d, all]");
    add("installation_type", "How it was installed", group, "string", "none");
    add("gitlab_pages.enabled", "Whether pages are enabled", group, "boolean", "none");
    text
}
