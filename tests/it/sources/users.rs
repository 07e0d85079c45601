//! Every type that can identify a user, and which keys are the same user.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryViewArray, DictionaryArray, FixedSizeBinaryArray, Int8Array,
    Int16Array, Int32Array, Int64Array, LargeBinaryArray, LargeStringArray, StringArray,
    StringViewArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{Int8Type, Int32Type, UInt16Type};

use super::{Event, FIELDS, columns_with, csv, events, expected, project, rows, rows_of};
use crate::project::parquet;

fn users() -> impl Iterator<Item = u8> {
    events().into_iter().map(|event| event.user)
}

#[track_caller]
fn check(name: &str, users: ArrayRef) {
    let bytes = parquet(&columns_with("user_id", users));
    assert_eq!(rows_of("events.parquet", &bytes, FIELDS), expected(), "{name}");
}

#[test]
fn integers_of_every_width_and_sign() {
    macro_rules! widths {
        ($($array:ident $native:ty),+) => {$(
            let small = users().map(|user| user as $native);
            check(stringify!($array), Arc::new($array::from_iter_values(small)));
            // At the upper end of the type, where a wrong width would show.
            let large = users().map(|user| <$native>::MAX - user as $native);
            check(stringify!($array), Arc::new($array::from_iter_values(large)));
            let lowest = users().map(|user| <$native>::MIN + user as $native);
            check(stringify!($array), Arc::new($array::from_iter_values(lowest)));
        )+};
    }
    widths!(
        Int8Array i8, Int16Array i16, Int32Array i32, Int64Array i64, UInt8Array u8,
        UInt16Array u16, UInt32Array u32, UInt64Array u64
    );
}

#[test]
fn texts_and_binary() {
    let names = || users().map(|user| format!("user-{user}@example.org"));
    check("Utf8", Arc::new(StringArray::from_iter_values(names())));
    check("LargeUtf8", Arc::new(LargeStringArray::from_iter_values(names())));
    check("Utf8View", Arc::new(StringViewArray::from_iter_values(names())));
    check("short binary", Arc::new(BinaryArray::from_iter_values(users().map(|user| [user]))));
    let bytes = || users().map(uuid_bytes);
    check("Binary", Arc::new(BinaryArray::from_iter_values(bytes())));
    check("LargeBinary", Arc::new(LargeBinaryArray::from_iter_values(bytes())));
    check("BinaryView", Arc::new(BinaryViewArray::from_iter_values(bytes())));
    let fixed = FixedSizeBinaryArray::try_from_iter(bytes()).unwrap();
    check("FixedSizeBinary", Arc::new(fixed));
    check("UUID text", Arc::new(StringArray::from_iter_values(users().map(uuid_text))));
}

#[test]
fn dictionaries() {
    let names: Vec<String> = users().map(|user| format!("name {user}")).collect();
    let array: DictionaryArray<Int8Type> = names.iter().map(String::as_str).collect();
    check("of texts", Arc::new(array));
    let keys = Int32Array::from_iter_values(users().map(i32::from));
    let numbers = Int64Array::from_iter_values((0..256).map(|number| number * 1_000_003 - 9));
    let array = DictionaryArray::<Int32Type>::new(keys, Arc::new(numbers));
    check("of integers", Arc::new(array));
    let keys = UInt16Array::from_iter_values(users().map(u16::from));
    let uuids = StringArray::from_iter_values((0..=255).map(uuid_text));
    check("of UUIDs", Arc::new(DictionaryArray::<UInt16Type>::new(keys, Arc::new(uuids))));
}

fn uuid_bytes(user: u8) -> [u8; 16] {
    std::array::from_fn(|at| (at as u8).wrapping_mul(37) ^ user)
}

fn uuid_text(user: u8) -> String {
    let hex: String = uuid_bytes(user).iter().map(|byte| format!("{byte:02x}")).collect();
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}

/// The events are spread over one file for each form of the keys: the same person comes as a
/// number here and as a text there.
#[track_caller]
fn spread(name: &str, parts: &[(&str, &dyn Fn(&[Event]) -> Vec<u8>)]) {
    let project = project("data", FIELDS);
    for (at, (file, form)) in parts.iter().enumerate() {
        let of_file: Vec<Event> = events().into_iter().skip(at).step_by(parts.len()).collect();
        project.write(&format!("data/{at}-{file}"), form(&of_file));
    }
    assert_eq!(rows(&project), expected(), "{name}");
}

fn with_users(events: &[Event], users: ArrayRef) -> Vec<u8> {
    let mut columns = super::columns(events);
    columns[1].1 = users;
    parquet(&columns)
}

#[test]
fn one_person_has_one_key_in_all_files() {
    let each = |events: &[Event]| events.iter().map(|event| event.user).collect::<Vec<u8>>();
    let int64 = |events: &[Event]| parquet(&super::columns(events));
    let uint8 =
        |events: &[Event]| with_users(events, Arc::new(UInt8Array::from_iter_values(each(events))));
    let uint64 = |events: &[Event]| {
        let users = each(events).into_iter().map(u64::from);
        with_users(events, Arc::new(UInt64Array::from_iter_values(users)))
    };
    let text = |events: &[Event]| {
        let users = each(events).into_iter().map(|user| user.to_string());
        with_users(events, Arc::new(StringArray::from_iter_values(users)))
    };
    let csv = |events: &[Event]| csv(events, ',').into_bytes();
    let ndjson = |events: &[Event]| super::ndjson(events).into_bytes();
    spread(
        "numbers",
        &[
            ("a.parquet", &int64),
            ("b.parquet", &uint8),
            ("c.parquet", &uint64),
            ("d.parquet", &text),
            ("e.csv", &csv),
            ("f.ndjson", &ndjson),
        ],
    );
    let binary = |events: &[Event]| {
        let users = each(events).into_iter().map(uuid_bytes);
        with_users(events, Arc::new(FixedSizeBinaryArray::try_from_iter(users).unwrap()))
    };
    let uuid = |events: &[Event]| {
        let users = each(events).into_iter().map(uuid_text);
        with_users(events, Arc::new(StringArray::from_iter_values(users)))
    };
    spread("UUIDs", &[("a.parquet", &binary), ("b.parquet", &uuid)]);
}

/// A JSON number is the same however it is written; a JSON text is taken literally.
#[test]
fn json_numbers_have_many_forms() {
    let count = |users: &[&str]| {
        let line = |user: &&str| {
            format!("{{\"at\": \"2026-01-05\", \"user_id\": {user}, \"event\": \"searched\"}}\n")
        };
        let text: String = users.iter().map(line).collect();
        let project = project("events.ndjson", "time: at, user: user_id, event: event");
        project.write("events.ndjson", text);
        let users = project.ask(&engine::active::Question::default()).report.rows[0].users;
        let sql = "SELECT count(DISTINCT user_id) AS users FROM visits";
        let ran = project.run(&["sql", "--format", "csv", "-c", sql]);
        assert_eq!(ran.out, format!("users\n{users}\n"), "{}", ran.err);
        users
    };
    assert_eq!(count(&["2", "2.0", "20e-1", "2.00", "\"2\""]), 1);
    assert_eq!(count(&["1000", "1e3", "1.0E+3"]), 1);
    assert_eq!(count(&["2.5", "2.50", "25e-1", "2", "3"]), 3);
    assert_eq!(count(&["2", "\"2.0\"", "\"02\""]), 3);
    // As floating-point numbers these would be equal.
    assert_eq!(count(&["9007199254740992.0", "9007199254740993.0", "9007199254740993"]), 2);
}

/// A text and a number are the same user only if the number is printed as that text.
#[test]
fn different_keys_are_different_people() {
    let count = |users: &[&str]| {
        let rows: String =
            users.iter().map(|user| format!("2026-01-05,\"{user}\",searched,free\n")).collect();
        let text = format!("at,user_id,event,plan\n{rows}");
        let rows = rows_of("events.csv", text.as_bytes(), FIELDS);
        rows[0].users
    };
    assert_eq!(count(&["42", "42"]), 1);
    assert_eq!(count(&["42", "042", "+42", "42.0", " 42", "42 ", "4_2"]), 7);
    assert_eq!(count(&["ann", "Ann", "ANN", "änn"]), 4);
    let upper = uuid_text(200).to_uppercase();
    assert_eq!(count(&[&uuid_text(200), &upper, &uuid_text(201)]), 3);
    let (max, beyond) = (i64::MAX.to_string(), (u64::MAX / 2 + 1).to_string());
    assert_eq!(count(&[&max, &beyond, "-9223372036854775808", "18446744073709551615"]), 4);
}
