//! Parameters of prepared statements: their types, and their values.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchemaRef, ParamValues};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion_postgres::arrow_pg::datatypes::df::deserialize_parameters_with_server_types;
use datafusion_postgres::arrow_pg::datatypes::{
    PG_OID_ALIAS_KEY, into_pg_type, pg_type_for_alias_kind,
};
use engine::{Error, Result};
use pgwire::api::Type;
use pgwire::api::portal::Portal;
use pgwire::error::PgWireResult;

use super::errors;
use super::rows::check;
use crate::failure::of_statement;

/// Most parameters of a statement: the protocol counts them in 16 bits.
const MOST: usize = 65_535;

/// What is known of one parameter.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameter {
    /// In the plan; `None` if it can be anything.
    data: Option<DataType>,
    /// On the wire, where that is not what `data` says.
    alias: Option<Type>,
}

impl Parameter {
    /// The type that clients are told.
    pub(super) fn wire(&self) -> PgWireResult<Type> {
        match (&self.alias, &self.data) {
            (Some(alias), _) => Ok(alias.clone()),
            (None, Some(data)) => into_pg_type(data),
            (None, None) => Ok(Type::UNKNOWN),
        }
    }
}

/// The parameters of a plan, `$1` first.
///
/// # Errors
/// When one is not a number, or beyond what the protocol can count.
pub(super) fn of_plan(plan: &LogicalPlan) -> Result<Vec<Parameter>> {
    let mut found: BTreeMap<usize, Parameter> = BTreeMap::new();
    let mut wrong = None;
    let told = |cause| of_statement(cause, None);
    for (name, data) in plan.get_parameter_types().map_err(told)? {
        match number(&name) {
            Some(at) => {
                found.entry(at).or_default().data = data;
            }
            None => wrong = Some(name),
        }
    }
    if let Some(name) = wrong {
        return Err(
            Error::input(format!("`{name}` is no parameter")).with("help", "write $1, $2 ...")
        );
    }
    plan.apply_with_subqueries(|node| {
        for expression in node.expressions() {
            expression.apply(|expression| {
                note(expression, &mut found);
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(told)?;
    let last = found.keys().next_back().copied().unwrap_or(0);
    Ok((1..=last).map(|at| found.remove(&at).unwrap_or_default()).collect())
}

/// Learns from a cast, and from a catalog's columns, which have types of their own.
fn note(expression: &Expr, found: &mut BTreeMap<usize, Parameter>) {
    let (placeholder, cast) = match expression {
        Expr::Placeholder(placeholder) => (placeholder, None),
        Expr::Cast(cast) => match &*cast.expr {
            Expr::Placeholder(placeholder) => (placeholder, Some(cast.field.data_type().clone())),
            _ => return,
        },
        _ => return,
    };
    let Some(at) = number(&placeholder.id) else { return };
    let parameter = found.entry(at).or_default();
    if parameter.data.is_none() {
        parameter.data = cast;
    }
    if let Some(alias) = placeholder.field.as_deref().and_then(alias) {
        parameter.alias = Some(alias);
    }
}

fn alias(field: &Field) -> Option<Type> {
    let kind = field.metadata().get(PG_OID_ALIAS_KEY)?;
    (*field.data_type() == DataType::Int32).then(|| pg_type_for_alias_kind(kind)).flatten()
}

/// The columns of a plan as they come out: types are only sure once they were made to agree.
///
/// # Errors
/// When they cannot be.
pub(super) fn typed(plan: &LogicalPlan) -> Result<DFSchemaRef> {
    let agreed = TypeCoercion::new().analyze(plan.clone(), &ConfigOptions::default());
    let agreed = agreed.map_err(|cause| of_statement(cause, None))?;
    Ok(Arc::clone(agreed.schema()))
}

fn number(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok().filter(|at| (1..=MOST).contains(at))
}

/// The values that were bound.
///
/// # Errors
/// When there are too few or too many, or one is not of its type.
pub(super) fn values<S: Clone>(
    portal: &Portal<S>,
    parameters: &[Parameter],
) -> PgWireResult<ParamValues> {
    let (given, expected) = (portal.parameter_len(), parameters.len());
    if given != expected {
        return Err(errors::error(
            "08P01",
            format!("the statement has {expected} parameters, and {given} were given"),
        ));
    }
    check(&portal.parameter_format, given, "parameter")?;
    // A NUMERIC would be cut to the type it is compared with, and 1.5 would equal 1.
    let numeric = |kind: &Option<Type>| *kind == Some(Type::NUMERIC);
    if portal.statement.parameter_types.iter().any(numeric) {
        let told = "a parameter cannot be of type numeric; send an integer or a double precision";
        return Err(errors::error("0A000", told.to_owned()));
    }
    let wire: Vec<Type> = parameters.iter().map(Parameter::wire).collect::<PgWireResult<_>>()?;
    let data: Vec<Option<&DataType>> = parameters.iter().map(|one| one.data.as_ref()).collect();
    let wire: Vec<Option<&Type>> = wire.iter().map(Some).collect();
    deserialize_parameters_with_server_types(portal, &data, &wire)
}
