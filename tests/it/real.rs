//! The small real data set: every number is computed a second time by the `COUNT(DISTINCT)` of
//! DataFusion, without our operators, rules and calendar.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::MemTable;
use datafusion::functions::expr_fn::date_trunc;
use datafusion::functions_aggregate::expr_fn::count_distinct;
use datafusion::physical_plan::collect;
use datafusion::prelude::{Expr, SessionContext, cast, col, lit};
use datasets::CONTRIBUTIONS;
use engine::active::{Level, Question, ReportRow, TreeOf};
use engine::calendar::{Day, Window, first_day};
use engine::metric::{Dictionary, Rule};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::project::{ask_at, contributions, program, run_in};

/// The events of both repositories.
fn events() -> DataFrame {
    let mut batches: Vec<RecordBatch> = Vec::new();
    for name in ["rails", "jekyll"] {
        let file = File::open(contributions().join(format!("data/{name}.parquet"))).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        batches.extend(reader.map(|batch| batch.unwrap()));
    }
    let table = MemTable::try_new(batches[0].schema(), vec![batches]).unwrap();
    SessionContext::new().read_table(Arc::new(table)).unwrap()
}

/// The rows of a query as texts.
///
/// The query is built from expressions, independently of SQL.
fn rows(query: DataFrame) -> Vec<Vec<String>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let (state, plan) = query.into_parts();
    let plan = state.optimize(&plan).unwrap();
    let plan = runtime.block_on(state.query_planner().create_physical_plan(&plan, &state)).unwrap();
    let mut rows = Vec::new();
    for batch in runtime.block_on(collect(plan, Arc::new((&state).into()))).unwrap() {
        for row in 0..batch.num_rows() {
            let columns = batch.columns().iter();
            rows.push(columns.map(|column| array_value_to_string(column, row).unwrap()).collect());
        }
    }
    rows
}

/// First day of the calendar period of an event.
fn period(unit: &str) -> Expr {
    cast(date_trunc(lit(unit), col("occurred_at")), DataType::Date32)
}

/// `(first day of the period, value of the dimension or "all")` and the users.
type Counts = BTreeMap<(String, String), u64>;

/// Distinct authors by period and one dimension, and over all of its values.
fn plain_counts(unit: &str, dimension: &str) -> Counts {
    let mut counts = Counts::new();
    for value in [col(dimension), lit("all")] {
        let groups = vec![period(unit), value];
        let query = events().aggregate(groups, vec![count_distinct(col("author"))]);
        for row in rows(query.unwrap()) {
            counts.insert((row[0].clone(), row[1].clone()), row[2].parse().unwrap());
        }
    }
    counts
}

fn ask(question: &Question) -> Vec<ReportRow> {
    ask_at(&contributions(), question).unwrap().report.rows
}

fn total_by(window: Window, dimension: &str) -> Question {
    let levels = BTreeSet::from([Level::Total]);
    Question { window, levels, by: vec![dimension.to_owned()], ..Question::default() }
}

#[test]
fn every_period_by_every_dimension() {
    for (window, unit) in [
        (Window::Month, "month"),
        (Window::Week, "week"),
        (Window::Quarter, "quarter"),
        (Window::Year, "year"),
        (Window::Day, "day"),
    ] {
        for dimension in ["repository", "component"] {
            let mut counts = Counts::new();
            for row in ask(&total_by(window, dimension)) {
                let value = row.by[0].clone().unwrap_or_else(|| "all".to_owned());
                let twice = counts.insert((row.period.start.to_string(), value), row.users);
                assert_eq!(twice, None, "two rows of {row:?}");
            }
            counts.retain(|_, users| *users > 0);
            assert_eq!(counts, plain_counts(unit, dimension), "{unit} by {dimension}");
        }
    }
}

/// Every stage, group and metric: the rules of the dictionary as filters.
#[test]
fn every_node_of_the_tree() {
    let project = engine::project::Project::load(&contributions()).unwrap();
    let dictionary = Dictionary::load(project.dictionary.as_ref().unwrap()).unwrap();
    let today = first_day("2026-08-22").unwrap();
    let mut people: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for metric in &dictionary.metrics {
        let place = dictionary.tree.placement(metric, today);
        let selected = metric.rules.iter().map(condition).reduce(Expr::or).unwrap();
        let query = events()
            .filter(selected)
            .and_then(|query| query.aggregate(vec![period("month"), col("author")], vec![]));
        let nodes = [
            place.section.map(|key| format!("section {key}")),
            place.stage.map(|key| format!("stage {key}")),
            place.group.map(|key| format!("group {key}")),
            Some(format!("action {}", metric.key_path)),
        ];
        for row in rows(query.unwrap()) {
            for node in nodes.iter().flatten() {
                let users = people.entry((row[0].clone(), node.clone())).or_default();
                users.insert(row[1].clone());
            }
        }
    }
    let expected: Counts = people.into_iter().map(|(key, set)| (key, set.len() as u64)).collect();
    let levels = BTreeSet::from([Level::Section, Level::Stage, Level::Group, Level::Action]);
    let mut counts = Counts::new();
    for row in ask(&Question { levels, tree: TreeOf::Today, ..Question::default() }) {
        let key = [row.metric, row.group, row.stage, row.section].into_iter().flatten().next();
        let node = format!("{} {}", row.level, key.unwrap());
        if row.users > 0 {
            counts.insert((row.period.start.to_string(), node), row.users);
        }
    }
    assert!(counts.len() > 5_000, "{} rows", counts.len());
    assert_eq!(counts, expected);
}

fn condition(rule: &Rule) -> Expr {
    let event = col("event").eq(lit(rule.event.clone()));
    rule.filter.iter().fold(event, |all, (dimension, values)| {
        let values = values.iter().map(|value| lit(value.clone())).collect();
        all.and(col(dimension).in_list(values, false))
    })
}

/// The 28 days up to every day of a year; some of them with a query of their own.
#[test]
fn trailing_days() {
    let question = Question {
        window: Window::Trailing(28),
        levels: [Level::Total].into(),
        from: first_day("2017-01-01").ok(),
        to: first_day("2017-12-31").ok(),
        ..Question::default()
    };
    let report = ask(&question);
    assert_eq!(report.len(), 365);
    let date = |day: Day| lit(ScalarValue::Date32(Some(day.number())));
    for row in report.iter().step_by(23) {
        let (start, end) = (row.period.start, row.period.end);
        assert_eq!(end.number() - start.number(), 27);
        let day = cast(col("occurred_at"), DataType::Date32);
        let query = events()
            .filter(day.between(date(start), date(end)))
            .and_then(|query| query.aggregate(vec![], vec![count_distinct(col("author"))]));
        assert_eq!(rows(query.unwrap()), [[row.users.to_string()]], "{}", row.period);
    }
}

/// The program has every file of the data set, as it is in the repository.
#[test]
fn the_data_set_is_in_the_program() {
    let mut found = Vec::new();
    let mut folders = vec![contributions()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(contributions()).unwrap().to_str().unwrap().to_owned();
            match (path.is_dir(), name.as_str()) {
                (true, "store") | (false, "README.md") => {}
                (true, _) => folders.push(path),
                (false, _) => found.push((name, std::fs::read(path).unwrap())),
            }
        }
    }
    found.sort();
    let own: Vec<(String, Vec<u8>)> =
        CONTRIBUTIONS.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    assert!(own == found, "{:?}", found.iter().map(|(name, _)| name).collect::<Vec<_>>());
}

/// The demo prints the last six months of these numbers, and writes all of them to a file.
#[test]
fn the_demo() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_in(folder.path(), &["demo"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let counts = plain_counts("month", "repository");
    for month in ["2026-03", "2026-04", "2026-05", "2026-06", "2026-07", "2026-08"] {
        let users = counts[&(format!("{month}-01"), "all".to_owned())];
        let line = ran.out.lines().find(|line| line.starts_with(month)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words.contains(&users.to_string().as_str()), "no {users} in {line:?}");
    }
    assert!(!ran.out.contains("2026-02 "), "{}", ran.out);
    let html = std::fs::read_to_string(folder.path().join("headcount-demo.html")).unwrap();
    for part in ["<!DOCTYPE html>", "</html>", "Rails and Jekyll", "2004-11", "2026-08", ">103<"] {
        assert!(html.contains(part), "no {part} in the HTML");
    }
    // Another name for the file, and nothing else is left behind.
    let ran = program(folder.path()).args(["demo", "-o", "other.html"]).output().unwrap();
    assert!(ran.status.success());
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["headcount-demo.html", "other.html"]);
}
