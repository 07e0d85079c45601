//! Parts of a source as SQL and as paths, and rows selected by `where`: the same numbers in reports,
//! from the store and in SQL as in a loop over the events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray, StructArray};
use arrow::datatypes::Field;

use super::{Event, columns, events, project};
use crate::project::{Project, civil, gzip, parquet_in_groups};
use crate::table::Table;

/// An event as a tracker sends it: with either a user or a device, and the plan below `context`.
struct Row {
    event: Event,
    user: Option<String>,
    device: String,
    is_bot: Option<bool>,
}

fn rows() -> Vec<Row> {
    let row = |(at, event): (usize, Event)| Row {
        event,
        user: (at % 3 != 0).then(|| format!("u{}", event.user)),
        device: format!("d{}", event.user % 7),
        is_bot: [Some(true), Some(false), None, Some(false)][at % 4],
    };
    events().into_iter().enumerate().map(row).collect()
}

/// Users by month and plan (`None`: all plans), of all rows that are no bots.
fn expected() -> BTreeMap<Vec<String>, u64> {
    let mut users: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    for row in rows().into_iter().filter(|row| row.is_bot != Some(true)) {
        let month = civil(row.event.second)[..7].to_owned();
        let key = row.user.unwrap_or(row.device);
        let plan = row.event.plan.filter(|plan| !plan.is_empty()).unwrap_or("(none)");
        for plan in ["", plan] {
            let key = key.clone();
            users.entry(vec![format!("{month}-01"), plan.to_owned()]).or_default().insert(key);
        }
    }
    users.into_iter().map(|(key, users)| (key, users.len() as u64)).collect()
}

const PARTS: &str = "user: {sql: 'coalesce(userId, deviceId)'}, event: {sql: lower(type)}, \
                     dimensions: [{plan: context.traits.plan}]";

/// Reports, the store and SQL give the expected numbers; `month` is SQL for the month of a row.
#[track_caller]
fn check(project: &Project, month: &str) {
    let expected = expected();
    let months: Vec<Vec<String>> =
        expected.keys().filter(|key| key[1].is_empty()).cloned().collect();
    assert_eq!(months.len(), 3);
    let plan = "nullif(plan, '')";
    let by_plan = ["--level", "total", "--by", "plan"];
    let sql = |text: &str| {
        let ran = project.run(&["sql", "--format", "csv", "-c", text]);
        assert_eq!(ran.code, 0, "{text}: {}", ran.err);
        Table::of_csv(&ran.out)
    };
    for stored in [false, true] {
        if stored {
            let ran = project.run(&["ingest"]);
            assert_eq!(ran.code, 0, "{}", ran.err);
        }
        let report = project.report(&by_plan);
        assert_eq!(report.numbers(&["period_start", "plan"], "users"), expected, "{stored}");
        let counted = sql(&format!(
            "SELECT concat(month, '-01') AS period_start, \
             CASE WHEN grouping(plan) = 1 THEN '' ELSE coalesce(plan, '(none)') END AS plan, \
             count(DISTINCT \"user\") AS users \
             FROM (SELECT {month} AS month, {plan} AS plan, \"user\" FROM visits) \
             GROUP BY GROUPING SETS ((month), (month, plan))"
        ));
        assert_eq!(counted.numbers(&["period_start", "plan"], "users"), expected, "{stored}");
        let counted = sql("SELECT period_start, coalesce(plan, '') AS plan, users \
             FROM active_users('month', level => 'total', by => 'plan')");
        assert_eq!(counted.numbers(&["period_start", "plan"], "users"), expected, "{stored}");
    }
}

fn json_lines() -> String {
    let mut text = String::new();
    for Row { event, user, device, is_bot } in rows() {
        let quoted = |text: &str| format!("\"{text}\"");
        let user = user.map_or("null".to_owned(), |user| quoted(&user));
        let plan = event.plan.map_or("null".to_owned(), quoted);
        let context = match event.user % 5 {
            // A missing plan may be missing in several ways.
            0 if event.plan.is_none() => "null".to_owned(),
            1 if event.plan.is_none() => "{\"ip\": [1, {\"v\": 4}]}".to_owned(),
            _ => format!("{{\"ip\": [1], \"traits\": {{\"plan\": {plan}, \"seats\": 5}}}}"),
        };
        let bot = is_bot.map_or(String::new(), |is_bot| format!("\"isBot\": {is_bot}, "));
        text += &format!(
            "{{\"at\": \"{}Z\", \"userId\": {user}, \"deviceId\": \"{device}\", {bot}\
             \"type\": \"{}\", \"context\": {context}}}\n",
            civil(event.second),
            event.event.to_uppercase(),
        );
    }
    text
}

#[test]
fn of_nested_json() {
    let filter = "where: \"coalesce(isBot, 'false') <> 'true'\", time: at";
    let project = project("events.ndjson.gz", &format!("{filter}, {PARTS}"));
    project.write("events.ndjson.gz", gzip(json_lines().as_bytes()));
    check(&project, "substr(at, 1, 7)");
}

/// Row groups of 32 rows, so that statistics would skip some and know the month of others.
fn parquet_rows() -> Vec<u8> {
    let rows = rows();
    let text = |of: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let plan = text(&|row| row.event.plan.map(str::to_owned));
    let field = |name: &str, array: &ArrayRef| {
        (Arc::new(Field::new(name, array.data_type().clone(), true)), Arc::clone(array))
    };
    let ip: ArrayRef = text(&|_| Some("127.0.0.1".to_owned()));
    let traits: ArrayRef =
        Arc::new(StructArray::from(vec![field("plan", &plan), field("ip", &ip)]));
    let context = StructArray::from(vec![field("ip", &ip), field("traits", &traits)]);
    let bots: BooleanArray = rows.iter().map(|row| row.is_bot).collect();
    let all: Vec<Event> = rows.iter().map(|row| row.event).collect();
    let (_, at) = columns(&all).remove(0);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("at", at),
        ("userId", text(&|row| row.user.clone())),
        ("deviceId", text(&|row| Some(row.device.clone()))),
        ("isBot", Arc::new(bots)),
        ("type", text(&|row| Some(row.event.event.to_uppercase()))),
        ("context", Arc::new(context)),
    ];
    parquet_in_groups(&columns, 32)
}

#[test]
fn of_parquet_with_structs() {
    let filter = "where: isBot IS NOT TRUE, time: at";
    let project = project("events.parquet", &format!("{filter}, {PARTS}"));
    project.write("events.parquet", parquet_rows());
    check(&project, "to_char(at, '%Y-%m')");
}

#[test]
fn of_times_that_are_computed() {
    let fields = format!("where: isBot IS NOT TRUE, time: {{sql: 'at + INTERVAL 0 DAY'}}, {PARTS}");
    let project = project("events.parquet", &fields);
    project.write("events.parquet", parquet_rows());
    check(&project, "to_char(\"time\", '%Y-%m')");
}

#[test]
fn of_csv() {
    let mut text = "at,userId,deviceId,isBot,type,context.traits.plan\n".to_owned();
    for Row { event, user, device, is_bot } in rows() {
        text += &format!(
            "{}Z,{},{device},{},{},{}\n",
            civil(event.second),
            user.unwrap_or_default(),
            is_bot.map_or(String::new(), |is_bot| is_bot.to_string()),
            event.event.to_uppercase(),
            event.plan.unwrap_or_default(),
        );
    }
    let filter = "where: \"isBot is null or isBot = 'false'\", time: at";
    let project = project("events.csv", &format!("{filter}, {PARTS}"));
    project.write("events.csv", text);
    check(&project, "substr(at, 1, 7)");
}

/// Rows that the condition leaves out are not looked at, and do not shift the lines of the others.
#[test]
fn rejected_rows_keep_their_lines() {
    let fields = "where: kind = 'track', time: at, user: {sql: \"nullif(id, 'nobody')\"}, event: {const: searched}";
    let project = project("events.csv", fields);
    project.write(
        "events.csv",
        "kind,at,id\npage,never,\npage,2026-01-05,7\ntrack,2026-01-05,1\n,2026-01-06,2\n\
         track,soon,3\npage,soon,3\ntrack,2026-01-07,nobody\ntrack,2026-01-08,4\n",
    );
    let ran = project.run(&["report", "--level", "total", "--format", "csv"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert_eq!(Table::of_csv(&ran.out).lines(&["users"]), ["2"]);
    for part in [
        "2 rows",
        "events.csv, line 6: `at` is \"soon\"",
        "events.csv, line 8: `nullif(id, 'nobody')` is empty",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    // The same from the store.
    assert_eq!(project.run(&["ingest"]).code, 3);
    let stored = project.run(&["report", "--level", "total", "--format", "csv"]);
    assert_eq!((stored.code, &stored.out), (3, &ran.out), "{}", stored.err);
    assert!(stored.err.contains("events.csv, line 8: `nullif(id, 'nobody')`"), "{}", stored.err);
}

/// A store is not used for events that the project now reads otherwise.
#[test]
fn a_store_knows_the_condition() {
    let fields = "time: at, user: id, event: {const: searched}";
    let project = project("events.csv", &format!("where: id <> '1', {fields}"));
    project.write("events.csv", "at,id\n2026-01-05,1\n2026-01-05,2\n");
    assert_eq!(project.run(&["ingest"]).code, 0);
    project.write(
        "headcount.yaml",
        format!("sources:\n  - {{name: visits, files: events.csv, where: id <> '2', {fields}}}\n"),
    );
    let ran = project.run(&["ingest"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("where=id <> '1'"), "{}", ran.err);
}

#[test]
fn mistakes_are_reported_with_their_key() {
    let good = "time: at, user: id, event: {const: searched}";
    for (fields, key, message) in [
        ("where: id, time: at, user: id, event: {const: searched}", "where", "is no condition"),
        (&format!("where: nobody = '1', {good}"), "where", "nobody"),
        (&format!("where: id = '1' id, {good}"), "where", "invalid SQL expression"),
        (&format!("where: count(*) > 1, {good}"), "where", "an aggregate function"),
        (&format!("where: \"exists (select 1)\", {good}"), "where", "a subquery"),
        (&format!("where: random() < 0.5, {good}"), "where", "`random()`"),
        (&format!("where: at < cast(now() as text), {good}"), "where", "`now()`"),
        (
            "time: at, user: context.id, event: {const: searched}",
            "user",
            "the column `context.id` is missing",
        ),
        (
            "time: at, user: {sql: 'id || '}, event: {const: searched}",
            "user",
            "invalid SQL expression",
        ),
        ("time: at, user: {sql: 1.5}, event: {const: searched}", "user", "cannot hold user keys"),
        ("time: {sql: at = id}, user: id, event: {const: searched}", "time", "cannot hold times"),
        (
            &format!("{good}, dimensions: [id, {{plan: {{sql: upper(x)}}}}]"),
            "dimensions[1].plan",
            "x",
        ),
        (
            &format!("{good}, dimensions: [id, {{id: at}}]"),
            "dimensions[1].id",
            "two dimensions have the name `id`",
        ),
        (
            "time: at, user: {sql: id, column: id}, event: {const: searched}",
            "user",
            "expected one of `column` or `sql`",
        ),
        ("time: at, user: {const: me}, event: {const: searched}", "user", "unknown key"),
    ] {
        let project = project("events.csv", fields);
        project.write("events.csv", "at,id\n2026-01-05,1\n");
        let ran = project.run(&["check"]);
        assert_eq!(ran.code, 1, "{fields}: {} {}", ran.out, ran.err);
        let output = format!("{}{}", ran.out, ran.err);
        for part in [&format!("sources[0].{key}"), message] {
            assert!(output.contains(part), "{fields}: no {part:?} in {output}");
        }
        // A report reads only the dimensions that it needs.
        let by =
            if key == "dimensions[1].plan" { &["report", "--by", "plan"][..] } else { &["report"] };
        let report = project.run(by);
        assert_eq!(report.code, 1, "{fields}: {}", report.err);
        assert!(report.err.contains(message), "{fields}: {}", report.err);
    }
}

/// A value for which an expression cannot be computed is an error with its file, not a wrong number.
#[test]
fn expressions_that_cannot_be_computed() {
    let fields = "time: at, user: {sql: cast(id as bigint)}, event: {const: searched}";
    let project = project("events.csv", fields);
    project.write("events.csv", "at,id\n2026-01-05,1\n2026-01-05,x\n");
    let ran = project.run(&["report"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    for part in ["the expression cannot be computed", "'x'", "cast(id as bigint)", "events.csv"] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
}
