//! Rewrites syntax before planning: what DataFusion cannot plan, or plans as something else.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CharacterLength, DataType, ExactNumberInfo, Expr, Fetch,
    Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Interval, LimitClause,
    ObjectName, Query, Select, SelectItem, SetExpr, SetOperator, SetQuantifier, Statement,
    TableAlias, TableAliasColumnDef, TableFactor, UnaryOperator, Value, ValueWithSpan, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use engine::{Error, Result};

use super::input;
use super::names::column_name;
use super::regex::similar_to;
use crate::ast::{call, visit_mut};

/// Functions that DataFusion has under another name, or of whose namesakes only the second does the
/// same.
const RENAMED: [(&str, &str); 10] = [
    ("array_remove", "array_remove_all"),
    ("array_replace", "array_replace_all"),
    ("clock_timestamp", "now"),
    ("current_role", "session_user"),
    ("every", "bool_and"),
    ("gen_random_uuid", "uuid"),
    ("statement_timestamp", "now"),
    ("transaction_timestamp", "now"),
    ("variance", "var_samp"),
    ("ceiling", "ceil"),
];

/// Functions that return rows and can stand in FROM.
const OF_ROWS: [&str; 2] = ["generate_series", "unnest"];

/// Rewrites a statement.
///
/// # Errors
/// For syntax that is not supported and that DataFusion ignores.
pub(in crate::server::postgres) fn rewrite(statement: &mut Statement) -> Result<()> {
    let mut rewrite = Rewrite { error: None, names: Vec::new() };
    let _ = visit_mut(statement, &mut rewrite);
    rewrite.error.map_or(Ok(()), Err)
}

struct Rewrite {
    error: Option<Error>,
    /// The names of the columns of the selects around this place, before they are rewritten.
    names: Vec<Vec<Option<String>>>,
}

impl Rewrite {
    fn refuse(&mut self, what: &str, help: &str) {
        let error = Error::input(format!("{what} is not supported")).with("help", help.to_owned());
        self.error.get_or_insert(error);
    }
}

impl VisitorMut for Rewrite {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if !query.locks.is_empty() {
            self.refuse("FOR UPDATE", "leave it out: the server only reads");
        }
        if let SetExpr::SetOperation { op, set_quantifier, .. } = &*query.body
            && *op != SetOperator::Union
            && *set_quantifier == SetQuantifier::All
        {
            self.refuse(&format!("{op} ALL"), "use GROUP BY and count(*)");
        }
        if let Some(with) = query.with.as_mut().filter(|with| with.recursive) {
            with.cte_tables.iter_mut().for_each(|table| type_constants(&mut table.query.body));
        }
        if let Some(Fetch { with_ties, percent, quantity }) = query.fetch.take() {
            if with_ties || percent {
                self.refuse(
                    "FETCH with WITH TIES or PERCENT",
                    "use a window function, such as rank()",
                );
            }
            let limit = Some(quantity.unwrap_or_else(|| number("1")));
            let offset = match query.limit_clause.take() {
                Some(LimitClause::LimitOffset { offset, .. }) => offset,
                _ => None,
            };
            let limit_by = Vec::new();
            query.limit_clause = Some(LimitClause::LimitOffset { limit, offset, limit_by });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let names = select.projection.iter().map(|item| match item {
            SelectItem::UnnamedExpr(expr) => Some(column_name(expr)),
            _ => None,
        });
        self.names.push(names.collect());
        for from in &mut select.from {
            let joined = from.joins.iter_mut().map(|join| &mut join.relation);
            for relation in std::iter::once(&mut from.relation).chain(joined) {
                self.relation(relation);
            }
        }
        for item in &mut select.projection {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item
            else {
                continue;
            };
            if is_call_of(expr, "generate_series") {
                let is_integer = matches!(&*expr, Expr::Function(function)
                    if matches!(&function.args, FunctionArguments::List(list) if are_integers(&list.args)));
                let mut series = std::mem::replace(expr, null());
                if is_integer {
                    let integers =
                        ArrayElemTypeDef::SquareBracket(Box::new(DataType::Int(None)), None);
                    series = cast(series, DataType::Array(integers));
                }
                *expr = call("unnest", [series]);
            }
            let mut subqueries = Subqueries { depth: 0 };
            let _ = visit_mut(expr, &mut subqueries);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        // What was rewritten keeps its name. Of columns with the same name only one does: what they
        // are rewritten to may be the same.
        let names = self.names.pop().unwrap_or_default();
        let mut known: HashMap<String, usize> = HashMap::new();
        for (item, name) in select.projection.iter_mut().zip(names) {
            let (SelectItem::UnnamedExpr(expr), Some(mut name)) = (&mut *item, name) else {
                continue;
            };
            let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            let count = known.entry(name.clone()).or_default();
            *count += 1;
            let is_repeated = *count > 1 && !is_column;
            if is_repeated {
                name = format!("{name}:{count}");
            }
            if is_repeated || column_name(expr) != name && name != "?column?" {
                let expr = std::mem::replace(expr, null());
                *item = SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.expression(expr);
        ControlFlow::Continue(())
    }
}

impl Rewrite {
    fn relation(&mut self, relation: &mut TableFactor) {
        match relation {
            TableFactor::Table { sample: Some(_), .. }
            | TableFactor::Derived { sample: Some(_), .. } => {
                self.refuse("TABLESAMPLE", "use `WHERE random() < 0.1`");
            }
            TableFactor::Table { with_ordinality: true, .. } => {
                self.refuse("WITH ORDINALITY", "use row_number()");
            }
            TableFactor::Table { name, args: Some(arguments), alias, .. }
                if name.to_string().eq_ignore_ascii_case("generate_series")
                    && are_integers(&arguments.args) =>
            {
                name_column(alias, "generate_series".to_owned());
                let template = "SELECT CAST(value AS INT) AS value \
                                FROM generate_series(1, 1) AS series (value)";
                let alias = alias.take();
                let mut arguments = std::mem::take(&mut arguments.args);
                // In parentheses, so that this is not repeated.
                for argument in &mut arguments {
                    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = argument {
                        *expr = Expr::Nested(Box::new(std::mem::replace(expr, null())));
                    }
                }
                if let Some(mut subquery) = parsed(template) {
                    if let SetExpr::Select(select) = &mut *subquery.body
                        && let Some(from) = select.from.first_mut()
                        && let TableFactor::Table { args: Some(series), .. } = &mut from.relation
                    {
                        series.args = arguments;
                    }
                    *relation =
                        TableFactor::Derived { lateral: false, subquery, alias, sample: None };
                }
            }
            // The alias of a function also names its column.
            TableFactor::Table { name, args: Some(arguments), alias, .. }
                if OF_ROWS.contains(&name.to_string().to_lowercase().as_str()) =>
            {
                type_series(&mut arguments.args);
                name_column(alias, name.to_string().to_lowercase());
            }
            TableFactor::UNNEST { alias, array_exprs, .. } if array_exprs.len() == 1 => {
                name_column(alias, "unnest".to_owned());
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.relation(&mut table_with_joins.relation);
                for join in &mut table_with_joins.joins {
                    self.relation(&mut join.relation);
                }
            }
            _ => {}
        }
    }

    fn expression(&mut self, expr: &mut Expr) {
        let taken = |expr: &mut Box<Expr>| std::mem::replace(&mut **expr, null());
        let replaced = match expr {
            Expr::Extract { field, expr, .. } => {
                call("extract", [text(&field.to_string()), taken(expr)])
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                call("timezone", [taken(time_zone), taken(timestamp)])
            }
            Expr::SimilarTo { negated, expr, pattern, escape_char } => {
                let escape = match escape_char.as_ref().map(|escape| &escape.value) {
                    None => Some('\\'),
                    Some(Value::SingleQuotedString(escape)) if escape.is_empty() => None,
                    Some(Value::SingleQuotedString(escape)) => escape.chars().next(),
                    Some(_) => Some('\\'),
                };
                let regex = literal(pattern).map(|pattern| similar_to(pattern, escape));
                let Some(Ok(regex)) = regex else {
                    return self
                        .refuse("SIMILAR TO with this pattern", "use a constant pattern, or `~`");
                };
                let op = match negated {
                    true => BinaryOperator::PGRegexNotMatch,
                    false => BinaryOperator::PGRegexMatch,
                };
                Expr::BinaryOp { left: Box::new(taken(expr)), op, right: Box::new(text(&regex)) }
            }
            Expr::UnaryOp { op, expr } => match op {
                UnaryOperator::Minus => {
                    let Expr::Interval(Interval { value, .. }) = &**expr else { return };
                    let span = literal(value).and_then(input::interval);
                    match span.and_then(input::Span::negated) {
                        Some(span) => interval(span),
                        None => return,
                    }
                }
                UnaryOperator::PGSquareRoot => call("sqrt", [taken(expr)]),
                UnaryOperator::PGCubeRoot => call("cbrt", [taken(expr)]),
                UnaryOperator::PGAbs => call("abs", [taken(expr)]),
                UnaryOperator::BitwiseNot => Expr::Nested(Box::new(Expr::BinaryOp {
                    left: Box::new(taken(expr)),
                    op: BinaryOperator::PGBitwiseXor,
                    right: Box::new(number("-1")),
                })),
                _ => return,
            },
            Expr::Cast { expr: inner, data_type, .. } => match data_type {
                DataType::JSON => call("json", [taken(inner)]),
                DataType::JSONB => return self.refuse("the type jsonb", "use json"),
                DataType::Uuid => call("uuid_in", [taken(inner)]),
                DataType::Float(ExactNumberInfo::None) => {
                    cast(taken(inner), DataType::DoublePrecision)
                }
                DataType::Numeric(ExactNumberInfo::None)
                | DataType::Decimal(ExactNumberInfo::None)
                | DataType::Dec(ExactNumberInfo::None) => call("numeric", [taken(inner)]),
                DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. }))
                | DataType::CharacterVarying(Some(CharacterLength::IntegerLength {
                    length, ..
                }))
                | DataType::CharVarying(Some(CharacterLength::IntegerLength { length, .. })) => {
                    let length = number(&length.to_string());
                    let plain = cast(taken(inner), DataType::Text);
                    call("varchar", [call("left", [plain, length])])
                }
                DataType::Varchar(None)
                | DataType::CharacterVarying(None)
                | DataType::CharVarying(None) => {
                    call("varchar", [cast(taken(inner), DataType::Text)])
                }
                DataType::Char(_) | DataType::Character(_) => {
                    return self.refuse("the type char(n)", "use varchar(n) or rpad");
                }
                DataType::Interval { .. } => match literal(inner).map(input::interval) {
                    Some(Some(span)) => interval(span),
                    _ => return,
                },
                _ => return,
            },
            Expr::Interval(Interval { value, leading_field, last_field: None, .. }) => {
                let Some(written) = literal(value) else { return };
                let unit = leading_field.as_ref().map(ToString::to_string).unwrap_or_default();
                match input::interval(&format!("{written} {unit}")) {
                    Some(span) => interval(span),
                    None => {
                        let message =
                            format!("invalid input syntax for type interval: \"{written}\"");
                        self.error.get_or_insert(Error::input(message));
                        return;
                    }
                }
            }
            Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. })
                if digits.contains(['e', 'E']) =>
            {
                scientific(digits)
            }
            Expr::Substring { expr, substring_from: Some(from), substring_for: None, .. }
                if literal(from).is_some() =>
            {
                let found = call("regexp_match", [taken(expr), taken(from)]);
                call("array_element", [found, number("1")])
            }
            Expr::Value(ValueWithSpan {
                value: Value::HexStringLiteral(_) | Value::SingleQuotedByteStringLiteral(_),
                ..
            }) => {
                return self.refuse("a bit string", "write bytes as '\\x1f'::bytea");
            }
            Expr::Collate { expr, collation } => {
                let name = collation.to_string();
                if !["\"C\"", "\"POSIX\"", "\"default\""].contains(&name.as_str()) {
                    return self.refuse(&format!("the collation {name}"), "use COLLATE \"C\"");
                }
                *std::mem::replace(expr, Box::new(null()))
            }
            Expr::Identifier(name) if name.quote_style.is_none() => {
                match name.value.to_lowercase().as_str() {
                    "localtimestamp" => local_timestamp(),
                    "current_role" | "current_user" | "session_user" => call("session_user", []),
                    "current_catalog" => call("current_database", []),
                    "current_schema" => call("current_schema", []),
                    _ => return,
                }
            }
            Expr::Function(function) => {
                return self.function(function).into_iter().for_each(|replaced| *expr = replaced);
            }
            _ => return,
        };
        *expr = replaced;
    }

    /// Renames a function, and returns what replaces its call.
    fn function(&mut self, function: &mut Function) -> Option<Expr> {
        let [part] = function.name.0.as_slice() else { return None };
        let name = part.as_ident()?.value.to_lowercase();
        match name.as_str() {
            "localtimestamp" => return Some(local_timestamp()),
            "json_agg" => {
                function.name = ObjectName::from(vec![Ident::new("array_agg")]);
                return Some(call("json_of_list", [Expr::Function(function.clone())]));
            }
            "percentile_cont" => return self.percentile(function),
            _ => {}
        }
        if let Some((_, other)) = RENAMED.iter().find(|(known, _)| *known == name) {
            function.name = ObjectName::from(vec![Ident::new(*other)]);
        }
        let FunctionArguments::List(list) = &mut function.args else { return None };
        let mut arguments = list.args.iter_mut().filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        });
        match name.as_str() {
            "date_trunc" => {}
            "mod" => {
                let (left, right) = (arguments.next()?, arguments.next()?);
                let take = |expr: &mut Expr| {
                    Box::new(Expr::Nested(Box::new(std::mem::replace(expr, null()))))
                };
                let (left, right) = (take(left), take(right));
                let quotient = Expr::BinaryOp { left, op: BinaryOperator::Modulo, right };
                return Some(Expr::Nested(Box::new(quotient)));
            }
            "pg_typeof" => {
                return match arguments.next()? {
                    Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }) => {
                        Some(text("unknown"))
                    }
                    Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. })
                        if digits.parse::<i32>().is_ok() =>
                    {
                        Some(text("integer"))
                    }
                    _ => None,
                };
            }
            _ => return None,
        }
        let (unit, time) = (arguments.next()?, arguments.next()?);
        // `Days` is `day`.
        if let Some(written) = literal(unit) {
            let lower = written.to_lowercase();
            let singular = lower.strip_suffix('s').unwrap_or(&lower).to_owned();
            *unit = text(&singular);
        }
        let zone = arguments.next()?.clone();
        // In another zone: the local time is truncated, and becomes an instant again.
        let (unit, time) = (unit.clone(), std::mem::replace(time, null()));
        let local = call("timezone", [zone.clone(), time]);
        Some(call("timezone", [zone, call("date_trunc", [unit, local])]))
    }
}

impl Rewrite {
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
        let fraction = std::mem::replace(fraction, null());
        let value = cast(std::mem::replace(&mut order.expr, null()), DataType::DoublePrecision);
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(value))];
        function.within_group.clear();
        function.name = ObjectName::from(vec![Ident::new("array_agg")]);
        Some(call("percentile_of", [Expr::Function(function.clone()), fraction]))
    }
}

/// Gives the first rows of a recursive query, and so all of them, the types that PostgreSQL gives to
/// whole constants.
fn type_constants(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, .. } => type_constants(left),
        SetExpr::Select(select) => {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item
                    && is_integer(expr)
                {
                    *expr = cast(std::mem::replace(expr, null()), DataType::Integer(None));
                }
            }
        }
        _ => {}
    }
}

fn is_integer(expr: &Expr) -> bool {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) => {
            digits.parse::<i32>().is_ok()
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => is_integer(expr),
        _ => false,
    }
}

/// Whether these are constants of the type `integer`.
fn are_integers(arguments: &[FunctionArg]) -> bool {
    arguments.iter().all(|argument| {
        matches!(argument, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if is_integer(expr))
    })
}

/// `IN (SELECT ...)` and EXISTS as values.
struct Subqueries {
    depth: usize,
}

impl VisitorMut for Subqueries {
    type Break = ();

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        let (negated, value) = match expr {
            Expr::InSubquery { expr, subquery, negated } => {
                let value = std::mem::replace(&mut **expr, null());
                let list =
                    aggregate("SELECT array_agg(value) FROM (SELECT 1) AS items (value)", subquery);
                (*negated, list.map(|list| call("any_of", [value, list])))
            }
            Expr::Exists { subquery, negated } => {
                (*negated, aggregate("SELECT count(*) > 0 FROM (SELECT 1) AS items", subquery))
            }
            _ => return ControlFlow::Continue(()),
        };
        if let Some(value) = value {
            *expr = match negated {
                true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(value) },
                false => value,
            };
        }
        ControlFlow::Continue(())
    }
}

/// A scalar subquery that aggregates the rows of another one, which replaces `(SELECT 1)`.
fn aggregate(template: &str, rows: &Query) -> Option<Expr> {
    let mut query = parsed(template)?;
    let SetExpr::Select(select) = &mut *query.body else { return None };
    let TableFactor::Derived { subquery, .. } = &mut select.from.first_mut()?.relation else {
        return None;
    };
    **subquery = rows.clone();
    Some(Expr::Subquery(query))
}

fn parsed(template: &str) -> Option<Box<Query>> {
    Parser::new(&PostgreSqlDialect {}).try_with_sql(template).ok()?.parse_query().ok()
}

/// A number with an exponent: exact if it has few digits, else a float.
fn scientific(digits: &str) -> Expr {
    let exponent =
        digits.split(['e', 'E']).nth(1).and_then(|exponent| exponent.parse::<i32>().ok());
    match exponent {
        Some(exponent) if (-20..=20).contains(&exponent) => call("numeric", [text(digits)]),
        _ => cast(text(digits), DataType::DoublePrecision),
    }
}

/// Reads constant texts among the arguments of `generate_series` as times and an interval.
fn type_series(arguments: &mut [FunctionArg]) {
    let [from, to, step] = arguments else { return };
    let exprs = [from, to, step].map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    let [Some(from), Some(to), Some(step)] = exprs else { return };
    if let Some(span) = literal(step).and_then(input::interval) {
        *step = interval(span);
    }
    if matches!(step, Expr::Interval(_)) {
        use datafusion::sql::sqlparser::ast::TimezoneInfo;
        for bound in [from, to] {
            let timestamp = DataType::Timestamp(None, TimezoneInfo::None);
            *bound = cast(std::mem::replace(bound, null()), timestamp);
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
        let column = TableAliasColumnDef { name: alias.name.clone(), data_type: None };
        alias.columns.push(column);
    }
}

fn is_call_of(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case(name))
}

/// What the clocks of the connection's zone show.
fn local_timestamp() -> Expr {
    use datafusion::sql::sqlparser::ast::TimezoneInfo;
    cast(call("now", []), DataType::Timestamp(None, TimezoneInfo::WithoutTimeZone))
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    use datafusion::sql::sqlparser::ast::CastKind;
    let kind = CastKind::Cast;
    Expr::Cast { kind, expr: Box::new(expr), data_type, array: false, format: None }
}

/// An interval in a form that DataFusion reads.
fn interval(span: input::Span) -> Expr {
    let input::Span { months, days, micros } = span;
    let text = text(&format!("{months} months {days} days {micros} microseconds"));
    Expr::Interval(Interval {
        value: Box::new(text),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    })
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        Expr::Value(ValueWithSpan { value: Value::EscapedStringLiteral(text), .. }) => Some(text),
        _ => None,
    }
}

fn text(text: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(text.to_owned()))
}

fn number(digits: &str) -> Expr {
    Expr::value(Value::Number(digits.to_owned(), false))
}

fn null() -> Expr {
    Expr::value(Value::Null)
}
