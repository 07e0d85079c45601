//! The FILTER clauses of aggregates: which rows each aggregate counts.

use std::sync::Arc;

use arrow::array::{
    AnyDictionaryArray, Array, ArrayRef, AsArray, DictionaryArray, Int64Array, RecordBatch,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::PhysicalExpr;

/// Filters per block, each with a bit.
const FILTERS_PER_BLOCK: usize = u64::BITS as usize;

/// The filters of a list of aggregates, some of which have one.
#[derive(Debug)]
pub(super) struct Filters {
    /// Places in the list of the aggregates that have a filter.
    positions: Vec<usize>,
    /// [`FILTERS_PER_BLOCK`] filters each, but the last.
    blocks: Vec<FilterBlock>,
}

/// Up to [`FILTERS_PER_BLOCK`] filters.
#[derive(Debug)]
struct FilterBlock {
    /// Filters that are evaluated per row, each with its bit.
    by_row: Vec<(u64, Arc<dyn PhysicalExpr>)>,
    by_column: Vec<ColumnFilters>,
    /// For each row of the last batch, the bits of the filters that it passes.
    passing: Vec<u64>,
}

/// Filters that ask for the same column and for nothing else: where that comes as a dictionary, they
/// are asked once for each value, not for each row.
#[derive(Debug)]
struct ColumnFilters {
    column: Column,
    /// The filters over batches of that column alone, each with its bit.
    filters: Vec<(u64, Arc<dyn PhysicalExpr>)>,
    /// Of such batches, in the type that the filters expect.
    schema: SchemaRef,
    last: Option<DictionaryResults>,
}

/// What filters say of the values of a dictionary.
#[derive(Debug)]
struct DictionaryResults {
    values: ArrayRef,
    /// The bits of the filters that each value passes, and NULL after them; `None` if a filter fails
    /// for one, which may be in no row.
    passing: Option<Vec<u64>>,
}

impl Filters {
    /// Filters over batches of a schema, one or none for each aggregate. Dictionaries may come in
    /// the place of the schema's texts.
    ///
    /// # Errors
    /// When an expression is not one over this schema.
    pub(super) fn new<'a>(
        filters: impl Iterator<Item = Option<&'a Arc<dyn PhysicalExpr>>>,
        input: &Schema,
    ) -> Result<Self> {
        let present =
            filters.enumerate().filter_map(|(position, filter)| Some((position, filter?)));
        let (positions, filters): (Vec<_>, Vec<_>) = present.unzip();
        let blocks = filters.chunks(FILTERS_PER_BLOCK).map(|block| FilterBlock::new(block, input));
        Ok(Self { positions, blocks: blocks.collect::<Result<_>>()? })
    }

    /// Asks all filters for each row of a batch. NULL does not pass.
    ///
    /// # Errors
    /// When a filter cannot be evaluated.
    pub(super) fn evaluate_all(&mut self, batch: &RecordBatch) -> Result<()> {
        self.blocks.iter_mut().try_for_each(|block| block.evaluate_all(batch))
    }

    /// The rows of the last batch that pass the filter of at least one of the aggregates at
    /// `which` positions.
    pub(super) fn passing_any(&self, which: impl Fn(usize) -> bool) -> BooleanBuffer {
        let bits: Vec<u64> = self
            .positions
            .chunks(FILTERS_PER_BLOCK)
            .map(|positions| {
                let which = positions.iter().enumerate().filter(|(_, position)| which(**position));
                which.fold(0, |bits, (at, _)| bits | 1 << at)
            })
            .collect();
        let rows = self.blocks.first().map_or(0, |block| block.passing.len());
        BooleanBuffer::collect_bool(rows, |row| {
            self.blocks.iter().zip(&bits).any(|(block, bits)| block.passing[row] & bits != 0)
        })
    }

    /// Calls `each` with every row of the last batch and the position of every aggregate whose filter
    /// it passes.
    #[inline]
    pub(super) fn for_each<E>(
        &self,
        mut each: impl FnMut(usize, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        for (block, positions) in self.blocks.iter().zip(self.positions.chunks(FILTERS_PER_BLOCK)) {
            for (row, passing) in block.passing.iter().enumerate() {
                let mut left = *passing;
                while left != 0 {
                    each(row, positions[left.trailing_zeros() as usize])?;
                    left &= left - 1;
                }
            }
        }
        Ok(())
    }
}

impl FilterBlock {
    fn new(filters: &[&Arc<dyn PhysicalExpr>], input: &Schema) -> Result<Self> {
        let (mut by_row, mut by_column): (Vec<_>, Vec<ColumnFilters>) = (Vec::new(), Vec::new());
        for (at, filter) in filters.iter().enumerate() {
            let bit = 1 << at;
            let Some(column) = only_column(filter) else {
                by_row.push((bit, Arc::clone(filter)));
                continue;
            };
            let known = by_column.iter().position(|known| known.column == column);
            let position = known.unwrap_or_else(|| {
                let data_type = input.field(column.index()).data_type().clone();
                let field = Field::new(column.name(), data_type, true);
                let schema = Arc::new(Schema::new(vec![field]));
                by_column.push(ColumnFilters { column, filters: Vec::new(), schema, last: None });
                by_column.len() - 1
            });
            let ColumnFilters { schema, filters, .. } = &mut by_column[position];
            filters.push((bit, reassign_expr_columns(Arc::clone(filter), schema)?));
        }
        Ok(Self { by_row, by_column, passing: Vec::new() })
    }

    fn evaluate_all(&mut self, batch: &RecordBatch) -> Result<()> {
        self.passing.clear();
        self.passing.resize(batch.num_rows(), 0);
        mark(&self.by_row, batch, &mut self.passing)?;
        for filters in &mut self.by_column {
            let column = batch.column(filters.column.index());
            match column.as_any_dictionary_opt() {
                Some(dictionary) => filters.codes(dictionary, column, &mut self.passing)?,
                None => filters.values(column, &mut self.passing)?,
            }
        }
        Ok(())
    }
}

impl ColumnFilters {
    fn codes(
        &mut self,
        dictionary: &dyn AnyDictionaryArray,
        column: &ArrayRef,
        passing: &mut [u64],
    ) -> Result<()> {
        let values = dictionary.values();
        let last = self.last.take().filter(|last| Arc::ptr_eq(&last.values, values));
        let last = last.unwrap_or_else(|| DictionaryResults {
            values: Arc::clone(values),
            passing: values_and_null(values)
                .and_then(|all| {
                    let mut passing = vec![0; all.len()];
                    self.values(&all, &mut passing).map(|()| passing)
                })
                .ok(),
        });
        let last = self.last.insert(last);
        let Some([of_values @ .., of_null]) = last.passing.as_deref() else {
            return self.values(column, passing);
        };
        if of_values.is_empty() {
            // There are no keys either, only nulls.
            passing.iter_mut().for_each(|passing| *passing |= of_null);
            return Ok(());
        }
        let keys = dictionary.normalized_keys();
        let nulls = dictionary.keys().nulls().filter(|nulls| nulls.null_count() > 0);
        for (row, (passing, key)) in passing.iter_mut().zip(keys).enumerate() {
            let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
            *passing |= if is_null { *of_null } else { of_values[key] };
        }
        Ok(())
    }

    fn values(&self, values: &ArrayRef, passing: &mut [u64]) -> Result<()> {
        let form = self.schema.field(0).data_type();
        let column = match values.as_any_dictionary_opt() {
            _ if values.data_type() == form => Arc::clone(values),
            // The cast to views loses values that are NULL.
            Some(codes) => cast(&take(codes.values(), codes.keys(), None)?, form)?,
            None => cast(values, form)?,
        };
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), vec![column])?;
        mark(&self.filters, &batch, passing)
    }
}

/// Adds the bits of filters to the rows that pass them.
fn mark(
    filters: &[(u64, Arc<dyn PhysicalExpr>)],
    batch: &RecordBatch,
    passing: &mut [u64],
) -> Result<()> {
    for (bit, filter) in filters {
        let passes = filter.evaluate(batch)?.into_array(batch.num_rows())?;
        for row in true_rows(&passes).set_indices() {
            passing[row] |= bit;
        }
    }
    Ok(())
}

fn values_and_null(values: &ArrayRef) -> Result<ArrayRef> {
    let keys: Int64Array = (0..values.len() as i64).map(Some).chain([None]).collect();
    Ok(Arc::new(DictionaryArray::try_new(keys, Arc::clone(values))?))
}

/// The column that an expression asks for, if it is the only one, and what decides.
pub(super) fn only_column(expr: &Arc<dyn PhysicalExpr>) -> Option<Column> {
    let mut columns = collect_columns(expr).into_iter();
    columns.next().filter(|_| columns.next().is_none() && !is_volatile(expr))
}

fn true_rows(passes: &ArrayRef) -> BooleanBuffer {
    let passes = passes.as_boolean();
    match passes.nulls() {
        Some(nulls) => passes.values() & nulls.inner(),
        None => passes.values().clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray};
    use arrow::compute::{cast, take};
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{binary, cast as cast_expr, col, is_null, lit};
    use datafusion::physical_plan::PhysicalExpr;
    use datafusion::scalar::ScalarValue;

    use super::Filters;

    fn filter(make: impl Fn(Arc<dyn PhysicalExpr>, &Schema) -> Arc<dyn PhysicalExpr>) -> Filters {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int32, false),
            Field::new("stage", DataType::Utf8View, true),
        ]);
        let expr = make(col("stage", &schema).unwrap(), &schema);
        Filters::new([None, Some(&expr)].into_iter(), &schema).unwrap()
    }

    /// What passes when texts come as they are, and when they come as codes of a dictionary.
    fn passing_rows(
        filter: &mut Filters,
        keys: Vec<Option<i32>>,
        values: &[Option<&str>],
    ) -> Vec<bool> {
        let ids: ArrayRef = Arc::new(Int32Array::from_iter_values(0..keys.len() as i32));
        let values: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        let keys = Int32Array::from(keys);
        let plain = cast(&take(&values, &keys, None).unwrap(), &DataType::Utf8View).unwrap();
        let coded: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(keys, values));
        let passing = |filter: &mut Filters, stage: ArrayRef| {
            let columns = [("id", Arc::clone(&ids), false), ("stage", stage, true)];
            filter
                .evaluate_all(&RecordBatch::try_from_iter_with_nullable(columns).unwrap())
                .unwrap();
            let any = filter.passing_any(|position| position == 1);
            let mut rows = Vec::new();
            let pushed = filter.for_each(|row, position| {
                rows.push((row, position));
                Ok::<(), Infallible>(())
            });
            pushed.unwrap();
            let expected: Vec<_> = any.set_indices().map(|row| (row, 1)).collect();
            assert_eq!(rows, expected);
            any.iter().collect::<Vec<bool>>()
        };
        let by_row = passing(filter, plain);
        for _ in 0..2 {
            assert_eq!(passing(filter, Arc::clone(&coded)), by_row);
        }
        by_row
    }

    #[test]
    fn values_are_evaluated_once_with_the_same_result() {
        let mut plan = filter(|stage, schema| {
            let plan = ScalarValue::Utf8View(Some("plan".to_owned()));
            binary(stage, Operator::Eq, lit(plan), schema).unwrap()
        });
        let keys = vec![Some(0), None, Some(1), Some(0), Some(2)];
        let values = [Some("plan"), Some("create"), None];
        assert_eq!(
            passing_rows(&mut plan, keys.clone(), &values),
            [true, false, false, true, false]
        );
        let other = [Some("create"), Some("plan"), Some("plan")];
        assert_eq!(
            passing_rows(&mut plan, keys.clone(), &other),
            [false, false, true, false, true]
        );
        assert_eq!(passing_rows(&mut plan, vec![None, None], &[]), [false, false]);

        let mut no_rows = filter(|stage, _| is_null(stage).unwrap());
        assert_eq!(passing_rows(&mut no_rows, keys, &values), [false, true, false, false, true]);
    }

    #[test]
    fn a_value_that_fails_and_is_in_no_row_does_not_matter() {
        let mut seven = filter(|stage, schema| {
            let number = cast_expr(stage, schema, DataType::Int32).unwrap();
            binary(number, Operator::Eq, lit(7_i32), schema).unwrap()
        });
        let keys = vec![Some(0), Some(2)];
        assert_eq!(
            passing_rows(&mut seven, keys, &[Some("7"), Some("x"), Some("8")]),
            [true, false]
        );
    }
}
