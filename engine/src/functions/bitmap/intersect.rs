//! `intersect_count(b, dimension, v1, v2, ...)`: how many users are in the sets of all these values
//! of a dimension.

use std::sync::LazyLock;

use arrow::array::{Array, ArrayRef, BooleanArray, Scalar};
use arrow::compute::kernels::cmp::eq;
use arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{AggregateUDF, Documentation, Signature, Volatility};
use datafusion::physical_expr::expressions::Literal;
use datafusion::scalar::ScalarValue;

use super::super::function::{Aggregate, names};
use super::super::group_state::{GroupState, GroupStates, Output, RowFunctions, StateAccumulator};
use super::super::values::{Bytes, must_be_bytes, passes};
use super::merge::Union;
use crate::functions::sections::SETS;
use crate::users::Operation;
use crate::{Error, Result as EngineResult};

const NAME: &str = "intersect_count";

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        SETS,
        "The number of users who have every one of the values: for each value, the sets of the \
         rows with this value are united, and the unions are intersected. 0 if a value has no \
         row.",
        "intersect_count(b, dimension, value_1[, value_2, ...])",
    )
    .with_argument("b", "Sets built by `bitmap_agg`, or Roaring bitmaps of other programs.")
    .with_argument("dimension", "The column to compare with the values.")
    .with_argument("value_n", "Constants of a type that can be compared with the dimension.")
    .with_sql_example(
        "SELECT intersect_count(b, day, 1, 2) FROM (\n  SELECT value % 3 AS day, \
         bitmap_agg(value % 4) AS b FROM generate_series(1, 5) GROUP BY 1);",
    )
    .with_related_udf("bitmap_intersect")
    .with_related_udf("bitmap_and_count")
    .build()
});

pub(super) fn function() -> AggregateUDF {
    AggregateUDF::from(Aggregate {
        name: NAME,
        aliases: names(&[]),
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: &DOCUMENTATION,
        answers: |_| Ok(DataType::Int64),
        coerce,
        nothing: |args| {
            let empty = Matched { values: values(args)?, sets: Vec::new() }.new_empty();
            let rows = || RowFunctions { add, each };
            Ok(StateAccumulator::new(NAME, empty, Output::Count, rows))
        },
        default: |_| Ok(ScalarValue::Int64(Some(0))),
        nullable: true,
    })
}

/// The dimension and the values become one type, in which they can be compared.
fn coerce(types: &[DataType]) -> Result<Vec<DataType>> {
    let [sets, dimension, values @ ..] = types else {
        return plan_err!("{NAME} takes sets, a dimension and its values");
    };
    must_be_bytes(NAME, "sets", sets)?;
    if values.is_empty() {
        return plan_err!("{NAME} takes at least one value of the dimension");
    }
    let mut common = match dimension {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    };
    for value in values {
        common = match comparison_coercion(&common, value) {
            Some(common) => common,
            None => {
                return plan_err!(
                    "{NAME} cannot compare a dimension of type {dimension} with a value of type \
                     {value}"
                );
            }
        };
    }
    let mut coerced = vec![sets.clone()];
    coerced.resize(types.len(), common);
    Ok(coerced)
}

fn values(args: &AccumulatorArgs<'_>) -> Result<Vec<ScalarValue>> {
    let value = |argument: &std::sync::Arc<dyn datafusion::physical_plan::PhysicalExpr>| {
        let literal = argument.downcast_ref::<Literal>().map(Literal::value);
        match literal {
            Some(value) => Ok(value.clone()),
            None => plan_err!("the values of {NAME} must be constants, not `{argument}`"),
        }
    };
    args.exprs.iter().skip(2).map(value).collect()
}

/// The union of the sets of each value.
#[derive(Debug)]
struct Matched {
    values: Vec<ScalarValue>,
    sets: Vec<Union>,
}

impl Matched {
    /// The rows that have each of the values.
    fn matches(&self, columns: &[ArrayRef]) -> EngineResult<Vec<BooleanArray>> {
        let dimension =
            columns.get(1).ok_or_else(|| Error::internal("an operator without a dimension"))?;
        let matches = self.values.iter().map(|value| {
            let value = value
                .to_array()
                .map_err(|cause| Error::internal("a constant is not a literal").caused_by(cause))?;
            Ok(eq(dimension, &Scalar::new(value))?)
        });
        matches.collect()
    }
}

/// Each set as 8 bytes of length and its stored form.
impl GroupState for Matched {
    fn new_empty(&self) -> Self {
        Self { values: self.values.clone(), sets: vec![Union::default(); self.values.len()] }
    }

    fn merge(&mut self, mut bytes: &[u8]) -> EngineResult<()> {
        let cut = || Error::input("the partial state of a group is truncated");
        for set in &mut self.sets {
            let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut)?;
            let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
            let (stored, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
            set.merge(stored)?;
            bytes = rest;
        }
        if bytes.is_empty() { Ok(()) } else { Err(cut()) }
    }

    fn write(&self, bytes: &mut Vec<u8>) -> EngineResult<()> {
        for set in &self.sets {
            let at = bytes.len();
            bytes.extend([0; 8]);
            set.write(bytes)?;
            let length = (bytes.len() - at - 8) as u64;
            bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    fn count(&self) -> EngineResult<u64> {
        let (first, others) =
            self.sets.split_first().ok_or_else(|| Error::internal("an operator without values"))?;
        let (last, others) = match others.split_last() {
            Some((last, others)) => (last.set(), others),
            None => return Ok(first.set().len()),
        };
        let mut both = first.set().clone();
        for set in others {
            both = both.apply(Operation::And, set.set().clone())?;
        }
        both.count(Operation::And, last)
    }

    fn size(&self) -> usize {
        self.sets.iter().map(|set| size_of::<Union>() + set.size()).sum::<usize>()
            + self.values.iter().map(ScalarValue::size).sum::<usize>()
    }
}

fn add(
    states: &mut GroupStates<Matched>,
    columns: &[ArrayRef],
    groups: &[usize],
    filter: Option<&BooleanArray>,
) -> EngineResult<()> {
    let Some(column) = columns.first() else { return Ok(()) };
    let (sets, matches) = (Bytes::of(column)?, states.empty().matches(columns)?);
    for (row, group) in groups.iter().enumerate().filter(|(row, _)| passes(filter, *row)) {
        let Some(bytes) = sets.get(row) else { continue };
        for (at, matched) in matches.iter().enumerate() {
            if passes(Some(matched), row) {
                states.state_mut(*group).sets[at].merge(bytes)?;
            }
        }
    }
    Ok(())
}

fn each(
    empty: &Matched,
    columns: &[ArrayRef],
    filter: Option<&BooleanArray>,
    give: &mut dyn FnMut(Option<&Matched>),
) -> EngineResult<()> {
    let Some(column) = columns.first() else { return Ok(()) };
    let (sets, matches) = (Bytes::of(column)?, empty.matches(columns)?);
    for row in 0..column.len() {
        let bytes = sets.get(row).filter(|_| passes(filter, row));
        let found = || matches.iter().enumerate().filter(|(_, m)| passes(Some(m), row));
        let Some(bytes) = bytes.filter(|_| found().next().is_some()) else {
            give(None);
            continue;
        };
        let mut state = empty.new_empty();
        found().try_for_each(|(at, _)| state.sets[at].merge(bytes))?;
        give(Some(&state));
    }
    Ok(())
}
