//! Rewrites PostgreSQL syntax that DataFusion does not support.

use datafusion::sql::sqlparser::ast::{
    Array, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    SelectItem, SetExpr, Statement, Value, ValueWithSpan,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use pgwire::api::Type;
use pgwire::types::FromSqlText;
use pgwire::types::format::FormatOptions;

use crate::ast::{call, for_each_expr_mut};

use super::empty_relations::is_empty_from;
use super::relations::UNSET_COLUMNS;

/// Rewrites `LIKE ... ESCAPE` with a character other than the backslash, and casts of texts to
/// arrays.
pub(super) fn rewrite_like_and_arrays(statement: &mut Statement) {
    for_each_expr_mut(statement, |expression| {
        if let Expr::Cast { expr, data_type: DataType::Array(_), .. } = expression
            && let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) =
                expr.as_ref()
            && let Some(array_elements) = array_elements(text)
        {
            **expr = Expr::Array(Array { elem: array_elements, named: true });
        }
        if let Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } =
            expression
            && let Some(ValueWithSpan { value: Value::SingleQuotedString(escape), .. }) =
                escape_char.as_ref()
            && escape != "\\"
        {
            let escape = Value::SingleQuotedString(escape.clone());
            **pattern = call("like_escape", [(**pattern).clone(), Expr::value(escape)]);
            *escape_char = None;
        }
    });
}

/// Rewrites `array(SELECT ...)` to an aggregate, for catalog queries: the order is lost, and an
/// empty array becomes NULL.
pub(super) fn rewrite_array_subqueries(statement: &mut Statement) {
    for_each_expr_mut(statement, |expression| {
        let Expr::Function(function) = expression else { return };
        let FunctionArguments::Subquery(query) = &function.args else { return };
        if !function.name.to_string().eq_ignore_ascii_case("array") {
            return;
        }
        let mut query = query.clone();
        if query.limit_clause.is_some() || query.fetch.is_some() {
            return;
        }
        let SetExpr::Select(select) = &mut *query.body else { return };
        let is_plain = select.distinct.is_none()
            && select.having.is_none()
            && matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
        if !is_plain {
            return;
        }
        let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
            select.projection.as_mut_slice()
        else {
            return;
        };
        if select.from.iter().any(is_empty_from) {
            *expression = call("make_array", []);
            return;
        }
        let from = select.from.iter().map(ToString::to_string).collect::<String>().to_lowercase();
        if from.contains("unnest(") {
            if UNSET_COLUMNS.iter().any(|(_, column, _)| from.contains(&format!(".{column})"))) {
                *expression = call("make_array", []);
            }
            return;
        }
        *item = call("array_agg", [item.clone()]);
        query.order_by = None;
        *expression = Expr::Subquery(query);
    });
}

/// The elements of an array literal such as `{a,"b c",NULL}`; `None` for an empty one.
fn array_elements(text: &str) -> Option<Vec<Expr>> {
    let format = FormatOptions::default();
    let texts =
        Vec::<Option<String>>::from_sql_text(&Type::TEXT_ARRAY, text.as_bytes(), &format).ok()?;
    let element =
        |text: Option<String>| Expr::value(text.map_or(Value::Null, Value::SingleQuotedString));
    (!texts.is_empty()).then(|| texts.into_iter().map(element).collect())
}

/// Replaces `'pg_catalog.array_in'::regproc` by the name: the catalog's columns hold names, and the
/// functions themselves do not exist.
pub(super) fn rewrite_regproc(statement: &mut Statement) {
    for_each_expr_mut(statement, |expression| {
        if let Expr::Cast { expr, data_type, .. } = expression
            && data_type.to_string().to_lowercase().trim_start_matches("pg_catalog.") == "regproc"
            && let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(name), .. }) =
                expr.as_ref()
        {
            let name = name.trim_start_matches("pg_catalog.").to_owned();
            *expression = Expr::value(Value::SingleQuotedString(name));
        }
    });
}

/// Rewrites `pg_table_is_visible` to a subquery for relations that are found without a schema.
///
/// # Errors
/// When the constant subquery cannot be parsed.
pub(super) fn rewrite_table_visibility(statement: &mut Statement) -> Result<(), ParserError> {
    const VISIBLE: &str = "SELECT r.oid FROM pg_catalog.pg_class AS r JOIN pg_catalog.pg_namespace \
        AS s ON s.oid = r.relnamespace WHERE s.nspname IN ('public', 'pg_catalog')";
    let subquery = Parser::new(&PostgreSqlDialect {}).try_with_sql(VISIBLE)?.parse_query()?;
    for_each_expr_mut(statement, |expression| {
        if let Expr::Function(function) = expression
            && function.name.to_string().eq_ignore_ascii_case("pg_table_is_visible")
            && let FunctionArguments::List(arguments) = &function.args
            && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(oid))] = arguments.args.as_slice()
        {
            *expression = Expr::InSubquery {
                expr: Box::new(oid.clone()),
                subquery: subquery.clone(),
                negated: false,
            };
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::{
        rewrite_array_subqueries, rewrite_like_and_arrays, rewrite_regproc,
        rewrite_table_visibility,
    };

    fn after(sql: &str, change: fn(&mut Statement)) -> String {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        change(&mut statement);
        statement.to_string()
    }

    #[test]
    fn only_unsupported_syntax_is_rewritten() {
        for (sql, expected) in [
            (
                "SELECT a NOT LIKE $1 || '%' ESCAPE '/'",
                "SELECT a NOT LIKE like_escape($1 || '%', '/')",
            ),
            ("SELECT a ILIKE 'x' ESCAPE ''", "SELECT a ILIKE like_escape('x', '')"),
            ("SELECT a LIKE 'x' ESCAPE '\\'", "SELECT a LIKE 'x' ESCAPE '\\'"),
            ("SELECT a LIKE 'x'", "SELECT a LIKE 'x'"),
            ("SELECT '{1,NULL}'::INT[]", "SELECT ARRAY['1', NULL]::INT[]"),
            ("SELECT '{}'::INT[]", "SELECT '{}'::INT[]"),
        ] {
            assert_eq!(after(sql, rewrite_like_and_arrays), expected);
        }
        for (sql, expected) in [
            (
                "SELECT array(SELECT b.n FROM b WHERE b.o = a.o ORDER BY 1) FROM a",
                "SELECT (SELECT array_agg(b.n) FROM b WHERE b.o = a.o) FROM a",
            ),
            (
                "SELECT a.reloptions || array(SELECT x FROM unnest(a.reloptions) x)",
                "SELECT a.reloptions || make_array()",
            ),
            (
                "SELECT array(SELECT f(polname) FROM pg_catalog.pg_policy WHERE a = ANY(b))",
                "SELECT make_array()",
            ),
            ("SELECT array(SELECT x FROM unnest(a) x)", "SELECT array(SELECT x FROM UNNEST(a) x)"),
            ("SELECT array(SELECT n FROM b LIMIT 1)", "SELECT array(SELECT n FROM b LIMIT 1)"),
            ("SELECT array(SELECT DISTINCT n FROM b)", "SELECT array(SELECT DISTINCT n FROM b)"),
            ("SELECT array(SELECT 1 UNION SELECT 2)", "SELECT array(SELECT 1 UNION SELECT 2)"),
            ("SELECT array[1]", "SELECT ARRAY[1]"),
        ] {
            assert_eq!(after(sql, rewrite_array_subqueries), expected);
        }
        for (sql, expected) in [
            ("SELECT 'pg_catalog.array_in'::regproc = a", "SELECT 'array_in' = a"),
            ("SELECT a::regproc, 'a'::regclass", "SELECT a::regproc, 'a'::REGCLASS"),
        ] {
            assert_eq!(after(sql, rewrite_regproc), expected);
        }
        let sql = "SELECT 1 FROM t WHERE pg_table_is_visible(t.oid) AND pg_type_is_visible(1)";
        let found = after(sql, |statement| rewrite_table_visibility(statement).unwrap());
        assert!(found.starts_with("SELECT 1 FROM t WHERE t.oid IN (SELECT r.oid FROM"), "{found}");
        assert!(found.ends_with(") AND pg_type_is_visible(1)"), "{found}");
    }
}
