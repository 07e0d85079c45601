//! Arguments of `headcount publish`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use clap::Args;
use engine::active::{Level, Method, NodeFilter, Question, TotalOf, TreeOf};
use engine::calendar::{Day, Window, first_day, last_day};
use engine::overview::Variant;
use engine::pings::{Condition, Measure};
use engine::rollup::Counting;
use engine::store::TableFormat;

use super::super::values::{bytes, precision};
use super::report::usual_method;
use crate::question::tree;

#[derive(Debug, Args)]
#[command(after_help = "\
The folder is a dbt package: the table active_users, a source and a model of it, and a semantic
model for MetricFlow whose numbers cannot be added. Publishing again replaces the rows as a whole:
readers have the earlier rows or the new ones. If it fails, the earlier ones stay.

A window that does not know a dimension of --by has the rows over all its values: pings know
deployment, edition, tier, version and installation, events the dimensions of their sources.

Examples:
  headcount publish -o published
  headcount publish -o published --format delta --window month,trailing_28d --by plan
  headcount publish -o s3://bucket/published --format delta")]
pub(in crate::cli) struct Publish {
    /// Folder, or address in an object store, that is new, empty or has an earlier publication
    #[arg(short, long, value_name = "DIR")]
    pub(in crate::cli) output: String,
    /// Format of the table: parquet or delta
    #[arg(long, default_value = "parquet", value_name = "FORMAT")]
    pub(in crate::cli) format: TableFormat,
    /// Named windows, separated by commas [default: month if the project has events, and ping_28d if it
    /// has pings]
    #[arg(long, value_delimiter = ',', value_name = "WINDOWS")]
    pub(in crate::cli) window: Vec<Window>,
    /// Levels, separated by commas
    #[arg(
        long,
        default_value = "total,combined,section,stage,group,action",
        value_delimiter = ',',
        value_name = "LEVELS"
    )]
    pub(in crate::cli) level: Vec<Level>,
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
    /// remaining values together, as in `headcount report`
    #[arg(long, value_name = "N", requires = "by")]
    pub(in crate::cli) top: Option<NonZeroUsize>,
    /// How to aggregate stages, groups and sections: union, indicator, max or sum [default: union, or
    /// indicator in the window ping_28d]
    #[arg(long, value_name = "METHOD")]
    pub(in crate::cli) method: Option<Method>,
    /// Which subscriptions an estimate takes as reporting: version_check or reported
    #[arg(long, default_value = "version_check", value_name = "CONDITION")]
    pub(in crate::cli) condition: Condition,
    /// What an estimate counts of them: subscriptions or seats
    #[arg(long, default_value = "subscriptions", value_name = "MEASURE")]
    pub(in crate::cli) measure: Measure,
    /// Estimate with HyperLogLog sketches of this precision, 4 to 18 [default without a value: 14]
    #[arg(long, num_args = 0..=1, default_missing_value = "14", value_name = "PRECISION",
          value_parser = precision)]
    pub(in crate::cli) approx: Option<u8>,
    /// Publish as if the data ended with this day
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

impl Publish {
    /// The question of the arguments in one of the windows, by the dimensions that it knows.
    pub(in crate::cli) fn question(&self, window: Window, by: Vec<String>) -> Question {
        Question {
            window,
            levels: BTreeSet::from_iter(self.level.iter().copied()),
            nodes: NodeFilter::default(),
            method: self.method.unwrap_or(usual_method(window)),
            top: self.top.filter(|_| !by.is_empty()),
            by,
            from: self.from,
            to: self.to,
            as_of: self.as_of,
            counting: self.approx.map_or(Counting::Exact, Counting::Approx),
            tree: self.tree,
            total: TotalOf::Everyone,
        }
    }

    /// Which estimates to publish.
    pub(in crate::cli) fn variant(&self) -> Variant {
        Variant { condition: self.condition, measure: self.measure, scenario: None }
    }
}
