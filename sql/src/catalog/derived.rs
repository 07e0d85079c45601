//! The columns that a source defines by expressions, and the rows that its condition selects.
//!
//! The table of a source has the columns of its files. Where the project file defines a part of the
//! source otherwise than by a column, the table has one more: `time`, `user`, `event`, `deployment`, or
//! the name of the dimension. It takes the place of a column of that name.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use engine::scan::{Expression, Source, Value};

use crate::failure::external;

/// What a source makes of the columns of its files.
#[derive(Clone, Debug)]
pub(super) struct DerivedColumns {
    filter: Option<Expression>,
    columns: Vec<(String, Value, Expression)>,
}

impl DerivedColumns {
    /// What a source makes of these columns.
    ///
    /// # Errors
    /// When a column is missing, or an expression is invalid.
    pub(super) fn new(source: &Source, schema: &Schema) -> engine::Result<Self> {
        let filter = source.filter.as_ref();
        let filter = filter.map(|text| Expression::condition(text, schema)).transpose()?;
        let parts = [
            ("time", Some(&source.time)),
            ("user", Some(&source.user)),
            ("event", Some(&source.event)),
            ("deployment", source.deployment.as_ref()),
        ];
        let parts = parts.into_iter().filter_map(|(name, value)| Some((name, value?, false)));
        let dimensions = source.dimensions.iter().map(|own| (own.name.as_str(), &own.value, true));
        let mut columns = Vec::new();
        for (name, value, is_dimension) in parts.chain(dimensions) {
            let expression = Expression::of(value, schema)?;
            let is_there = match expression.as_column() {
                // The table has the time under one name, whichever column it is found in.
                Some(_) if *value == Value::AnyTime => false,
                Some(column) => !is_dimension || column == name,
                None => !is_dimension && matches!(value, Value::Const(_)),
            };
            if !is_there {
                columns.push((name.to_owned(), value.clone(), expression));
            }
        }
        Ok(Self { filter, columns })
    }

    /// What a column of the table is.
    pub(super) fn value_of(&self, column: &str) -> Value {
        let found = self.columns.iter().find(|(name, ..)| name == column);
        found.map_or_else(|| Value::Column(column.to_owned()), |(_, value, _)| value.clone())
    }

    /// Whether a column of the table is none of the files.
    pub(super) fn is_derived(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, ..)| name == column)
    }

    /// The column of the table for a part of the source.
    pub(super) fn column_of<'a>(&'a self, value: &'a Value) -> &'a str {
        let found = self.columns.iter().find(|(_, own, _)| own == value);
        found.map_or(value.text(), |(name, ..)| name)
    }

    /// A table of files, as the source has it.
    pub(super) fn table(self, files: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
        if self.filter.is_none() && self.columns.is_empty() {
            return files;
        }
        let own = files.schema();
        let kept = own.fields().iter().filter(|field| !self.is_derived(field.name()));
        let mut fields: Vec<Arc<Field>> = kept.cloned().collect();
        fields.extend(self.columns.iter().map(|(name, _, expression)| {
            Arc::new(Field::new(name, expression.data_type().clone(), true))
        }));
        Arc::new(DerivedTable { files, derived: self, schema: Arc::new(Schema::new(fields)) })
    }
}

/// A table of files with derived columns.
#[derive(Debug)]
struct DerivedTable {
    files: Arc<dyn TableProvider>,
    derived: DerivedColumns,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for DerivedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Conditions of columns of the files go to them.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let supported = self.files.supports_filters_pushdown(filters)?;
        let of = |(filter, supported): (&&Expr, TableProviderFilterPushDown)| {
            let derived = |name: &str| self.derived.is_derived(name);
            match filter.column_refs().iter().any(|column| derived(&column.name)) {
                true => TableProviderFilterPushDown::Unsupported,
                false => supported,
            }
        };
        Ok(filters.iter().zip(supported).map(of).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(places) => Arc::new(self.schema.project(places)?),
            None => Arc::clone(&self.schema),
        };
        let expression = |name: &str| {
            let found = self.derived.columns.iter().find(|(own, ..)| own == name);
            found.map(|(_, _, expression)| expression)
        };
        let files = self.files.schema();
        let is_read = |name: &str| {
            let reads = |expression: &Expression| expression.columns().any(|column| column == name);
            self.derived.filter.as_ref().is_some_and(reads)
                || schema.fields().iter().any(|field| match expression(field.name()) {
                    Some(expression) => reads(expression),
                    None => field.name() == name,
                })
        };
        let read = (0..files.fields().len()).filter(|at| is_read(files.field(*at).name()));
        let read: Vec<usize> = read.collect();
        let limit = limit.filter(|_| self.derived.filter.is_none());
        let mut plan = self.files.scan(state, Some(&read), filters, limit).await?;
        if let Some(filter) = &self.derived.filter {
            let condition = filter.over(&plan.schema()).map_err(external)?;
            plan = Arc::new(FilterExec::try_new(condition, plan)?);
        }
        let input = plan.schema();
        let values = schema.fields().iter().map(|field| {
            let expr: Arc<dyn PhysicalExpr> = match expression(field.name()) {
                Some(expression) => expression.over(&input).map_err(external)?,
                None => Arc::new(Column::new_with_schema(field.name(), &input)?),
            };
            Ok(ProjectionExpr { expr, alias: field.name().clone() })
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(ProjectionExec::try_new(values, plan)?))
    }
}
