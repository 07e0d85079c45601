//! The roles of a query's columns, and which expressions a roll-up by day can evaluate.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchemaRef, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{BinaryExpr, Cast, Expr, Operator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use engine::functions::stored_users_type;

use super::range::{self, DAY};

/// Units of `date_trunc` and `date_part` that depend only on the day.
const UNITS: [&str; 8] = ["day", "week", "month", "quarter", "year", "dow", "doy", "isodow"];

/// The role of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The instant of the event.
    Time,
    /// The user's key; [people](stored_users_type) after the rewriting.
    User,
    /// A value that is the same for all events of a roll-up row.
    Known,
    /// A value that the roll-up does not have.
    Other,
}

/// The output columns of a plan node, with their roles.
pub(super) struct ColumnRoles {
    schema: DFSchemaRef,
    roles: Vec<Role>,
    config: Arc<ConfigOptions>,
}

impl ColumnRoles {
    pub(super) fn new(schema: &DFSchemaRef, roles: Vec<Role>, config: &Arc<ConfigOptions>) -> Self {
        Self { schema: Arc::clone(schema), roles, config: Arc::clone(config) }
    }

    /// The same columns under other names.
    pub(super) fn renamed(self, schema: &DFSchemaRef) -> Self {
        Self { schema: Arc::clone(schema), ..self }
    }

    /// The columns after a projection.
    pub(super) fn projected(&self, expressions: &[Expr], schema: &DFSchemaRef) -> Result<Self> {
        let roles = expressions.iter().map(|expr| self.role(expr)).collect::<Result<_>>()?;
        Ok(Self::new(schema, roles, &self.config))
    }

    /// The role of an expression.
    pub(super) fn role(&self, expr: &Expr) -> Result<Role> {
        Ok(match expr {
            Expr::Column(column) => self.of(column),
            Expr::Alias(alias) => self.role(&alias.expr)?,
            _ if self.people(expr)?.is_some() => Role::User,
            _ if self.is_known(expr)? => Role::Known,
            _ => Role::Other,
        })
    }

    /// Whether the value is the same for all events of a day, event and dimensions.
    pub(super) fn is_known(&self, expr: &Expr) -> Result<bool> {
        // Simplified, so that literals have their final types.
        let simple = match expr {
            Expr::GroupingSet(_) => expr.clone(),
            _ => self.simplified(expr.clone())?,
        };
        Ok(!simple.is_volatile() && self.knows(&simple))
    }

    /// An expression with its constants folded.
    pub(super) fn simplified(&self, expr: Expr) -> Result<Expr> {
        let context = SimplifyContext::builder()
            .with_schema(Arc::clone(&self.schema))
            .with_config_options(Arc::clone(&self.config));
        ExprSimplifier::new(context.build()).simplify(expr)
    }

    /// The expression with people instead of users, if it returns users: the column itself, or a
    /// CASE of it with known conditions.
    pub(super) fn people(&self, expr: &Expr) -> Result<Option<Expr>> {
        Ok(match expr {
            Expr::Column(column) => (self.of(column) == Role::User).then(|| expr.clone()),
            Expr::Alias(alias) => self
                .people(&alias.expr)?
                .map(|people| people.alias_qualified(alias.relation.clone(), alias.name.clone())),
            Expr::Case(case) => self.people_of_case(case)?,
            _ => None,
        })
    }

    fn people_of_case(&self, case: &Case) -> Result<Option<Expr>> {
        let mut chosen = case.clone();
        let conditions = case.when_then_expr.iter().map(|(when, _)| when).chain(&case.expr);
        for condition in conditions {
            if !self.is_known(condition)? {
                return Ok(None);
            }
        }
        let results = chosen.when_then_expr.iter_mut().map(|(_, then)| then);
        let mut some = false;
        for result in results.chain(&mut chosen.else_expr) {
            **result = if is_null(result) {
                Expr::Literal(ScalarValue::try_new_null(&stored_users_type())?, None)
            } else {
                let Some(people) = self.people(result)? else { return Ok(None) };
                some = true;
                people
            };
        }
        Ok(some.then_some(Expr::Case(chosen)))
    }

    /// Whether an expression is the time of the event.
    pub(super) fn is_time(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(column) => self.of(column) == Role::Time,
            // Casts between UTC timestamps; truncation stays within the day.
            Expr::Cast(Cast { expr, field }) => {
                range::is_utc(field.data_type()) && self.is_time(expr)
            }
            _ => false,
        }
    }

    fn of(&self, column: &Column) -> Role {
        let at = self.schema.index_of_column(column).ok();
        at.and_then(|at| self.roles.get(at).copied()).unwrap_or(Role::Other)
    }

    fn knows(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(column) => self.of(column) == Role::Known,
            Expr::Cast(Cast { expr, field })
                if *field.data_type() == DataType::Date32 && self.is_time(expr) =>
            {
                true
            }
            Expr::IsNull(expr) | Expr::IsNotNull(expr) if self.is_time(expr) => true,
            Expr::ScalarFunction(call)
                if ["date_trunc", "date_part"].contains(&call.func.name())
                    && call.args.get(1).is_some_and(|time| self.is_time(time)) =>
            {
                let unit = call.args.first().and_then(text).map(str::to_lowercase);
                unit.is_some_and(|unit| UNITS.contains(&unit.as_str()))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if self.is_time(left) => {
                is_midnight(*op, right)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) if self.is_time(right) => {
                op.swap().is_some_and(|op| is_midnight(op, left))
            }
            Expr::OuterReferenceColumn(..)
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::Unnest(_)
            | Expr::HigherOrderFunction(_)
            | Expr::Lambda(_)
            | Expr::LambdaVariable(_) => false,
            other => {
                let mut known = true;
                let looked = other.apply_children(|child| {
                    known = self.knows(child);
                    Ok(if known { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
                });
                looked.is_ok() && known
            }
        }
    }
}

/// Whether comparing the time with a literal has the same result for all instants of a day.
fn is_midnight(op: Operator, literal: &Expr) -> bool {
    let instant = range::instant(literal).filter(|instant| instant % DAY == 0);
    instant.is_some() && matches!(op, Operator::GtEq | Operator::Lt)
}

fn is_null(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => value.is_null(),
        Expr::Cast(Cast { expr, .. }) => is_null(expr),
        _ => false,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}
