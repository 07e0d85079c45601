//! Arguments of `headcount publish`.

use clap::Args;
use engine::active::{Level, Question};
use engine::calendar::Window;
use engine::store::TableFormat;

use super::count::CountOptions;

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
    #[command(flatten)]
    pub(in crate::cli) count: CountOptions,
}

impl Publish {
    /// The question of the arguments in one of the windows, by the dimensions that it knows.
    pub(in crate::cli) fn question(&self, window: Window, by: Vec<String>) -> Question {
        let levels = self.level.iter().copied().collect();
        let question = self.count.question(window, levels);
        Question { top: question.top.filter(|_| !by.is_empty()), by, ..question }
    }
}
