//! Events and dimensions: columns of any type, and constants.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int8Array, Int64Array, LargeStringArray,
    StringArray, StringViewArray, UInt64Array,
};
use arrow::datatypes::{Int8Type, UInt32Type};
use engine::active::{Level, Question};

use super::{FIELDS, columns, columns_with, events, expected, project, rows_of};
use crate::project::parquet;

/// Texts in every string type of Arrow.
fn forms(texts: &[Option<&str>]) -> Vec<(&'static str, ArrayRef)> {
    let small: DictionaryArray<Int8Type> = texts.iter().copied().collect();
    let large: DictionaryArray<UInt32Type> = texts.iter().copied().collect();
    vec![
        ("Utf8", Arc::new(texts.iter().copied().collect::<StringArray>())),
        ("LargeUtf8", Arc::new(texts.iter().copied().collect::<LargeStringArray>())),
        ("Utf8View", Arc::new(texts.iter().copied().collect::<StringViewArray>())),
        ("Dictionary(Int8)", Arc::new(small)),
        ("Dictionary(UInt32)", Arc::new(large)),
    ]
}

#[test]
fn event_names_and_dimensions() {
    let names: Vec<Option<&str>> = events().iter().map(|event| Some(event.event)).collect();
    let plans: Vec<Option<&str>> = events().iter().map(|event| event.plan).collect();
    let check = |form: &str, column, array: ArrayRef| {
        let bytes = parquet(&columns_with(column, array));
        assert_eq!(rows_of("events.parquet", &bytes, FIELDS), expected(), "{column} {form}");
    };
    for (form, array) in forms(&names) {
        check(form, "event", array);
    }
    for (form, array) in forms(&plans) {
        check(form, "plan", array);
    }
}

/// Values of a dimension in the order of the rows of the first month's total.
fn values(plans: ArrayRef) -> Vec<(Option<String>, u64)> {
    let columns: Vec<(&str, ArrayRef)> = columns(&events()[..plans.len()])
        .into_iter()
        .map(|(name, array)| (name, if name == "plan" { Arc::clone(&plans) } else { array }))
        .collect();
    let rows = rows_of("events.parquet", &parquet(&columns), FIELDS);
    let total = rows.into_iter().filter(|row| row.level == Level::Total);
    total.map(|row| (row.by[0].clone(), row.users)).collect()
}

#[test]
fn dimensions_that_are_no_texts() {
    let users = |rows: &[usize]| {
        let users = rows.iter().map(|row| events()[*row].user);
        users.collect::<std::collections::BTreeSet<u8>>().len() as u64
    };
    let own = |text: &str| Some(text.to_owned());
    let numbers = vec![Some(7), None, Some(-3), Some(7)];
    let expected = vec![
        (None, users(&[0, 1, 2, 3])),
        (own("(none)"), users(&[1])),
        (own("-3"), users(&[2])),
        (own("7"), users(&[0, 3])),
    ];
    let int8 = numbers.iter().map(|number| number.map(|n| n as i8)).collect::<Int8Array>();
    assert_eq!(values(Arc::new(int8)), expected);
    assert_eq!(values(Arc::new(numbers.into_iter().collect::<Int64Array>())), expected);
    let flags = BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]);
    let expected = vec![
        (None, users(&[0, 1, 2, 3])),
        (own("(none)"), users(&[1])),
        (own("false"), users(&[2])),
        (own("true"), users(&[0, 3])),
    ];
    assert_eq!(values(Arc::new(flags)), expected);
    let large = UInt64Array::from(vec![u64::MAX, u64::MAX]);
    let expected = vec![(None, users(&[0, 1])), (own("18446744073709551615"), users(&[0, 1]))];
    assert_eq!(values(Arc::new(large)), expected);
}

/// No value is `(none)`, and a value of that very text is quoted: they stay apart.
#[test]
fn a_value_that_looks_like_none() {
    let texts = vec![Some("(none)"), None, Some(""), Some(" "), Some("(none)")];
    let values = values(Arc::new(StringArray::from(texts)));
    let names: Vec<Option<&str>> = values.iter().map(|(name, _)| name.as_deref()).collect();
    assert_eq!(names, [None, Some(" "), Some("\"(none)\""), Some("(none)")]);
}

#[test]
fn constants() {
    let ask = |fields: &str, by: &str, columns: &[(&str, ArrayRef)]| {
        let project = project("events.parquet", fields);
        project.write("events.parquet", parquet(columns));
        let by = vec![by.to_owned()];
        let levels = [Level::Total, Level::Action].into();
        let rows = project.ask(&Question { by, levels, ..Question::default() }).report.rows;
        let first = rows[0].period;
        let line = |row: &engine::active::ReportRow| {
            let value = row.by[0].as_deref().unwrap_or("all");
            format!("{} {value}", row.metric.as_deref().unwrap_or("total"))
        };
        let of_first = rows.iter().filter(|row| row.period == first && row.users > 0);
        of_first.map(line).collect::<Vec<_>>()
    };
    let columns = columns(&events());
    let fields = "time: at, user: user_id, event: {const: searched}, deployment: saas";
    let expected = ["total all", "total saas", "monthly.search all", "monthly.search saas"];
    assert_eq!(ask(fields, "deployment", &columns), expected);
    let fields = fields.replace("deployment: saas", "deployment: {const: on the moon}");
    let expected = expected.map(|line| line.replace("saas", "on the moon"));
    assert_eq!(ask(&fields, "deployment", &columns), expected);
    // Any other word is a column.
    let fields = fields.replace("{const: on the moon}", "plan");
    let expected = [
        "total all",
        "total (none)",
        "total free",
        "total paid",
        "monthly.search all",
        "monthly.search (none)",
        "monthly.search free",
        "monthly.search paid",
    ];
    assert_eq!(ask(&fields, "deployment", &columns), expected);
    let fields = fields.replace("deployment: plan", "deployment: {column: plan}");
    assert_eq!(ask(&fields, "deployment", &columns), expected);
}
