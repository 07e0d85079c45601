//! What stands in FROM: functions of rows, whose alias also names their column in PostgreSQL.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    TableAlias, TableAliasColumnDef, TableFactor, TimezoneInfo, TypedString,
};

use super::rewriter::{Rewrite, are_integers, interval};
use crate::ast::{argument_mut, call, cast, take, text_of};
use crate::server::postgres::dialect::input;
use crate::server::postgres::statements::grammar::query;

const SERIES: &str = "generate_series";

impl Rewrite {
    pub(super) fn relation(&mut self, relation: &mut TableFactor) {
        match relation {
            TableFactor::Table { sample: Some(_), .. }
            | TableFactor::Derived { sample: Some(_), .. } => {
                self.refuse("TABLESAMPLE", "use `WHERE random() < 0.1`");
            }
            TableFactor::Table { with_ordinality: true, .. } => {
                self.refuse("WITH ORDINALITY", "use row_number()");
            }
            TableFactor::Table { name, args: Some(arguments), alias, .. } => {
                let name = name.to_string().to_lowercase();
                if ![SERIES, "unnest"].contains(&name.as_str()) {
                    return;
                }
                let is_integer = name == SERIES && are_integers(&arguments.args);
                name_column(alias, name);
                if is_integer {
                    let alias = alias.take();
                    if let Ok(subquery) = query(&integer_series(&arguments.args)) {
                        *relation =
                            TableFactor::Derived { lateral: false, subquery, alias, sample: None };
                    }
                } else {
                    if arguments.args.iter_mut().filter_map(argument_mut).any(|expr| is_zoned(expr))
                    {
                        self.refuse(
                            "a series of timestamps with a time zone",
                            "use timestamps without one",
                        );
                    }
                    type_series(&mut arguments.args);
                }
            }
            TableFactor::UNNEST { alias, array_exprs, .. } if array_exprs.len() == 1 => {
                name_column(alias, "unnest".to_owned());
            }
            _ => {}
        }
    }
}

/// A series of the type `integer`, which DataFusion does not have.
fn integer_series(arguments: &[FunctionArg]) -> String {
    let wide: Vec<String> =
        arguments.iter().map(|argument| format!("CAST({argument} AS BIGINT)")).collect();
    format!(
        "SELECT CAST(value AS INT) AS value FROM {SERIES}({}) AS series (value)",
        wide.join(", ")
    )
}

/// Whether an expression is written as a timestamp with a time zone.
fn is_zoned(expr: &Expr) -> bool {
    let (Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. })) = expr
    else {
        return false;
    };
    let name = data_type.to_string().to_lowercase();
    name == "timestamptz" || name.ends_with("with time zone")
}

/// Reads constant texts among the arguments of a series as times and an interval.
fn type_series(arguments: &mut [FunctionArg]) {
    let [from, to, step] = arguments else { return };
    let [Some(from), Some(to), Some(step)] = [from, to, step].map(argument_mut) else { return };
    if let Some(span) = text_of(step).and_then(input::interval) {
        *step = interval(span);
    }
    if matches!(step, Expr::Interval(_)) {
        let timestamp = DataType::Timestamp(None, TimezoneInfo::None);
        for bound in [from, to] {
            if !matches!(bound, Expr::Cast { data_type, .. } if *data_type == timestamp) {
                *bound = cast(take(bound), timestamp.clone());
            }
        }
    }
}

/// Gives the column of a function of rows the name of its alias.
fn name_column(alias: &mut Option<TableAlias>, name: String) {
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::new(name),
        columns: Vec::new(),
        at: None,
    });
    if alias.columns.is_empty() {
        alias.columns.push(TableAliasColumnDef { name: alias.name.clone(), data_type: None });
    }
}

/// Whether a call in the select list makes a series of timestamps: its step is an interval.
pub(super) fn is_series_of_timestamps(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else { return false };
    let FunctionArguments::List(list) = &function.args else { return false };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(step))) = list.args.get(2) else {
        return false;
    };
    function.name.to_string().eq_ignore_ascii_case(SERIES)
        && (text_of(step).is_some() || matches!(step, Expr::Interval(_)))
}

/// A series in the select list, which is a list to DataFusion.
pub(super) fn unnest_series(expr: &mut Expr) {
    let Expr::Function(function) = &*expr else { return };
    if !function.name.to_string().eq_ignore_ascii_case(SERIES) {
        return;
    }
    let is_integer =
        matches!(&function.args, FunctionArguments::List(list) if are_integers(&list.args));
    let mut series = take(expr);
    if is_integer {
        let integers = ArrayElemTypeDef::SquareBracket(Box::new(DataType::Int(None)), None);
        series = cast(series, DataType::Array(integers));
    }
    *expr = call("unnest", [series]);
}
