//! Arguments of the commands, and the text that teaches them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use datasets::Ids;
use engine::active::{Level, Method, Question, TreeOf};
use engine::calendar::{Day, Window, first_day, last_day};
use engine::rollup::Counting;
use engine::users::{DEFAULT_PRECISION, PRECISIONS};

use crate::report::Format;

/// Counts the people who use a product: exact and approximate monthly active users, overall (MAU)
/// and per stage (SMAU).
#[derive(Debug, Parser)]
#[command(
    name = "headcount",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some input was \
                  rejected (how much and why stands on stderr)."
)]
pub(super) struct Arguments {
    /// Folder of the project [default: the nearest folder upwards with headcount.yaml]
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) project: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Report on the small real data set of this repository, and write it as HTML beside
    Demo(Demo),
    /// Write a project that works as it stands, to be changed into yours
    Init(Init),
    /// Validate project, dictionary and sources; list what the data holds that no metric counts
    Check,
    /// Count active users: the monthly job
    Report(Report),
    /// Invent events, with the true numbers of users written beside them
    Generate(Generate),
    /// Print completions for a shell
    Completions {
        /// The shell to complete in
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where to write the HTML report
    #[arg(short, long, value_name = "FILE", default_value = "headcount-demo.html")]
    pub(super) output: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Folder to make; files that are there already are never touched
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  headcount report                                    MAU and every stage, month by month
  headcount report --level combined,stage,group --by plan --from 2026-01 --to 2026-06
  headcount report --window trailing_28d --level total --from 2026-06-01 -o daily.csv
  headcount report --method indicator --level stage   only metrics flagged smau
  headcount report --approx 16                        sketches, with a 95 % interval
  headcount report --format html -o smau.html

Windows: day, week (ISO), month, quarter, year, last_28d_of_month, trailing_<n>d, iso_4w,
lagged_28d. Both ends are inclusive, in the project's time zone. Calendar periods stand in the
report if they touch the range, rolling windows if they end in it.")]
pub(super) struct Report {
    /// Named window
    #[arg(long, default_value = "month", value_name = "WINDOW")]
    pub(super) window: Window,
    /// Levels, with commas: total, combined, section, stage, group, action
    #[arg(long, default_value = "total,stage", value_delimiter = ',', value_name = "LEVELS")]
    pub(super) level: Vec<Level>,
    /// First day, month, quarter, week or year: 2026-01-15, 2026-01, 2026-Q1, 2026-W03, 2026
    #[arg(long, value_parser = first_day)]
    pub(super) from: Option<Day>,
    /// Last day, month, quarter, week or year, inclusive
    #[arg(long, value_parser = last_day)]
    pub(super) to: Option<Day>,
    /// Dimensions to tell users apart by, with commas; each also gets its All rows
    #[arg(long, value_delimiter = ',', value_name = "DIMENSIONS")]
    pub(super) by: Vec<String>,
    /// How stages, groups and sections are rolled up: union, indicator, max or sum
    #[arg(long, default_value = "union", value_name = "METHOD")]
    pub(super) method: Method,
    /// Estimate by HyperLogLog sketches of this precision, 4 to 18 [default when bare: 14]
    #[arg(long, num_args = 0..=1, default_missing_value = "14", value_name = "PRECISION",
          value_parser = precision)]
    pub(super) approx: Option<u8>,
    /// Report as if the data ended with this day
    #[arg(long, value_name = "DAY", value_parser = last_day)]
    pub(super) as_of: Option<Day>,
    /// Tree of stages: as it stands at the end of the data (today), or as it held in each period
    #[arg(long, default_value = "today", value_name = "TREE", value_parser = tree)]
    pub(super) tree: TreeOf,
    /// table, csv, json, markdown, html or parquet [default: by the ending of FILE, else table]
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    /// Write to a file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

impl Report {
    /// The question that the arguments ask.
    pub(super) fn question(&self) -> Question {
        Question {
            window: self.window,
            levels: BTreeSet::from_iter(self.level.iter().copied()),
            method: self.method,
            by: self.by.clone(),
            from: self.from,
            to: self.to,
            as_of: self.as_of,
            counting: self.approx.map_or(Counting::Exact, Counting::Approx),
            tree: self.tree,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
The folder is a project of its own: run `headcount report --project DIR` on it and compare with
DIR/truth/truth.csv. Equal arguments give equal bytes, whatever the number of threads.

Example:
  headcount generate --events 100000000 --users 5000000 --months 12 --seed 1 -o /data/generated")]
pub(super) struct Generate {
    /// Number of events, exactly
    #[arg(long, default_value_t = 1_000_000)]
    pub(super) events: u64,
    /// Number of people; not all of them are active
    #[arg(long, default_value_t = 50_000)]
    pub(super) users: u64,
    /// Number of months
    #[arg(long, default_value_t = 12)]
    pub(super) months: u32,
    /// Chooses one of the many data sets with these settings
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// First month
    #[arg(long, default_value = "2025-01", value_name = "YYYY-MM", value_parser = month)]
    pub(super) start: (i32, u32),
    /// User keys: dense (1, 2, 3 ...), random64 or uuid
    #[arg(long, default_value = "dense", value_parser = ids)]
    pub(super) ids: Ids,
    /// Every installation gives out its own keys
    #[arg(long)]
    pub(super) scoped: bool,
    /// Parquet files for each month
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) files_per_month: u32,
    /// Most rows in a row group
    #[arg(long, default_value_t = 1 << 20, value_name = "N")]
    pub(super) rows_per_group: u64,
    /// Share of events that arrive late, 0 to 0.5
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub(super) late: f64,
    /// Replace an earlier data set in the folder
    #[arg(long)]
    pub(super) overwrite: bool,
    /// Folder to make
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: PathBuf,
}

fn precision(text: &str) -> Result<u8, String> {
    let precision = text.parse().ok().filter(|precision| PRECISIONS.contains(precision));
    precision.ok_or_else(|| {
        format!(
            "the precision must be from {} to {}; {DEFAULT_PRECISION} has a standard error of \
             0.81 %",
            PRECISIONS.start(),
            PRECISIONS.end()
        )
    })
}

fn tree(word: &str) -> Result<TreeOf, String> {
    match word {
        "today" => Ok(TreeOf::Today),
        "period" => Ok(TreeOf::Period),
        _ => Err("use `today` or `period`".to_owned()),
    }
}

fn ids(word: &str) -> Result<Ids, String> {
    word.parse().map_err(|_| {
        let names: Vec<&str> = Ids::ALL.iter().map(|ids| ids.name()).collect();
        format!("use one of: {}", names.join(", "))
    })
}

fn month(text: &str) -> Result<(i32, u32), String> {
    let parts = text.split_once('-').and_then(|(year, month)| {
        Some((year.parse().ok()?, month.parse().ok().filter(|m| (1..=12).contains(m))?))
    });
    parts.ok_or_else(|| "write a month as YYYY-MM".to_owned())
}
