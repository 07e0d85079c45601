//! The options of `headcount report` and `headcount publish` that decide what is counted, and how.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use clap::Args;
use engine::active::{Level, Method, NodeFilter, Question, TotalOf, TreeOf};
use engine::calendar::{Day, Window, first_day, last_day};
use engine::overview::Variant;
use engine::pings::{Condition, Measure, Scenario};
use engine::rollup::Counting;

use super::super::values::{bytes, precision};
use crate::question::tree;

#[derive(Debug, Args)]
pub(in crate::cli) struct CountOptions {
    /// First day, month, quarter, week or year: 2026-01-15, 2026-01, 2026-Q1, 2026-W03, 2026
    #[arg(long, value_parser = first_day)]
    pub(in crate::cli) from: Option<Day>,
    /// Last day, month, quarter, week or year, inclusive
    #[arg(long, value_parser = last_day)]
    pub(in crate::cli) to: Option<Day>,
    /// Dimensions to break the counts down by, separated by commas; rows for all values are included
    #[arg(long, value_delimiter = ',', value_name = "DIMENSIONS")]
    pub(in crate::cli) by: Vec<String>,
    /// Give rows to the N largest values of each dimension of --by, and one row, (other), to all
    /// remaining values together. Largest: most users in total in the newest complete period (the
    /// newest one if none is complete); equal ones by name, those of other periods last. A user of
    /// several remaining values counts once
    #[arg(long, value_name = "N", requires = "by")]
    pub(in crate::cli) top: Option<NonZeroUsize>,
    /// How to aggregate stages, groups and sections: union, indicator, max or sum [default: union, or
    /// indicator in the window ping_28d]
    #[arg(long, value_name = "METHOD")]
    pub(in crate::cli) method: Option<Method>,
    /// Which subscriptions an estimate takes as reporting: version_check (on a version that has the
    /// metric) or reported (that sent a value)
    #[arg(long, default_value = "version_check", value_name = "CONDITION")]
    pub(in crate::cli) condition: Condition,
    /// What an estimate counts of them: subscriptions or seats
    #[arg(long, default_value = "subscriptions", value_name = "MEASURE")]
    pub(in crate::cli) measure: Measure,
    /// Estimate with HyperLogLog sketches of this precision, 4 to 18 [default without a value: 14]
    #[arg(long, num_args = 0..=1, default_missing_value = "14", value_name = "PRECISION",
          value_parser = precision)]
    pub(in crate::cli) approx: Option<u8>,
    /// Count as if the data ended with this day
    #[arg(long, value_name = "DAY", value_parser = last_day)]
    pub(in crate::cli) as_of: Option<Day>,
    /// Tree of stages: the one valid at the end of the data (today), or in each period (period)
    #[arg(long, default_value = "today", value_name = "TREE", value_parser = tree)]
    pub(in crate::cli) tree: TreeOf,
    /// Read the events even if the store can answer
    #[arg(long)]
    pub(in crate::cli) no_store: bool,
    /// Memory that users, counts and rows may hold, such as 4GB or 512MiB; more is refused
    /// [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(in crate::cli) memory_limit: Option<usize>,
}

impl CountOptions {
    /// The question about these levels in a window.
    pub(super) fn question(&self, window: Window, levels: BTreeSet<Level>) -> Question {
        let method = self.method.unwrap_or(match window {
            Window::Ping28d => Method::Indicator,
            _ => Method::Union,
        });
        Question {
            window,
            levels,
            nodes: NodeFilter::default(),
            method,
            by: self.by.clone(),
            top: self.top,
            from: self.from,
            to: self.to,
            as_of: self.as_of,
            counting: self.approx.map_or(Counting::Exact, Counting::Approx),
            tree: self.tree,
            total: TotalOf::Everyone,
        }
    }

    /// Which estimates to show.
    pub(in crate::cli) fn variant(&self, scenario: Option<Scenario>) -> Variant {
        Variant { condition: self.condition, measure: self.measure, scenario }
    }
}
