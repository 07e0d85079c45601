//! Named arguments of table functions: `active_users(level => 'stage')`.
//!
//! DataFusion passes a list without names to table functions, so named arguments are converted to
//! positional ones before the call is planned; missing arguments are NULL.

use datafusion::common::plan_err;
use datafusion::error::Result;
use datafusion::logical_expr::planner::{
    RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, TableFactor, Value, ValueWithSpan,
};

use super::function::NAME;
use crate::question::PARAMETERS;

/// Converts named arguments to positional ones.
#[derive(Debug)]
pub(in crate::catalog) struct NamedArguments;

impl RelationPlanner for NamedArguments {
    fn plan_relation(
        &self,
        mut relation: TableFactor,
        _: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if let TableFactor::Table { name, args: Some(call), .. } = &mut relation
            && name.to_string().eq_ignore_ascii_case(NAME)
        {
            call.args = positional(std::mem::take(&mut call.args))?;
        }
        Ok(RelationPlanning::Original(Box::new(relation)))
    }
}

fn positional(arguments: Vec<FunctionArg>) -> Result<Vec<FunctionArg>> {
    let mut places: Vec<Option<FunctionArg>> = vec![None; PARAMETERS.len()];
    let mut named = false;
    for (at, argument) in arguments.into_iter().enumerate() {
        let (place, value) = match argument {
            // PostgreSQL's dialect takes any expression for a name.
            FunctionArg::Named { name, arg, .. }
            | FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => {
                named = true;
                let name = name.value.to_lowercase();
                match PARAMETERS.iter().position(|(known, _)| *known == name) {
                    Some(place) => (place, arg),
                    None => {
                        return plan_err!(
                            "{NAME} has no argument `{name}`; it has {}",
                            PARAMETERS.map(|(name, _)| name).join(", ")
                        );
                    }
                }
            }
            FunctionArg::Unnamed(_) if named => {
                return plan_err!("{NAME}: positional arguments must come before named ones");
            }
            FunctionArg::Unnamed(arg) => (at, arg),
            other => return plan_err!("{NAME}: invalid argument {other}"),
        };
        match places.get_mut(place) {
            Some(free @ None) => *free = Some(FunctionArg::Unnamed(value)),
            Some(_) => {
                return plan_err!("{NAME}: `{}` is given twice", PARAMETERS[place].0);
            }
            None => {
                return plan_err!("{NAME} takes at most {} arguments", PARAMETERS.len());
            }
        }
    }
    let null = || {
        let null = ValueWithSpan::from(Value::Null);
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(null)))
    };
    Ok(places.into_iter().map(|place| place.unwrap_or_else(null)).collect())
}
