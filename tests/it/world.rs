//! Random events and metrics over a fixed tree with dates, and the project that holds them.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray, UInt32Array};
use engine::calendar::{Day, Zone};

use crate::project::{Project, civil, parquet_in_groups};

/// First day of the events, 2026-01-01.
pub(crate) const START: i32 = 20_454;
/// Days over which events are spread: up to 2026-05-10, with a change to daylight saving time.
pub(crate) const DAYS: i32 = 130;
/// Names of events; the last one is not in the dictionary.
pub(crate) const EVENTS: [&str; 5] = ["open", "edit", "share", "close", "secret"];
/// Plans of events, and no plan.
pub(crate) const PLANS: [Option<&str>; 5] =
    [None, Some(""), Some("free"), Some("paid"), Some("(none)")];
/// Regions of events.
pub(crate) const REGIONS: [Option<&str>; 3] = [None, Some("north"), Some("south, west")];
/// Owners of metrics: groups, a stage, one that is not in the tree, none.
pub(crate) const GROUPS: [Option<&str>; 7] =
    [Some("alpha"), Some("beta"), Some("gamma"), Some("delta"), Some("two"), Some("nowhere"), None];

/// [`Metric::place`] as a dictionary entry.
const STAGES: &str = "\
stages:
  one:
    section: left
    groups:
      alpha: {}
      beta: {valid_to: 2026-03-05}
  two:
    section: left
    groups:
      beta: {valid_from: 2026-03-05}
      gamma: {valid_from: 2026-02-20}
  three:
    section: right
    valid_to: 2026-04-10
    groups:
      delta: {}
";
const FEBRUARY_20: i32 = START + 50;
const MARCH_5: i32 = START + 63;
const APRIL_10: i32 = START + 99;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Microseconds since the epoch; whole seconds.
    pub(crate) micros: i64,
    /// Below 32.
    pub(crate) user: u8,
    pub(crate) event: &'static str,
    pub(crate) plan: Option<&'static str>,
    pub(crate) region: Option<&'static str>,
}

/// One metric.
#[derive(Clone, Debug)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) group: Option<&'static str>,
    /// Name of the event and the plans that pass; no plans is no filter.
    pub(crate) rules: Vec<(&'static str, Vec<&'static str>)>,
    pub(crate) and: bool,
    pub(crate) smau: bool,
    pub(crate) gmau: bool,
    /// First day on which it is valid, and first day on which it no longer is.
    pub(crate) valid: (Option<i32>, Option<i32>),
}

/// Everything that a report is made of.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) zone: Zone,
    pub(crate) events: Vec<Event>,
    pub(crate) metrics: Vec<Metric>,
}

impl Event {
    /// The value of a dimension as it is printed.
    pub(crate) fn label(&self, dimension: &str) -> String {
        let value = if dimension == "plan" { self.plan } else { self.region };
        match value {
            None | Some("") => "(none)".to_owned(),
            Some("(none)") => "\"(none)\"".to_owned(),
            Some(value) => value.to_owned(),
        }
    }
}

impl Metric {
    /// Whether it is valid on a day.
    pub(crate) fn holds(&self, day: i32) -> bool {
        self.valid.0.is_none_or(|from| from <= day) && self.valid.1.is_none_or(|to| day < to)
    }

    /// Section, stage and group on a day, as the dictionary has them.
    pub(crate) fn place(&self, day: i32) -> [Option<&'static str>; 3] {
        match self.group {
            Some("alpha") => [Some("left"), Some("one"), Some("alpha")],
            Some("beta") if day < MARCH_5 => [Some("left"), Some("one"), Some("beta")],
            Some("beta") => [Some("left"), Some("two"), Some("beta")],
            Some("gamma") if day >= FEBRUARY_20 => [Some("left"), Some("two"), Some("gamma")],
            Some("delta") if day < APRIL_10 => [Some("right"), Some("three"), Some("delta")],
            Some("two") => [Some("left"), Some("two"), None],
            _ => [None; 3],
        }
    }

    /// Its definition.
    pub(crate) fn yaml(&self) -> String {
        let mut text = format!("- key_path: {}\n", self.name);
        if let Some(group) = self.group {
            let _ = writeln!(text, "  product_group: {group}");
        }
        let flags = [(self.smau, "smau"), (self.gmau, "gmau")];
        let flags: Vec<&str> = flags.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag).collect();
        let _ = writeln!(text, "  performance_indicator_type: [{}]", flags.join(", "));
        let _ = writeln!(text, "  operator: {}", if self.and { "AND" } else { "OR" });
        for (key, day) in [("valid_from", self.valid.0), ("valid_to", self.valid.1)] {
            if let Some(day) = day {
                let _ = writeln!(text, "  {key}: {}", Day::new(day));
            }
        }
        text += "  events:\n";
        for (event, plans) in &self.rules {
            let plans: Vec<String> = plans.iter().map(|plan| format!("\"{plan}\"")).collect();
            let filter = match plans.len() {
                0 => String::new(),
                _ => format!(", filter: {{plan: [{}]}}", plans.join(", ")),
            };
            let _ = writeln!(text, "    - {{name: {event}, unique: user.id{filter}}}");
        }
        text
    }
}

impl World {
    /// Whether the dictionary knows the event.
    pub(crate) fn is_defined(event: &Event) -> bool {
        event.event != "secret"
    }

    /// A project whose events are in a CSV file, and in Parquet in row groups of so many rows.
    pub(crate) fn project(&self, rows_per_group: Option<usize>) -> Project {
        let project = Project::empty();
        let file = match rows_per_group {
            None => "events.csv",
            Some(_) => "events.parquet",
        };
        project.write(
            "headcount.yaml",
            format!(
                "time_zone: {}\nsources:\n  - {{name: events, files: {file}, time: at, \
                 user: user, event: event, dimensions: [plan, region]}}\n",
                self.zone.name()
            ),
        );
        project.write("dictionary/stages.yml", STAGES);
        let events = EVENTS[..4].iter().map(|name| format!("- action: {name}\n"));
        project.write("dictionary/events/all.yml", events.collect::<String>());
        let metrics = self.metrics.iter().map(Metric::yaml);
        project.write("dictionary/metrics/all.yml", metrics.collect::<String>());
        project.write(file, rows_per_group.map_or_else(|| self.csv(), |rows| self.parquet(rows)));
        project
    }

    fn csv(&self) -> Vec<u8> {
        let mut text = "at,user,event,plan,region\n".to_owned();
        for Event { micros, user, event, plan, region } in &self.events {
            let (at, plan) = (civil(micros / 1_000_000), plan.unwrap_or_default());
            let region = region.unwrap_or_default();
            let _ = writeln!(text, "{at}Z,{user},{event},{plan},\"{region}\"");
        }
        text.into_bytes()
    }

    fn parquet(&self, rows: usize) -> Vec<u8> {
        let all = &self.events;
        let texts = |of: fn(&Event) -> Option<&'static str>| -> ArrayRef {
            Arc::new(all.iter().map(of).collect::<StringArray>())
        };
        let times = TimestampMicrosecondArray::from_iter_values(all.iter().map(|e| e.micros));
        let users = UInt32Array::from_iter_values(all.iter().map(|e| u32::from(e.user)));
        let columns: [(&str, ArrayRef); 5] = [
            ("at", Arc::new(times.with_timezone("UTC"))),
            ("user", Arc::new(users)),
            ("event", texts(|event| Some(event.event))),
            ("plan", texts(|event| event.plan)),
            ("region", texts(|event| event.region)),
        ];
        parquet_in_groups(&columns, rows)
    }
}
