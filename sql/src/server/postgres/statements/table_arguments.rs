//! Parameters in the arguments of table functions: `SELECT * FROM active_users($1, level => $2)`.
//!
//! DataFusion calls a table function while it plans, with constants. So the values are put into the
//! syntax tree when they are bound; until then, to describe the statement, they are NULL. Only `by`, which
//! adds columns, has all dimensions until then: a query that names its columns has the same ones with
//! any value.

use std::mem;
use std::ops::ControlFlow;

use arrow::array::Array;
use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::{
    Array as ArrayLiteral, CastKind, DataType as SqlType, Expr, FunctionArg, FunctionArgExpr,
    Statement, TableFactor, TimezoneInfo, Value, ValueWithSpan, VisitorMut,
};
use engine::{Error, Result};

use super::grammar::query;
use super::parameters;
use crate::ast::{for_each_expr, for_each_expr_mut, visit_mut};
use crate::catalog::ACTIVE_USERS;
use crate::question::PARAMETERS;

/// Most elements of an array: its syntax tree takes memory that no limit covers.
const MAX_ELEMENTS: usize = 1_000;
/// The parameter of `active_users` that adds columns to its result.
const BY: &str = "by";

/// Replaces the arguments of table functions that have parameters by NULL, or by all dimensions, and
/// returns them.
pub(in crate::server::postgres) fn take(
    statement: &mut Statement,
    dimensions: &[String],
) -> Vec<Expr> {
    let dimension = |name: &String| Expr::value(Value::SingleQuotedString(name.clone()));
    let mut taken = Vec::new();
    for_each_argument(statement, &mut |name, argument| {
        let mut has_parameter = false;
        for_each_expr(argument, |expression| {
            if let Expr::Value(ValueWithSpan { value: Value::Placeholder(_), .. }) = expression {
                has_parameter = true;
            }
        });
        if has_parameter {
            let replacement = match name == Some(BY) && !dimensions.is_empty() {
                true => {
                    let elem = dimensions.iter().map(dimension).collect();
                    Expr::Array(ArrayLiteral { elem, named: true })
                }
                false => Expr::value(Value::Null),
            };
            taken.push(mem::replace(argument, replacement));
        }
    });
    taken
}

/// A query whose columns are these arguments, to find the types of their parameters.
///
/// # Errors
/// When an argument is not an expression that stands on its own.
pub(in crate::server::postgres) fn select(arguments: Vec<Expr>) -> Result<Statement> {
    let items: Vec<String> =
        arguments.iter().enumerate().map(|(at, value)| format!("{value} AS a{at}")).collect();
    let parsed = query(&format!("SELECT {}", items.join(", "))).map(Statement::Query);
    parsed.map_err(|_| Error::input("invalid argument of a table function"))
}

/// Replaces the parameters in arguments of table functions by their values, `$1` first.
///
/// # Errors
/// When a value is an array with too many elements.
pub(in crate::server::postgres) fn bind(
    statement: &mut Statement,
    values: &[ScalarValue],
) -> Result<()> {
    let literals = values.iter().map(literal).collect::<Result<Vec<_>>>()?;
    for_each_argument(statement, &mut |_, argument| {
        for_each_expr_mut(argument, |expression| {
            if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = expression {
                let literal = parameters::number(name).and_then(|number| literals.get(number - 1));
                *expression = literal.cloned().unwrap_or_else(|| Expr::value(Value::Null));
            }
        });
    });
    Ok(())
}

/// Calls a function with each argument of a table function, and its name if that is known.
fn for_each_argument(statement: &mut Statement, function: &mut dyn FnMut(Option<&str>, &mut Expr)) {
    let _ = visit_mut(statement, &mut TableArguments(function));
}

struct TableArguments<'a>(&'a mut dyn FnMut(Option<&str>, &mut Expr));

impl VisitorMut for TableArguments<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        let (function, arguments) = match table {
            TableFactor::Table { name, args: Some(call), .. } => (name, &mut call.args),
            TableFactor::Function { name, args, .. } => (name, args),
            _ => return ControlFlow::Continue(()),
        };
        let is_report = function.to_string().eq_ignore_ascii_case(ACTIVE_USERS);
        for (at, argument) in arguments.iter_mut().enumerate() {
            let known = PARAMETERS.get(at).map(|(name, _)| *name).filter(|_| is_report);
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => (self.0)(known, value),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. }
                | FunctionArg::ExprNamed {
                    name: Expr::Identifier(name),
                    arg: FunctionArgExpr::Expr(value),
                    ..
                } => (self.0)(Some(&name.value.to_lowercase()), value),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// A value as an expression of SQL.
fn literal(value: &ScalarValue) -> Result<Expr> {
    if value.is_null() {
        return Ok(Expr::value(Value::Null));
    }
    if let ScalarValue::List(list) = value {
        return elements(&list.value(0));
    }
    let array = value.to_array()?;
    let text = array_value_to_string(&array, 0)?;
    let kind = match value.data_type() {
        DataType::Boolean => return Ok(Expr::value(Value::Boolean(text == "true"))),
        kind if kind.is_numeric() => return Ok(Expr::value(Value::Number(text, false))),
        DataType::Date32 => Some(SqlType::Date),
        DataType::Timestamp(..) => Some(SqlType::Timestamp(None, TimezoneInfo::None)),
        _ => None,
    };
    let text = Expr::value(Value::SingleQuotedString(text));
    Ok(match kind {
        None => text,
        Some(data_type) => Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(text),
            data_type,
            array: false,
            format: None,
        },
    })
}

fn elements(list: &dyn Array) -> Result<Expr> {
    if list.len() > MAX_ELEMENTS {
        return Err(Error::limit(format!(
            "an array as argument of a table function has more than the limit of {MAX_ELEMENTS} \
             elements"
        )));
    }
    let values = (0..list.len()).map(|at| literal(&ScalarValue::try_from_array(list, at)?));
    Ok(Expr::Array(ArrayLiteral { elem: values.collect::<Result<_>>()?, named: true }))
}

#[cfg(test)]
mod tests {
    use datafusion::scalar::ScalarValue;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::{bind, take};

    #[test]
    fn only_arguments_of_table_functions_are_replaced() {
        let sql = "SELECT f($1) FROM active_users($2, level => $3::TEXT) AS a, t WHERE a = $1 AND \
                   b IN (SELECT value FROM generate_series(1, $4 + 1))";
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        let mut described = statement.clone();
        let taken = take(&mut described, &[]);
        let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
        assert_eq!(taken, ["$2", "$3::TEXT", "$4 + 1"]);
        let expected = sql.replace("$2", "NULL").replace("$3::TEXT", "NULL");
        let expected = expected.replace("$4 + 1", "NULL");
        assert_eq!(described.to_string(), expected);
        let list = ScalarValue::new_list_nullable(
            &[ScalarValue::from("a"), ScalarValue::from("it's")],
            &arrow::datatypes::DataType::Utf8,
        );
        let values = [
            ScalarValue::from(true),
            ScalarValue::from("month"),
            ScalarValue::List(list),
            ScalarValue::from(-5_i64),
        ];
        bind(&mut statement, &values).unwrap();
        let expected =
            sql.replace("$2", "'month'").replace("$3", "ARRAY['a', 'it''s']").replace("$4", "-5");
        assert_eq!(statement.to_string(), expected);
        assert!(take(&mut statement, &[]).is_empty());
        let dimensions = ["plan".to_owned(), "country".to_owned()];
        for (sql, expected) in [
            (
                "active_users('month', by => $1)",
                "active_users('month', by => ARRAY['plan', 'country'])",
            ),
            (
                "active_users('month', NULL, $1, $2)",
                "active_users('month', NULL, NULL, ARRAY['plan', 'country'])",
            ),
            ("range(1, 2, 3, $1)", "range(1, 2, 3, NULL)"),
        ] {
            let sql = format!("SELECT 1 FROM {sql}");
            let mut described = Parser::parse_sql(&PostgreSqlDialect {}, &sql).unwrap().remove(0);
            take(&mut described, &dimensions);
            assert_eq!(described.to_string(), format!("SELECT 1 FROM {expected}"));
        }
    }

    #[test]
    fn long_arrays_are_refused() {
        let items = vec![ScalarValue::from(1_i64); super::MAX_ELEMENTS + 1];
        let list = ScalarValue::new_list_nullable(&items, &arrow::datatypes::DataType::Int64);
        assert!(super::literal(&ScalarValue::List(list)).is_err());
    }
}
