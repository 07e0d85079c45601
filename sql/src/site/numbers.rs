//! The monthly numbers of one report, by node of the tree, metric and event.

use std::collections::HashMap;

use engine::Result;
use engine::active::{Level, Report, ReportRow, RowSink};
use engine::calendar::Day;

/// The levels that the pages show.
pub(super) const LEVELS: [Level; 5] =
    [Level::Total, Level::Section, Level::Stage, Level::Group, Level::Action];

/// Begins the key path that stands for an event; no definition has a control character in its name.
const EVENT: &str = "\u{1}event:";

/// What a series is of: a level, and the keys of the section, stage and group, or that of the metric.
type Node = (Level, [Option<String>; 3]);

/// Numbers of one thing by month, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) months: Vec<Month>,
}

/// A number of one month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month {
    /// Its first day.
    pub(super) start: Day,
    /// Whether the data reach past its end.
    pub(super) complete: bool,
    pub(super) value: u64,
}

impl Series {
    /// The latest complete month, or the latest if none is complete.
    pub(super) fn latest(&self) -> Option<&Month> {
        self.months.iter().rev().find(|month| month.complete).or(self.months.last())
    }
}

/// The rows of a report by node.
#[derive(Debug, Default)]
pub(super) struct Numbers(HashMap<Node, Series>);

impl Numbers {
    /// The users of a section, stage or group, or of everything.
    pub(super) fn of_node(&self, level: Level, keys: [Option<&str>; 3]) -> Series {
        self.get((level, keys.map(|key| key.map(str::to_owned))))
    }

    /// The users of a metric.
    pub(super) fn of_metric(&self, key_path: &str) -> Series {
        self.get((Level::Action, [Some(key_path.to_owned()), None, None]))
    }

    /// The users of an event.
    pub(super) fn of_event(&self, event: &str) -> Series {
        self.of_metric(&key_of_event(event))
    }

    fn get(&self, node: Node) -> Series {
        self.0.get(&node).cloned().unwrap_or_default()
    }
}

/// The key path under which the users of an event are counted.
pub(super) fn key_of_event(event: &str) -> String {
    format!("{EVENT}{event}")
}

impl RowSink for Numbers {
    fn start(&mut self, _: &Report) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, row: ReportRow) -> Result<()> {
        let keys = match row.level {
            Level::Action => [row.metric, None, None],
            _ => [row.section, row.stage, row.group],
        };
        let series = self.0.entry((row.level, keys)).or_default();
        let (start, complete, value) = (row.period.start, row.complete, row.users);
        series.months.push(Month { start, complete, value });
        Ok(())
    }
}
