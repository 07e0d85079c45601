//! The group columns and aggregates of a query.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::{Column, lit};
use datafusion::physical_expr::projection::update_expr;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::aggregates::{AggregateExec, PhysicalGroupBy};
use datafusion::physical_plan::projection::ProjectionExec;

use super::column_encoder::is_encodable;
use super::exact_set::ExactSet;
use crate::functions::{is_approx_count_distinct, is_exact_distinct, precision};
use crate::scan::{EVENT, PERIOD, USER};
use crate::users::Sketch;

/// The group columns and the aggregates of one query; `E` is the kind of exact sets.
#[derive(Debug)]
pub(crate) struct Aggregates<E = ExactSet> {
    /// Columns of the rows that come in.
    pub(super) input: SchemaRef,
    pub(super) group_by: PhysicalGroupBy,
    pub(super) exact: Arc<Distinct<E>>,
    pub(super) approximate: Arc<Distinct<Sketch>>,
    pub(super) passthrough: Arc<Vec<PassthroughAggregate>>,
    /// For each aggregate in the order of the query, of which kind the next one is.
    pub(super) order: Vec<Kind>,
    /// Columns of the rows that come out: group columns, then aggregates.
    pub(super) schema: SchemaRef,
}

/// Kinds of aggregates.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Exact,
    Approximate,
    Passthrough,
}

/// Counts of different values by sets of one kind.
#[derive(Debug)]
pub(crate) struct Distinct<S> {
    /// Expressions whose different values are counted, each once.
    pub(super) arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) counts: Vec<Count<S>>,
}

/// A count of different values.
#[derive(Debug)]
pub(crate) struct Count<S> {
    /// Place in [`Distinct::arguments`].
    pub(super) argument: usize,
    pub(super) filter: Option<Arc<dyn PhysicalExpr>>,
    /// The empty set of a group.
    pub(super) empty: S,
}

/// Any other aggregate, by DataFusion's accumulators.
#[derive(Debug)]
pub(crate) struct PassthroughAggregate {
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
        if !columns.fields().iter().all(|field| is_encodable(field.data_type())) {
            return None;
        }
        let (mut exact, mut approximate) = (Distinct::default(), Distinct::default());
        let (mut passthrough, mut order) = (Vec::new(), Vec::new());
        for (function, filter) in raw.aggr_expr().iter().zip(raw.filter_expr()) {
            let (arguments, filter) = (function.expressions(), filter.clone());
            let kind = function.fun();
            order.push(match arguments.as_slice() {
                [argument] if is_exact_distinct(kind) => {
                    exact.add(argument, filter, ExactSet::default());
                    Kind::Exact
                }
                [argument, ..] if is_approx_count_distinct(kind) => {
                    let precision = precision(function.name(), &arguments).ok()?;
                    approximate.add(argument, filter, Sketch::new(precision).ok()?);
                    Kind::Approximate
                }
                _ if function.groups_accumulator_supported()
                    && !function.is_distinct()
                    && function.order_bys().is_empty() =>
                {
                    passthrough.push(PassthroughAggregate {
                        function: Arc::clone(function),
                        arguments,
                        filter,
                    });
                    Kind::Passthrough
                }
                _ => return None,
            });
        }
        Some(Self {
            input,
            group_by: raw.group_expr().clone(),
            exact: Arc::new(exact),
            approximate: Arc::new(approximate),
            passthrough: Arc::new(passthrough),
            order,
            schema: Arc::clone(schema),
        })
    }

    /// The same over the rows that a projection reads, if nothing is evaluated more often by that.
    ///
    /// A subquery that names its columns, or an expression of several grouping sets, comes as such a
    /// projection; behind it, a truncated timestamp could not be told from any other number.
    pub(super) fn below(&self, projection: &ProjectionExec) -> Option<Self> {
        let mut uses = vec![0; projection.expr().len()];
        let groups = self.group_by.expr().iter().map(|(expr, _)| expr);
        for expr in groups.chain(self.arguments()).chain(self.filters()) {
            let count = |expr: &Arc<dyn PhysicalExpr>| {
                if let Some(column) = expr.downcast_ref::<Column>() {
                    uses[column.index()] += 1;
                }
                Ok(TreeNodeRecursion::Continue)
            };
            expr.apply(count).ok()?;
        }
        let once = projection.expr().iter().zip(uses).all(|(projected, uses)| {
            projected.expr.is::<Column>() || (uses <= 1 && !is_volatile(&projected.expr))
        });
        if !once {
            return None;
        }
        let inline =
            |expr: &Arc<dyn PhysicalExpr>| update_expr(expr, projection.expr(), true).ok()?;
        let filter = |filter: &Option<Arc<dyn PhysicalExpr>>| match filter {
            Some(filter) => inline(filter).map(Some),
            None => Some(None),
        };
        let groups = self.group_by.expr().iter();
        let groups = groups.map(|(expr, name)| Some((inline(expr)?, name.clone())));
        let passthrough = self.passthrough.iter().map(|other| {
            let arguments: Option<Vec<_>> = other.arguments.iter().map(inline).collect();
            let (arguments, filter) = (arguments?, filter(&other.filter)?);
            Some(PassthroughAggregate { function: Arc::clone(&other.function), arguments, filter })
        });
        Some(Self {
            input: projection.input().schema(),
            group_by: PhysicalGroupBy::new(
                groups.collect::<Option<_>>()?,
                self.group_by.null_expr().to_vec(),
                self.group_by.groups().to_vec(),
                self.group_by.has_grouping_set(),
            ),
            exact: Arc::new(self.exact.map(inline, filter)?),
            approximate: Arc::new(self.approximate.map(inline, filter)?),
            passthrough: Arc::new(passthrough.collect::<Option<_>>()?),
            order: self.order.clone(),
            schema: Arc::clone(&self.schema),
        })
    }
}

impl<E> Aggregates<E> {
    /// Groups the batches of a [scan](crate::scan::Sink) by period, event and dimensions; for each
    /// group its users, as a set of the one kind or the other, and the number of its events.
    ///
    /// # Errors
    /// When DataFusion cannot count rows.
    pub(crate) fn of_events(
        dimensions: &[String],
        exact: Option<E>,
        approximate: Option<Sketch>,
    ) -> Result<Self> {
        let labels = std::iter::once(EVENT).chain(dimensions.iter().map(String::as_str));
        let mut fields = vec![Field::new(PERIOD, DataType::Int32, true)];
        fields.extend(labels.map(|name| Field::new(name, DataType::Utf8, true)));
        let groups = fields.iter().enumerate().map(|(at, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
            (column, field.name().clone())
        });
        let group_by = PhysicalGroupBy::new_single(groups.collect());
        let users: Arc<dyn PhysicalExpr> = Arc::new(Column::new(USER, fields.len()));
        let mut input = fields.clone();
        // Batches have user keys of any type.
        input.push(Field::new(USER, DataType::Null, true));
        let input = Arc::new(Schema::new(input));
        let (mut of_exact, mut of_approximate) = (Distinct::default(), Distinct::default());
        if let Some(empty) = exact {
            of_exact.add(&users, None, empty);
        }
        if let Some(empty) = approximate {
            of_approximate.add(&users, None, empty);
        }
        let rows = AggregateExprBuilder::new(count_udaf(), vec![lit(1i64)])
            .schema(Arc::clone(&input))
            .alias("events")
            .build()?;
        let passthrough = PassthroughAggregate {
            arguments: rows.expressions(),
            function: Arc::new(rows),
            filter: None,
        };
        Ok(Self {
            input,
            group_by,
            exact: Arc::new(of_exact),
            approximate: Arc::new(of_approximate),
            passthrough: Arc::new(vec![passthrough]),
            order: Vec::new(),
            schema: Arc::new(Schema::new(fields)),
        })
    }

    /// What is aggregated.
    pub(super) fn arguments(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        let counted = self.exact.arguments.iter().chain(&self.approximate.arguments);
        counted.chain(self.passthrough.iter().flat_map(|other| &other.arguments))
    }

    /// What decides which rows are.
    pub(super) fn filters(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        let of_counts = self.exact.filters().chain(self.approximate.filters());
        of_counts.chain(self.passthrough.iter().filter_map(|other| other.filter.as_ref()))
    }
}

impl<S> Default for Distinct<S> {
    fn default() -> Self {
        Self { arguments: Vec::new(), counts: Vec::new() }
    }
}

impl<S: Clone> Distinct<S> {
    /// The same with other expressions, if each has one.
    fn map(
        &self,
        argument: impl Fn(&Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>>,
        filter: impl Fn(&Option<Arc<dyn PhysicalExpr>>) -> Option<Option<Arc<dyn PhysicalExpr>>>,
    ) -> Option<Self> {
        let counts = self.counts.iter().map(|count| {
            let (argument, empty) = (count.argument, count.empty.clone());
            Some(Count { argument, filter: filter(&count.filter)?, empty })
        });
        Some(Self {
            arguments: self.arguments.iter().map(argument).collect::<Option<_>>()?,
            counts: counts.collect::<Option<_>>()?,
        })
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
