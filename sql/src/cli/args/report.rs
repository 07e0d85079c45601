//! Arguments of `headcount report`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use clap::builder::BoolishValueParser;
use engine::active::{Level, NodeFilter, Question};
use engine::calendar::Window;
use engine::metric::Dictionary;
use engine::pings::Scenario;
use engine::{Error, Result};

use super::super::explain::Explanation;
use super::count::CountOptions;
use crate::output::Format;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headcount report                                    MAU and every stage, month by month
  headcount report --level combined,stage,group --by plan --from 2026-01 --to 2026-06
  headcount report --window trailing_28d --level total --from 2026-06-01 -o daily.csv
  headcount report --method indicator --level stage   only metrics flagged smau
  headcount report --approx 16                        sketches, with a 95 % interval
  headcount report --by namespace --top 20 -o namespaces.html
  headcount report --stage plan                       this stage and its groups
  headcount report --format html -o smau.html
  headcount report --explain KEY_PATH --from 2026-03 --to 2026-03

Windows: day, week (ISO), month, quarter, year, last_28d_of_month, trailing_<n>d, iso_4w,
lagged_28d. Both ends are inclusive, in the project's time zone. The report has the calendar periods
that overlap the range, and the rolling windows that end in it. An HTML page has at most 50,000
rows and 5,000 series (nodes times values of --by), a table or Markdown 1,000,000 rows; csv, tsv,
json and parquet have no limit.

On a terminal, tables fit its width, more than three periods are written across, and what is longer
than a screen goes through the pager (PAGER; `PAGER=` for none).")]
pub(in crate::cli) struct Report {
    /// Named window [default: month, or ping_28d if the project has pings: these together with the
    /// events in last_28d_of_month; other windows count events only]
    #[arg(long, value_name = "WINDOW")]
    pub(in crate::cli) window: Option<Window>,
    /// Levels, separated by commas: total, combined, section, stage, group, action [default:
    /// total,stage, or total,action if no stages are defined; with --section, --stage, --group or --metric that level and the one below]
    #[arg(long, value_delimiter = ',', value_name = "LEVELS")]
    pub(in crate::cli) level: Vec<Level>,
    /// Only these sections and what is in them, by keys or names, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "SECTIONS")]
    pub(in crate::cli) section: Vec<String>,
    /// Only these stages and what is in them
    #[arg(long, value_delimiter = ',', value_name = "STAGES")]
    pub(in crate::cli) stage: Vec<String>,
    /// Only these groups and what is in them
    #[arg(long, value_delimiter = ',', value_name = "GROUPS")]
    pub(in crate::cli) group: Vec<String>,
    /// Only these metrics, by key paths
    #[arg(long, value_delimiter = ',', value_name = "METRICS")]
    pub(in crate::cli) metric: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) count: CountOptions,
    /// Add what would have been recorded if installations had behaved otherwise: current_version (all
    /// that sent pings ran a version with the metric) or all_reported (all subscriptions sent pings)
    #[arg(long, value_name = "SCENARIO")]
    pub(in crate::cli) predict: Option<Scenario>,
    /// Instead of a report, list the estimates of a metric from pings, and the subscriptions behind them;
    /// only --from, --to, --condition, --measure, --format and -o apply
    #[arg(long, value_name = "METRIC")]
    pub(in crate::cli) explain: Option<String>,
    /// Add a forecast of the next N months, with a 95 % interval and the errors that the method would
    /// have made in the past
    #[arg(long, value_name = "N")]
    pub(in crate::cli) forecast: Option<NonZeroUsize>,
    /// Write periods across and nodes down, with the trend of each: yes or no; for table, markdown and
    /// html [default: yes for more than three periods on a terminal]
    #[arg(long, value_name = "YES|NO", num_args = 0..=1, require_equals = true,
          default_missing_value = "yes", value_parser = BoolishValueParser::new())]
    pub(in crate::cli) pivot: Option<bool>,
    /// Format of the output [default: by the ending of FILE, or table]
    #[arg(long, value_name = "FORMAT")]
    pub(in crate::cli) format: Option<Format>,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
}

impl Report {
    /// The question of the arguments, about a project with pings or without.
    ///
    /// # Errors
    /// When a level is above the part of the tree that is asked for, or the dictionary has no such
    /// part.
    pub(in crate::cli) fn question(
        &self,
        dictionary: &Dictionary,
        has_pings: bool,
    ) -> Result<Question> {
        let window = self.window.unwrap_or(match has_pings {
            true => Window::Ping28d,
            false => Window::Month,
        });
        let nodes = NodeFilter {
            sections: self.section.clone(),
            stages: self.stage.clone(),
            groups: self.group.clone(),
            metrics: self.metric.clone(),
        };
        let levels = self.levels(nodes.level(), !dictionary.tree.stages.is_empty())?;
        let nodes = nodes.with_keys(dictionary)?;
        Ok(Question { nodes, ..self.count.question(window, levels) })
    }

    /// The levels, in a report on a part of the tree that begins at the level `top`; the tree may have no
    /// stages.
    fn levels(&self, top: Option<Level>, has_stages: bool) -> Result<BTreeSet<Level>> {
        if let Some(top) = top
            && let Some(above) = self.level.iter().find(|level| **level < top)
        {
            let option = if top == Level::Action { "metric" } else { top.as_str() };
            let message = format!("with --{option} there are no rows of the level {above}");
            return Err(Error::input(message).with("help", "leave out this level of --level"));
        }
        if !self.level.is_empty() {
            return Ok(self.level.iter().copied().collect());
        }
        Ok(match top {
            None if !has_stages => [Level::Total, Level::Action].into(),
            None | Some(Level::Total | Level::Combined) => [Level::Total, Level::Stage].into(),
            Some(Level::Section) => [Level::Section, Level::Stage].into(),
            Some(Level::Stage) => [Level::Stage, Level::Group].into(),
            Some(Level::Group) => [Level::Group, Level::Action].into(),
            Some(Level::Action) => [Level::Action].into(),
        })
    }

    /// What to explain instead of a report.
    pub(in crate::cli) fn explanation(&self) -> Option<Explanation<'_>> {
        let metric = self.explain.as_deref()?;
        let CountOptions { from, to, .. } = self.count;
        Some(Explanation { metric, from, to, variant: self.count.variant(self.predict) })
    }
}
