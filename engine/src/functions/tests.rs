//! Every operator against a `HashSet` per group: over random batches, types, filters, parts of a
//! query that come together, and groups that leave early.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array, LargeBinaryArray, NullArray,
    StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::logical_expr::{Accumulator, Documentation, EmitTo, GroupsAccumulator};
use datafusion::scalar::ScalarValue;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};

use super::approx::ApproxGroups;
use super::exact::ExactGroups;
use super::single_group::SingleGroup;
use super::{aggregates, scalars, state};
use crate::scan::{is_countable, is_user};

/// An operator whose own count of its bytes can be checked.
trait Recount: GroupsAccumulator {
    fn recount(&self) -> usize;
}

impl Recount for ExactGroups {
    fn recount(&self) -> usize {
        self.recount()
    }
}

impl Recount for ApproxGroups {
    fn recount(&self) -> usize {
        self.recount()
    }
}

fn exact() -> Box<dyn Recount> {
    Box::new(ExactGroups::default())
}

/// Exact as well, as long as a group has a few hundred values.
fn approx() -> Box<dyn Recount> {
    Box::new(ApproxGroups::new(14).unwrap())
}

/// A kind of column: its type, and what stands for the n-th value.
type Kind = (DataType, fn(i64) -> Plain);

enum Plain {
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

fn dictionary(values: DataType) -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(values))
}

/// Kinds of columns that can be users.
fn user_kinds() -> Vec<Kind> {
    fn signed(n: i64) -> Plain {
        Plain::Int(n - 100)
    }
    fn wide(n: i64) -> Plain {
        Plain::Int(n.wrapping_mul(0x5851_f42d_4c95_7f2d))
    }
    fn mixed(n: i64) -> Plain {
        Plain::Text(match n % 4 {
            0 => n.to_string(),
            1 => format!("0{n}"),
            2 => format!("00000000-0000-0000-0000-{n:012}"),
            _ => format!("someone whose name does not fit into a view {n}"),
        })
    }
    fn number(n: i64) -> Plain {
        Plain::Text(n.to_string())
    }
    fn uuid(n: i64) -> Plain {
        Plain::Bytes((n as u128).wrapping_mul(0x1234_5678_9abc_def1_2345).to_be_bytes().to_vec())
    }
    fn bytes(n: i64) -> Plain {
        Plain::Bytes(vec![b'x'; n as usize % 20])
    }
    let mut kinds: Vec<Kind> = vec![
        (DataType::UInt8, |n| Plain::Int(n % 256)),
        (DataType::Int8, |n| Plain::Int(n % 256 - 128)),
        (DataType::UInt16, Plain::Int),
        (DataType::Int16, signed),
        (DataType::UInt32, |n| Plain::Int(i64::from(u32::MAX) - n)),
        (DataType::Int32, signed),
        (DataType::Int64, Plain::Int),
        (DataType::Int64, wide),
        (DataType::Int64, |n| Plain::Int((1 << 32) - 150 + n)),
        (DataType::UInt64, Plain::Int),
    ];
    for data_type in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
        kinds.extend([
            (dictionary(data_type.clone()), mixed as fn(i64) -> Plain),
            (data_type.clone(), mixed),
            (data_type, number),
        ]);
    }
    for data_type in [DataType::Binary, DataType::LargeBinary, DataType::BinaryView] {
        kinds.extend([
            (dictionary(data_type.clone()), uuid as fn(i64) -> Plain),
            (data_type.clone(), uuid),
            (data_type, bytes),
        ]);
    }
    kinds.extend([
        (DataType::FixedSizeBinary(16), uuid as fn(i64) -> Plain),
        (dictionary(DataType::Int64), wide),
        (dictionary(DataType::UInt64), Plain::Int),
    ]);
    kinds
}

/// Kinds of columns that can be counted exactly.
fn exact_kinds() -> Vec<Kind> {
    fn signed(n: i64) -> Plain {
        Plain::Int(n - 100)
    }
    let mut kinds = user_kinds();
    kinds.extend([
        (DataType::Boolean, (|n| Plain::Int(n % 2)) as fn(i64) -> Plain),
        (DataType::Date32, signed),
        (DataType::Date64, signed),
        (DataType::Time32(TimeUnit::Second), Plain::Int),
        (DataType::Time64(TimeUnit::Nanosecond), Plain::Int),
        (DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), signed),
        (DataType::Duration(TimeUnit::Second), signed),
        (dictionary(DataType::Date32), signed),
    ]);
    kinds
}

/// A column of this kind; `None` is null.
fn column(kind: &Kind, rows: &[Option<i64>]) -> ArrayRef {
    let plain: Vec<Option<Plain>> = rows.iter().map(|row| row.map(kind.1)).collect();
    let int = |p: &Option<Plain>| match p {
        Some(Plain::Int(int)) => Some(*int),
        _ => None,
    };
    let array: ArrayRef = match kind.1(0) {
        Plain::Int(_) => Arc::new(plain.iter().map(int).collect::<Int64Array>()),
        Plain::Text(_) => Arc::new(StringArray::from_iter(plain.iter().map(|p| match p {
            Some(Plain::Text(text)) => Some(text),
            _ => None,
        }))),
        Plain::Bytes(_) => Arc::new(BinaryArray::from_iter(plain.iter().map(|p| match p {
            Some(Plain::Bytes(bytes)) => Some(bytes),
            _ => None,
        }))),
    };
    // Some pairs of types have no cast between them but one by way of another.
    let by_way_of = match &kind.0 {
        DataType::Date32 | DataType::Time32(_) => Some(DataType::Int32),
        DataType::Dictionary(_, values) if **values == DataType::Date32 => Some(DataType::Int32),
        _ => None,
    };
    let array = by_way_of.map_or(Ok(Arc::clone(&array)), |by| cast(&array, &by)).unwrap();
    let array = match &kind.0 {
        DataType::Dictionary(_, values) => cast(&array, values).unwrap(),
        _ => array,
    };
    cast(&array, &kind.0).unwrap()
}

/// What makes two values of a kind one value.
fn identity(kind: &Kind, n: i64) -> String {
    match kind.1(n) {
        Plain::Int(int) => int.to_string(),
        Plain::Text(text) => text,
        Plain::Bytes(bytes) => format!("{bytes:?}"),
    }
}

/// How a batch gets into the accumulator.
#[derive(Clone, Copy, Debug)]
enum Way {
    Update,
    /// By the state of another accumulator.
    State,
    /// By the states of its rows.
    Rows,
}

/// How groups leave it.
#[derive(Clone, Copy, Debug)]
enum Emit {
    Nothing,
    First(usize),
    All,
}

#[derive(Clone, Debug)]
struct Step {
    /// Group, value, filter.
    rows: Vec<(usize, Option<i64>, Option<bool>)>,
    filtered: bool,
    way: Way,
    emit: Emit,
    /// The groups leave as states, and are counted elsewhere.
    as_state: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (
        0usize..6,
        proptest::option::weighted(0.9, 0i64..300),
        proptest::option::weighted(0.9, any::<bool>()),
    );
    let step = (
        proptest::collection::vec(row, 0..120),
        any::<bool>(),
        prop_oneof![Just(Way::Update), Just(Way::State), Just(Way::Rows)],
        prop_oneof![
            Just(Emit::Nothing),
            Just(Emit::Nothing),
            (0usize..7).prop_map(Emit::First),
            Just(Emit::All)
        ],
        any::<bool>(),
    );
    let step = step.prop_map(|(rows, filtered, way, emit, as_state)| Step {
        rows,
        filtered,
        way,
        emit,
        as_state,
    });
    proptest::collection::vec(step, 1..6)
}

fn counts(array: &ArrayRef) -> Vec<i64> {
    assert_eq!(array.null_count(), 0);
    array.as_primitive::<Int64Type>().values().to_vec()
}

/// Runs the steps through an operator and through sets of its values.
fn check(make: fn() -> Box<dyn Recount>, kind: &Kind, steps: &[Step]) {
    let mut operator = make();
    let mut model: Vec<HashSet<String>> = Vec::new();
    for step in steps {
        let groups: Vec<usize> = step.rows.iter().map(|row| row.0).collect();
        let total = groups.iter().map(|group| group + 1).max().unwrap_or(0).max(model.len());
        let values = [column(kind, &step.rows.iter().map(|row| row.1).collect::<Vec<_>>())];
        let filter: BooleanArray = step.rows.iter().map(|row| row.2).collect();
        let filter = step.filtered.then_some(&filter);
        match step.way {
            Way::Update => operator.update_batch(&values, &groups, filter, total).unwrap(),
            Way::State => {
                let mut other = make();
                other.update_batch(&values, &groups, filter, total).unwrap();
                let states = other.state(EmitTo::All).unwrap();
                let all: Vec<usize> = (0..total).collect();
                operator.merge_batch(&states, &all, total).unwrap();
            }
            Way::Rows => {
                let states = make().convert_to_state(&values, filter).unwrap();
                operator.merge_batch(&states, &groups, total).unwrap();
            }
        }
        model.resize(total, HashSet::new());
        for (group, value, passed) in &step.rows {
            if let Some(value) = value.filter(|_| !step.filtered || *passed == Some(true)) {
                model[*group].insert(identity(kind, value));
            }
        }
        assert_eq!(operator.size(), operator.recount());
        let (emit, leaving) = match step.emit {
            Emit::Nothing => continue,
            Emit::First(n) => (EmitTo::First(n.min(total)), n.min(total)),
            Emit::All => (EmitTo::All, total),
        };
        let expected: Vec<i64> = model.drain(..leaving).map(|set| set.len() as i64).collect();
        let result = if step.as_state {
            let states = operator.state(emit).unwrap();
            let mut other = make();
            let all: Vec<usize> = (0..leaving).collect();
            other.merge_batch(&states, &all, leaving).unwrap();
            other.evaluate(EmitTo::All).unwrap()
        } else {
            operator.evaluate(emit).unwrap()
        };
        assert_eq!(counts(&result), expected);
        assert_eq!(operator.size(), operator.recount());
    }
    let expected: Vec<i64> = model.iter().map(|set| set.len() as i64).collect();
    assert_eq!(counts(&operator.evaluate(EmitTo::All).unwrap()), expected);
}

proptest! {
    #[test]
    fn exact_counts_are_those_of_a_hash_set(steps in steps(), kind in 0usize..1000) {
        let kinds = exact_kinds();
        check(exact, &kinds[kind % kinds.len()], &steps);
    }

    #[test]
    fn small_approximate_counts_are_those_of_a_hash_set(steps in steps(), kind in 0usize..1000) {
        let kinds = user_kinds();
        check(approx, &kinds[kind % kinds.len()], &steps);
    }

    #[test]
    fn bytes_from_elsewhere_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        for first in [1, 2, b'H'] {
            let bytes: Vec<u8> = std::iter::once(first).chain(bytes.iter().copied()).collect();
            let states: [ArrayRef; 1] = [Arc::new(LargeBinaryArray::from(vec![&*bytes]))];
            // Some such bytes are a state; the others are errors.
            let _ = exact().merge_batch(&states, &[0], 1);
            prop_assert!(approx().merge_batch(&states, &[0], 1).is_err());
        }
    }
}

#[test]
fn every_kind_of_column_is_counted() {
    let rows: Vec<Option<i64>> = (0..600).map(|n| (n % 7 != 0).then_some(n % 250)).collect();
    let groups: Vec<usize> = (0..600).map(|n| n % 3).collect();
    let steps = [Way::Update, Way::State, Way::Rows].map(|way| Step {
        rows: rows.iter().zip(&groups).map(|(row, group)| (*group, *row, None)).collect(),
        filtered: false,
        way,
        emit: Emit::Nothing,
        as_state: false,
    });
    for kind in exact_kinds() {
        assert!(is_countable(&kind.0), "{}", kind.0);
        check(exact, &kind, &steps);
    }
    for kind in user_kinds() {
        assert!(is_user(&kind.0), "{}", kind.0);
        check(approx, &kind, &steps);
    }
}

#[test]
fn the_upper_half_of_unsigned_integers_is_counted() {
    let values: ArrayRef = Arc::new(arrow::array::UInt64Array::from(vec![
        u64::MAX,
        1,
        u64::MAX,
        i64::MAX as u64 + 1,
        i64::MAX as u64,
    ]));
    for make in [exact, approx] {
        let mut operator = make();
        operator.update_batch(&[Arc::clone(&values)], &[0; 5], None, 1).unwrap();
        assert_eq!(counts(&operator.evaluate(EmitTo::All).unwrap()), [4]);
    }
}

#[test]
fn null_without_a_type_is_no_user() {
    let values: [ArrayRef; 1] = [Arc::new(NullArray::new(2))];
    for make in [exact, approx] {
        let states = make().convert_to_state(&values, None).unwrap();
        let mut operator = make();
        operator.update_batch(&values, &[0, 1], None, 2).unwrap();
        operator.merge_batch(&states, &[1, 2], 3).unwrap();
        assert_eq!(counts(&operator.evaluate(EmitTo::All).unwrap()), [0, 0, 0]);
    }
}

#[test]
fn large_sets_of_both_forms_are_merged() {
    // Numbers of their own, on lists and bitsets; then keys that must be numbered.
    let parts: [Vec<i64>; 4] = [
        (0..70_000).collect(),
        (60_000..90_000).chain([4_000_000_000]).collect(),
        (-10..500).collect(),
        (80_000..100_000).map(|n| n * 3).collect(),
    ];
    let all: HashSet<i64> = parts.iter().flatten().copied().collect();
    for order in [[0, 1, 2, 3], [2, 0, 3, 1], [3, 2, 1, 0]] {
        let mut combined = ExactGroups::default();
        for part in order.map(|at| &parts[at]) {
            let mut operator = exact();
            let values: ArrayRef = Arc::new(Int64Array::from(part.clone()));
            operator.update_batch(&[values], &vec![0; part.len()], None, 1).unwrap();
            let states = operator.state(EmitTo::All).unwrap();
            assert_eq!((operator.size(), operator.recount()), (0, 0));
            combined.merge_batch(&states, &[0], 1).unwrap();
            assert_eq!(combined.size(), combined.recount());
        }
        assert_eq!(counts(&combined.evaluate(EmitTo::All).unwrap()), [all.len() as i64]);
    }
}

#[test]
fn a_group_of_one_row_is_a_tiny_state() {
    let values: [ArrayRef; 1] = [Arc::new(Int64Array::from(vec![Some(7), None]))];
    for (make, most) in [(exact as fn() -> Box<dyn Recount>, 10), (approx, 15)] {
        let states = make().convert_to_state(&values, None).unwrap();
        let states = states[0].as_binary::<i64>();
        assert!(states.value(0).len() <= most && states.value(1).len() < states.value(0).len());
    }
    // The short way to the state of one user gives the bytes of the long way.
    let mut operator = approx();
    operator.update_batch(&values, &[0, 1], None, 2).unwrap();
    let long = operator.state(EmitTo::All).unwrap();
    assert_eq!(&long, &approx().convert_to_state(&values, None).unwrap());
}

#[test]
fn a_state_that_cannot_be_read_is_an_error() {
    let cases: [(&[u8], &str); 8] = [
        (&[], "it is empty"),
        (&[9, 1, 2], "unknown form 9"),
        (&[1, 0, 0], "truncated"),
        (&[1, 0x3a, 0x30, 0, 0, 1, 0, 0, 0], "truncated"),
        (&[1, 0x3a, 0x30, 0, 0, 0, 0, 0, 0, 7], "truncated"),
        (&[2, 0, 1, 2], "truncated"),
        (&[2, 7], "truncated"),
        (&[2, 2, 255, 255, 255, 255, 1], "truncated"),
    ];
    for (bytes, expected) in cases {
        for numbered in [false, true] {
            let mut operator = exact();
            let first: ArrayRef = Arc::new(Int64Array::from(vec![if numbered { -1 } else { 1 }]));
            operator.update_batch(&[first], &[0], None, 1).unwrap();
            let states: [ArrayRef; 1] = [Arc::new(LargeBinaryArray::from(vec![bytes]))];
            let error = operator.merge_batch(&states, &[0], 1).unwrap_err().to_string();
            assert!(error.contains("exact_distinct") && error.contains(expected), "{error}");
        }
    }
    let mut other = ApproxGroups::new(12).unwrap();
    let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    other.update_batch(&[one], &[0], None, 1).unwrap();
    let states = other.state(EmitTo::All).unwrap();
    let error = approx().merge_batch(&states, &[0], 1).unwrap_err().to_string();
    assert!(error.contains("precision 14 and 12"), "{error}");
    let columns: [Vec<ArrayRef>; 4] = [
        vec![],
        vec![Arc::new(Int64Array::from(vec![1]))],
        vec![Arc::new(LargeBinaryArray::from(vec![None]))],
        vec![Arc::clone(&states[0]), Arc::clone(&states[0])],
    ];
    for columns in columns {
        assert!(state::column("f", &columns).is_err(), "{columns:?}");
        assert!(exact().merge_batch(&columns, &[0], 1).is_err());
        assert!(approx().merge_batch(&columns, &[0], 1).is_err());
    }
}

#[test]
fn one_group_answers_again_and_again() {
    let mut first = ExactGroups::default();
    first.update_batch(&[Arc::new(Int64Array::from(vec![0; 0]))], &[], None, 1).unwrap();
    let mut single = SingleGroup::new(first);
    let answer = |single: &mut SingleGroup<ExactGroups>| single.evaluate().unwrap();
    assert_eq!(answer(&mut single), ScalarValue::Int64(Some(0)));
    for (value, expected) in [("a", 1), ("b", 2), ("a", 2), ("42", 3)] {
        single.update_batch(&[Arc::new(StringArray::from(vec![value]))]).unwrap();
        assert_eq!(answer(&mut single), ScalarValue::Int64(Some(expected)));
        assert_eq!(answer(&mut single), ScalarValue::Int64(Some(expected)));
    }
    assert!(single.size() > size_of::<SingleGroup<ExactGroups>>());
    let states: Vec<ArrayRef> =
        single.state().unwrap().iter().map(|state| state.to_array().unwrap()).collect();
    let mut second = ExactGroups::default();
    second.update_batch(&[Arc::new(Int64Array::from(vec![0; 0]))], &[], None, 1).unwrap();
    let mut second = SingleGroup::new(second);
    second.update_batch(&[Arc::new(StringArray::from(vec!["a", "z"]))]).unwrap();
    second.merge_batch(&states).unwrap();
    assert_eq!(answer(&mut second), ScalarValue::Int64(Some(4)));
}

#[test]
fn no_two_functions_share_a_name_and_each_is_documented() {
    let mut names = HashSet::new();
    let mut check = |name: &str, aliases: &[String], documentation: &Documentation| {
        for name in std::iter::once(name).chain(aliases.iter().map(String::as_str)) {
            assert!(names.insert(name.to_owned()), "{name}");
        }
        assert!(documentation.syntax_example.starts_with(&format!("{name}(")), "{name}");
        assert!(!documentation.description.is_empty());
        assert!(documentation.arguments.as_ref().is_some_and(|arguments| !arguments.is_empty()));
        assert!(documentation.sql_example.is_some());
    };
    for function in aggregates() {
        check(function.name(), function.aliases(), function.documentation().unwrap());
    }
    for function in scalars() {
        check(function.name(), function.aliases(), function.documentation().unwrap());
    }
    // Other functions of DataFusion and its kin have these names.
    for taken in [
        "cardinality",
        "contains",
        "merge",
        "union",
        "bitmap_construct_agg",
        "bitmap_or_agg",
        "bitmap_bit_position",
        "approx_distinct",
    ] {
        assert!(!names.contains(taken), "{taken}");
    }
}
