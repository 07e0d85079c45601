//! Calls of functions that DataFusion has under another name, or with other arguments.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectName, TimezoneInfo, Value, ValueWithSpan,
};

use super::rewriter::Rewrite;
use crate::ast::{argument_mut, call, cast, take, text, text_of};

/// Functions that DataFusion has under another name, or of whose namesakes only the second does the
/// same.
const RENAMED: [(&str, &str); 10] = [
    ("array_remove", "array_remove_all"),
    ("array_replace", "array_replace_all"),
    ("ceiling", "ceil"),
    ("clock_timestamp", "now"),
    ("every", "bool_and"),
    ("gen_random_uuid", "uuid"),
    ("pow", "power"),
    ("statement_timestamp", "now"),
    ("transaction_timestamp", "now"),
    ("variance", "var_samp"),
];

impl Rewrite {
    /// Renames a function, and returns what replaces its call.
    pub(super) fn function(&mut self, function: &mut Function) -> Option<Expr> {
        let [part] = function.name.0.as_slice() else { return None };
        let name = part.as_ident()?.value.to_lowercase();
        if let Some((_, other)) = RENAMED.iter().find(|(known, _)| *known == name) {
            rename(function, other);
        }
        if let FunctionArguments::Subquery(_) = function.args {
            self.refuse(&format!("{name}(SELECT ...)"), "use an aggregate, such as array_agg");
            return None;
        }
        match name.as_str() {
            "current_role" | "current_user" | "session_user" | "user" => {
                Some(typed_name("session_user"))
            }
            "current_catalog" | "current_database" => Some(typed_name("current_database")),
            "current_schema" => Some(typed_name("current_schema")),
            "current_time" | "localtime" => {
                self.refuse(&name, "use current_timestamp::time");
                None
            }
            "date_trunc" => self.date_trunc(function),
            "json_agg" => {
                rename(function, "array_agg");
                Some(call("json_of_list", [Expr::Function(function.clone())]))
            }
            "localtimestamp" => Some(local_timestamp()),
            "mod" => {
                let [left, right] = arguments::<2>(function)?;
                let operand = |expr: &mut Expr| Box::new(Expr::Nested(Box::new(take(expr))));
                let (left, right) = (operand(left), operand(right));
                let rest = Expr::BinaryOp { left, op: BinaryOperator::Modulo, right };
                Some(Expr::Nested(Box::new(rest)))
            }
            // What already is a name.
            "name" => match arguments::<1>(function)? {
                [inner] if is_name(inner) => Some(take(inner)),
                _ => None,
            },
            "percentile_cont" => self.percentile(function),
            "pg_typeof" => match arguments::<1>(function)? {
                [Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. })] => {
                    Some(text("unknown"))
                }
                [expr] if super::rewriter::is_integer(expr) => Some(text("integer")),
                _ => None,
            },
            _ => None,
        }
    }

    /// `date_trunc(unit, time)`, where `Days` is `day`. In another zone, the third argument, the local
    /// time is truncated, and becomes an instant again.
    fn date_trunc(&mut self, function: &mut Function) -> Option<Expr> {
        let FunctionArguments::List(list) = &mut function.args else { return None };
        let mut arguments = list.args.iter_mut().filter_map(argument_mut);
        let (unit, time, zone) = (arguments.next()?, arguments.next()?, arguments.next());
        if let Some(written) = text_of(unit) {
            let lower = written.to_lowercase();
            *unit = text(lower.strip_suffix('s').unwrap_or(&lower));
        }
        let Some(zone) = text_of(zone?).map(text) else {
            self.refuse("date_trunc with a zone that is not constant", "write its name");
            return None;
        };
        let local = call("timezone", [zone.clone(), take(time)]);
        Some(call("timezone", [zone, call("date_trunc", [take(unit), local])]))
    }

    /// `percentile_cont(fraction) WITHIN GROUP (ORDER BY x)`, from a list of the values.
    fn percentile(&mut self, function: &mut Function) -> Option<Expr> {
        let FunctionArguments::List(list) = &mut function.args else { return None };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(fraction))] = list.args.as_mut_slice()
        else {
            return None;
        };
        let [order] = function.within_group.as_mut_slice() else { return None };
        if function.over.is_some() || order.options.asc == Some(false) {
            self.refuse(
                "percentile_cont with DESC or OVER",
                "use percentile_cont(1 - fraction), or a subquery",
            );
            return None;
        }
        let fraction = take(fraction);
        let value = cast(take(&mut order.expr), DataType::DoublePrecision);
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(value))];
        function.within_group.clear();
        rename(function, "array_agg");
        Some(call("percentile_of", [Expr::Function(function.clone()), fraction]))
    }
}

/// Whether this is a call of the function that makes a text a name.
pub(super) fn is_name(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if function.name.to_string() == "name")
}

fn rename(function: &mut Function, name: &str) {
    function.name = ObjectName::from(vec![Ident::new(name)]);
}

/// The arguments of a call, if there are `N` plain ones.
fn arguments<const N: usize>(function: &mut Function) -> Option<[&mut Expr; N]> {
    let FunctionArguments::List(list) = &mut function.args else { return None };
    let arguments: Option<Vec<&mut Expr>> = list.args.iter_mut().map(argument_mut).collect();
    arguments?.try_into().ok()
}

/// The value of a function without arguments, of the type `name`.
pub(super) fn typed_name(function: &str) -> Expr {
    call("name", [call(function, [])])
}

/// What the clocks of the connection's zone show.
pub(super) fn local_timestamp() -> Expr {
    cast(call("now", []), DataType::Timestamp(None, TimezoneInfo::WithoutTimeZone))
}
