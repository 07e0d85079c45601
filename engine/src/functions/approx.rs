//! `approx_count_distinct(x [, precision])`: how many different users, by a sketch.
//!
//! A small group is still exact: a [`Sketch`] starts as a list of hashes. The hash is of the
//! user key in its canonical form, so that `42` and `'42'` of two sources are the same user in
//! every sketch.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, Int64Array};
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::{AggregateUDF, Documentation, EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use super::function::{Aggregate, arguments, names, unchanged_types};
use super::sections::COUNTING;
use super::single_group::EvaluateGroup;
use super::state;
use crate::datafusion_error::external;
use crate::scan::{for_each_key, is_user, user_keys};
use crate::users::{DEFAULT_PRECISION, Sketch};

const NAME: &str = "approx_count_distinct";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        COUNTING,
        "The approximate number of distinct non-null values, in bounded memory; 0 if there are \
         none. The standard error is 1.04 / sqrt(2^precision); small groups are exact.",
        "approx_count_distinct(expression [, precision])",
    )
    .with_argument(
        "expression",
        "The values to count: integers, text, binary, or a dictionary of these.",
    )
    .with_argument(
        "precision",
        "A constant from 4 to 18; the default is 14: 13 KiB per group, standard error 0.81 %.",
    )
    .with_sql_example("SELECT approx_count_distinct(user_id, 12) FROM events;")
    .with_related_udf("exact_distinct")
    .build()
});

/// The aggregate function `approx_count_distinct(x [, precision])`; its result is BIGINT and never
/// null.
pub fn approx_count_distinct() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: NAME,
        aliases: names(&[]),
        signature: arguments(&[1, 2]),
        documentation: &DOCUMENTATION,
        answers: |types| match types {
            [_] | [_, _] => counts_users(NAME, types).map(|()| DataType::Int64),
            _ => plan_err!("{NAME} takes one or two arguments, not {}", types.len()),
        },
        coerce: unchanged_types,
        nothing: |args| ApproxGroups::new(precision(NAME, args.exprs)?),
        default: |_| Ok(ScalarValue::Int64(Some(0))),
        nullable: false,
    })
}

/// Whether a function is [`approx_count_distinct`].
pub(crate) fn is_approx_count_distinct(function: &AggregateUDF) -> bool {
    function.inner().is::<Aggregate<ApproxGroups>>()
}

/// An error for arguments that cannot be users and a precision.
pub(super) fn counts_users(name: &str, arguments: &[DataType]) -> Result<()> {
    match arguments {
        [data_type, ..] if !is_user(data_type) => plan_err!(
            "{name} cannot count values of type {data_type}; it counts integers, text, binary, \
             and dictionaries of these"
        ),
        [_, precision] if !precision.is_integer() => plan_err!(
            "the precision of {name} must be an integer constant from 4 to 18, not a value of type \
             {precision}"
        ),
        _ => Ok(()),
    }
}

/// The second argument of a function, or the default.
pub(crate) fn precision(name: &str, arguments: &[Arc<dyn PhysicalExpr>]) -> Result<u8> {
    let Some(argument) = arguments.get(1) else { return Ok(DEFAULT_PRECISION) };
    let literal = argument.downcast_ref::<Literal>().map(Literal::value);
    let integer = literal.map(|value| value.cast_to(&DataType::Int64)).transpose()?;
    let Some(ScalarValue::Int64(Some(precision))) = integer else {
        return plan_err!(
            "the precision of {name} must be a constant from 4 to 18, not `{argument}`"
        );
    };
    // Anything outside of a byte is outside of 4..=18 too, and the sketch says so.
    match u8::try_from(precision).map(Sketch::new) {
        Ok(Ok(sketch)) => Ok(sketch.precision()),
        Ok(Err(error)) => plan_err!("{name}: {error}"),
        Err(_) => plan_err!("{name}: the precision must be from 4 to 18, not {precision}"),
    }
}

/// The groups of one accumulator.
#[derive(Debug)]
pub(super) struct ApproxGroups {
    empty: Sketch,
    /// The stored form of an empty sketch; with one hash after it, of one user.
    header: Vec<u8>,
    sketches: Vec<Sketch>,
    /// Heap bytes of all sketches together.
    heap: usize,
}

impl ApproxGroups {
    /// Sketches of this precision.
    ///
    /// # Errors
    /// When the precision is outside 4..=18.
    pub(super) fn new(precision: u8) -> Result<Self> {
        let empty = Sketch::new(precision).map_err(external)?;
        let header = empty.to_bytes();
        Ok(Self { empty, header, sketches: Vec::new(), heap: 0 })
    }

    #[inline]
    fn insert(&mut self, group: usize, hash: u64) {
        self.sketches[group].insert_counting(hash, &mut self.heap);
    }

    fn merge(&mut self, group: usize, bytes: &[u8]) -> crate::Result<()> {
        // One user, as most states are when partial aggregation is skipped.
        if let Some(hash) = bytes.strip_prefix(&*self.header).and_then(|b| b.try_into().ok()) {
            self.insert(group, u64::from_le_bytes(hash));
            return Ok(());
        }
        let sketch = &mut self.sketches[group];
        let before = sketch.size();
        sketch.merge(&Sketch::from_bytes(bytes)?)?;
        self.heap = self.heap + sketch.size() - before;
        Ok(())
    }

    /// The sketch of a group.
    pub(super) fn sketch(&self, group: usize) -> &Sketch {
        self.sketches.get(group).unwrap_or(&self.empty)
    }

    /// What [`size`](GroupsAccumulator::size) must be, counted from scratch.
    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        self.sketches.capacity() * size_of::<Sketch>()
            + self.sketches.iter().map(Sketch::size).sum::<usize>()
    }

    pub(super) fn take(&mut self, emit_to: EmitTo) -> Vec<Sketch> {
        let taken = emit_to.take_needed(&mut self.sketches);
        self.heap -= taken.iter().map(Sketch::size).sum::<usize>();
        taken
    }
}

impl GroupsAccumulator for ApproxGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        for_each_key(values, opt_filter, user_keys, |row, key| {
            self.insert(group_indices[row], key.hash());
            Ok(())
        })
        .map_err(external)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let states = state::column(NAME, values)?;
        for (row, group) in group_indices.iter().enumerate() {
            self.merge(*group, states.value(row))
                .map_err(|error| state::unreadable(NAME, error))?;
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sketches = self.take(emit_to);
        let count = |sketch: &Sketch| Ok(sketch.estimate()?.users as i64);
        let counts: crate::Result<Int64Array> = sketches.iter().map(count).collect();
        Ok(Arc::new(counts.map_err(external)?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sketches = self.take(emit_to);
        let mut writer = state::Writer::new(sketches.len());
        for sketch in sketches {
            writer.bytes().extend(sketch.to_bytes());
            writer.end();
        }
        writer.finish()
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        state::of_rows(values, opt_filter, user_keys, &self.header, |key, bytes| {
            bytes.extend(key.hash().to_le_bytes());
        })
    }

    fn size(&self) -> usize {
        self.sketches.capacity() * size_of::<Sketch>() + self.heap
    }
}

impl EvaluateGroup for ApproxGroups {
    fn grow(&mut self, groups: usize) {
        if groups > self.sketches.len() {
            self.sketches.resize(groups, self.empty.clone());
        }
    }

    fn evaluate_group(&self, group: usize) -> Result<ScalarValue> {
        let estimate = self.sketch(group).estimate().map_err(external)?;
        Ok(ScalarValue::Int64(Some(estimate.users as i64)))
    }
}
