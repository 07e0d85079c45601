//! Reports with many rows: periods without events take little memory, rows that are kept count
//! towards the limit, and `--top` gives the same rows in reports and in SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::JobContext;
use engine::active::{Level, Question, Report, ReportRow, RowSink, TreeOf, answer_into};
use engine::calendar::Window;
use engine::metric::Dictionary;

use crate::project::Project;
use crate::table::Table;

/// From the first event of [`far_apart`] to the last one, both inclusive.
const DAYS: usize = 36_526;

/// Counts rows, and those with users.
#[derive(Default)]
struct Tally {
    rows: usize,
    with_users: usize,
}

impl RowSink for Tally {
    fn start(&mut self, _: &Report) -> engine::Result<()> {
        Ok(())
    }

    fn row(&mut self, row: ReportRow) -> engine::Result<()> {
        self.rows += 1;
        self.with_users += usize::from(row.users > 0);
        Ok(())
    }
}

/// A project of two events with a hundred years between them.
pub(crate) fn far_apart() -> Project {
    let project = Project::good();
    project.write(
        "events.csv",
        "at,user_id,event,plan\n1970-01-01T10:00:00Z,1,page_viewed,free\n\
         2070-01-01T10:00:00Z,2,post_written,paid\n",
    );
    project
}

/// 11 nodes have a row on each day; both events have users in 6 of them.
#[test]
fn empty_periods_take_no_memory_for_nodes() {
    let project = far_apart();
    let loaded = engine::project::Project::load(project.root()).unwrap();
    let dictionary = Dictionary::load(loaded.dictionary.as_ref().unwrap()).unwrap();
    let plan = || vec!["plan".to_owned()];
    for (window, by, tree, rows, with_users) in [
        (Window::Day, vec![], TreeOf::Today, 11 * DAYS, 2 * 6),
        (Window::Day, vec![], TreeOf::Period, 11 * DAYS, 2 * 6),
        // A value also has rows for the day after its last one with users.
        (Window::Day, plan(), TreeOf::Today, 11 * DAYS + 3 * 6, 4 * 6),
        (Window::Trailing(28), plan(), TreeOf::Today, 11 * DAYS + 30 * 6, 2 * 29 * 6),
    ] {
        let levels = Level::ALL.iter().copied().collect();
        let question = Question { window, by, tree, levels, ..Question::default() };
        let (taken, mut tally) = (AtomicUsize::new(0), Tally::default());
        let job = JobContext::default().with_memory(|more| {
            taken.fetch_add(more, Ordering::Relaxed);
            Ok(())
        });
        answer_into(&loaded, &dictionary, &question, &job, false, &mut tally).unwrap();
        assert_eq!((tally.rows, tally.with_users), (rows, with_users), "{question:?}");
        // 8 bytes for a period, and what the scan takes: no byte for each of 400,000 rows.
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < 2 << 20, "{question:?}: {taken} bytes");
    }
}

#[test]
fn buffered_rows_count_towards_the_limit() {
    let project = far_apart();
    let ask = |limit, format| {
        project.run(&["report", "--window", "day", "--memory-limit", limit, "--format", format])
    };
    let ran = ask("4MB", "csv");
    assert_eq!((ran.code, ran.out.lines().count()), (0, 1 + 3 * DAYS), "{}", ran.err);
    let ran = ask("4MB", "json");
    assert_eq!((ran.code, ran.out.lines().count()), (0, 2 + 3 * DAYS), "{}", ran.err);
    for (limit, format, amount) in
        [("4MB", "table", "of 4,000,000"), ("100KB", "csv", "of 100,000")]
    {
        let ran = ask(limit, format);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
        for part in ["the report needs more memory than its limit", amount, "`--top N`", "`--from`"]
        {
            assert!(ran.err.contains(part), "no {part:?} in {}", ran.err);
        }
    }
}

#[test]
fn a_page_that_no_one_could_open_is_refused() {
    let project = far_apart();
    let ran = project.run(&["report", "--window", "day", "-o", "days.html"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    for part in ["more than 50,000 rows", "html", "`--top N`", "`--format csv`"] {
        assert!(ran.err.contains(part), "no {part:?} in {}", ran.err);
    }
    let left: Vec<_> = std::fs::read_dir(project.root()).unwrap().flatten().collect();
    assert!(left.iter().all(|file| !file.file_name().to_string_lossy().contains("days")));
}

/// Users of a node by month and value; `None` for all values.
type Users = BTreeMap<(&'static str, Option<String>), BTreeSet<u32>>;

/// 60 values of very different sizes, some of them named like labels, counted with sets.
#[test]
fn the_largest_values_and_the_others_are_counted_once() {
    let project = Project::good();
    let mut state = 7u32;
    let mut below = |limit: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % limit
    };
    let mut text = "at,user_id,event,plan\n".to_owned();
    let mut users = Users::new();
    for _ in 0..3_000 {
        let month = ["2026-01", "2026-02", "2026-03"][below(3) as usize];
        let size = below(60) * below(60) / 60;
        let value = match size {
            0 => "(other)".to_owned(),
            1 => String::new(),
            2 => "(none)".to_owned(),
            size => format!("plan {size}"),
        };
        let user = below(150);
        writeln!(text, "{month}-10T00:00:00Z,{user},page_viewed,{value}").unwrap();
        let label = match value.as_str() {
            "" => "(none)".to_owned(),
            "(none)" => "\"(none)\"".to_owned(),
            "(other)" => "\"(other)\"".to_owned(),
            value => value.to_owned(),
        };
        for value in [None, Some(label)] {
            users.entry((month, value)).or_default().insert(user);
        }
    }
    // The newest month is incomplete: February ranks.
    project.write("events.csv", text);
    for top in [1, 4, 59, 1_000] {
        let mut february: BTreeMap<&String, usize> = BTreeMap::new();
        for ((month, value), users) in &users {
            let Some(value) = value else { continue };
            *february.entry(value).or_default() +=
                if *month == "2026-02" { users.len() } else { 0 };
        }
        let mut ranked: Vec<(usize, &String)> =
            february.into_iter().map(|(value, users)| (users, value)).collect();
        ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let kept: BTreeSet<&String> =
            ranked.into_iter().take(top).map(|(_, value)| value).collect();
        let mut expected = Users::new();
        for ((month, value), users) in &users {
            let value = value.as_ref().map(|value| match kept.contains(value) {
                true => value.clone(),
                false => "(other)".to_owned(),
            });
            expected.entry((*month, value)).or_default().extend(users);
        }
        let expected: BTreeMap<Vec<String>, u64> = expected
            .into_iter()
            .map(|((month, value), users)| {
                (vec![format!("{month}-01"), value.unwrap_or_default()], users.len() as u64)
            })
            .collect();
        let number = top.to_string();
        let arguments = ["--by", "plan", "--level", "total", "--top", &number];
        let report = project.report(&arguments);
        let with_users = |table: &Table| {
            let mut numbers = table.numbers(&["period_start", "plan"], "users");
            numbers.retain(|_, users| *users > 0);
            numbers
        };
        assert_eq!(with_users(&report), expected, "{top}");
        let sql = |filter: &str| {
            let call = format!("active_users(level => 'total', by => 'plan', top => {top})");
            let statement = format!("SELECT * FROM {call} {filter}");
            let ran = project.run(&["sql", "--format", "csv", "-c", &statement]);
            assert_eq!(ran.code, 0, "{}", ran.err);
            Table::of_csv(&ran.out)
        };
        assert_eq!(sql("").rows, report.rows);
        // A filter on the periods does not change what is ranked.
        let january = sql("WHERE period_start < DATE '2026-02-01'");
        let mut rows = report.rows.clone();
        rows.retain(|row| row[report.column("period_start")] == "2026-01-01");
        assert_eq!(january.rows, rows);
    }
    let ran = project.run(&["report", "--top", "2"]);
    assert!(ran.code == 2 && ran.err.contains("--by"), "{}", ran.err);
    let table = project.run(&["report", "--by", "plan", "--top", "2"]);
    assert!(table.out.contains("the 2 largest of plan; (other): users of"), "{}", table.out);
}
