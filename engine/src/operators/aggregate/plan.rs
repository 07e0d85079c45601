//! What is to be aggregated.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::aggregates::{AggregateExec, PhysicalGroupBy};

use super::codes::is_codable;
use crate::operators::approx::{ApproxCountDistinct, precision};
use crate::operators::exact::ExactDistinct;
use crate::users::{SetBuilder, Sketch};

/// The group columns and the aggregates of one query.
#[derive(Debug)]
pub(super) struct Aggregates {
    /// Columns of the rows that come in.
    pub(super) input: SchemaRef,
    pub(super) group_by: PhysicalGroupBy,
    pub(super) exact: Arc<Distinct<SetBuilder>>,
    pub(super) approximate: Arc<Distinct<Sketch>>,
    pub(super) others: Vec<Other>,
    /// For each aggregate in the order of the query, of which kind the next one is.
    pub(super) order: Vec<Kind>,
    /// Columns of the rows that come out: group columns, then aggregates.
    pub(super) schema: SchemaRef,
}

/// Kinds of aggregates.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Exact,
    Approximate,
    Other,
}

/// Counts of different values by sets of one kind.
#[derive(Debug)]
pub(super) struct Distinct<S> {
    /// Expressions whose different values are counted, each once.
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) counts: Vec<Count<S>>,
}

/// A count of different values.
#[derive(Debug)]
pub(super) struct Count<S> {
    /// Place in [`Distinct::arguments`].
    pub(super) argument: usize,
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
    /// The set of a group in which nobody has been seen.
    pub(super) empty: S,
}

/// Any other aggregate, by DataFusion's accumulators.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) function: Arc<AggregateFunctionExpr>,
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
}

impl Aggregates {
    /// Takes over from an operator that reads raw rows, if it can be served; `schema` is that of
    /// the finished groups.
    pub(super) fn of(raw: &AggregateExec, schema: &SchemaRef) -> Option<Self> {
        let input = raw.input().schema();
        let columns = raw.group_expr().group_schema(&input).ok()?;
        if !columns.fields().iter().all(|field| is_codable(field.data_type())) {
            return None;
        }
        let (mut exact, mut approximate) = (Distinct::default(), Distinct::default());
        let (mut others, mut order) = (Vec::new(), Vec::new());
        for (function, filter) in raw.aggr_expr().iter().zip(raw.filter_expr()) {
            let (arguments, filter) = (function.expressions(), filter.clone());
            let kind = function.fun().inner();
            order.push(match arguments.as_slice() {
                [argument] if kind.is::<ExactDistinct>() => {
                    exact.add(argument, filter, SetBuilder::default());
                    Kind::Exact
                }
                [argument, ..] if kind.is::<ApproxCountDistinct>() => {
                    let precision = precision(function.name(), &arguments).ok()?;
                    approximate.add(argument, filter, Sketch::new(precision).ok()?);
                    Kind::Approximate
                }
                _ if function.groups_accumulator_supported()
                    && !function.is_distinct()
                    && function.order_bys().is_empty() =>
                {
                    others.push(Other { function: Arc::clone(function), arguments, filter });
                    Kind::Other
                }
                _ => return None,
            });
        }
        Some(Self {
            input,
            group_by: raw.group_expr().clone(),
            exact: Arc::new(exact),
            approximate: Arc::new(approximate),
            others,
            order,
            schema: Arc::clone(schema),
        })
    }

    /// What is aggregated.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        let counted = self.exact.arguments.iter().chain(&self.approximate.arguments);
        counted.chain(self.others.iter().flat_map(|other| &other.arguments))
    }

    /// What decides which rows are.
    pub(super) fn filters(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        let of_counts = self.exact.filters().chain(self.approximate.filters());
        of_counts.chain(self.others.iter().filter_map(|other| other.filter.as_ref()))
    }
}

impl<S> Default for Distinct<S> {
    fn default() -> Self {
        Self { arguments: Vec::new(), counts: Vec::new() }
    }
}

impl<S> Distinct<S> {
    fn add(
        &mut self,
        argument: &Arc<dyn PhysicalExpr>,
        filter: Option<Arc<dyn PhysicalExpr>>,
        empty: S,
    ) {
        let known = self.arguments.iter().position(|known| known == argument);
        let argument = known.unwrap_or_else(|| {
            self.arguments.push(Arc::clone(argument));
            self.arguments.len() - 1
        });
        self.counts.push(Count { argument, filter, empty });
    }

    fn filters(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        self.counts.iter().filter_map(|count| count.filter.as_ref())
    }
}
