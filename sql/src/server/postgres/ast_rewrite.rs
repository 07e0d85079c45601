//! Rewrites PostgreSQL syntax that DataFusion does not support.

use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Array, BinaryOperator, CastKind, DataType, Expr, FunctionArg, FunctionArgExpr,
    FunctionArguments, GroupByExpr, Ident, ObjectName, OrderBy, OrderByKind, Query, SelectItem,
    SetExpr, Statement, TableAliasColumnDef, TableFactor, Value, ValueWithSpan, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

use crate::ast::{call, for_each_expr, for_each_expr_mut, visit_mut};

use super::catalog::names::{MISSING_TABLES, SCHEMA, UNSET_COLUMNS};
use super::empty_relations::is_empty_from;
use super::text;

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

/// Rewrites casts to `char` to texts, for catalog queries: drivers compare such constants with
/// columns of the type `"char"`, which are texts here.
pub(super) fn rewrite_char_casts(statement: &mut Statement) {
    for_each_expr_mut(statement, |expression| {
        if let Expr::Cast {
            data_type: data_type @ (DataType::Char(_) | DataType::Character(_)),
            ..
        } = expression
        {
            *data_type = DataType::Text;
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
fn array_elements(literal: &str) -> Option<Vec<Expr>> {
    let element =
        |text: Option<String>| Expr::value(text.map_or(Value::Null, Value::SingleQuotedString));
    let texts = text::elements(literal)?;
    (!texts.is_empty()).then(|| texts.into_iter().map(element).collect())
}

/// Replaces the recursive query by which asyncpg looks up types. DataFusion cannot plan it, and this
/// server has only base types and their arrays.
///
/// # Errors
/// When the query cannot be parsed.
pub(super) fn rewrite_type_lookup(statement: &mut Statement) -> Result<(), ParserError> {
    const TYPES: &str = "SELECT t.oid, n.nspname AS ns, t.typname AS name, t.typtype AS kind, \
        CAST(NULL AS INT) AS basetype, t.typelem AS elemtype, e.typdelim AS elemdelim, \
        CAST(NULL AS INT) AS range_subtype, CAST(NULL AS TEXT[]) AS attrtypoids, \
        CAST(NULL AS TEXT[]) AS attrnames, CASE WHEN e.oid IS NULL THEN 1 ELSE 0 END AS depth, \
        CAST(NULL AS TEXT) AS basetype_name, format_type(e.oid, CAST(NULL AS INT)) AS \
        elemtype_name, CAST(NULL AS TEXT) AS range_subtype_name FROM pg_catalog.pg_type AS t \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace LEFT JOIN pg_catalog.pg_type AS \
        e ON e.oid = t.typelem AND t.typlen = -1 WHERE array_has($1, t.oid) OR t.oid IN (SELECT \
        a.typelem FROM pg_catalog.pg_type AS a WHERE array_has($1, a.oid)) ORDER BY depth DESC";
    if let Statement::Query(query) = statement
        && let Some(with) = &query.with
        && with.cte_tables.iter().any(|table| table.alias.name.value == "typeinfo_tree")
    {
        **query = *Parser::new(&PostgreSqlDialect {}).try_with_sql(TYPES)?.parse_query()?;
    }
    Ok(())
}

/// Columns of the catalog that hold functions.
const FUNCTION_COLUMNS: [&str; 4] = ["typinput", "typoutput", "typreceive", "typsend"];

/// Replaces `'pg_catalog.array_in'::regproc` by the name, and `typreceive <> 0` by `typreceive <>
/// '-'`: the catalog's columns hold names, and the functions themselves do not exist.
pub(super) fn rewrite_regproc(statement: &mut Statement) {
    for_each_expr_mut(statement, |expression| match expression {
        Expr::Cast { expr, data_type, .. } => {
            if data_type.to_string().to_lowercase().trim_start_matches("pg_catalog.") == "regproc"
                && let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(name), .. }) =
                    expr.as_ref()
            {
                let name = name.trim_start_matches("pg_catalog.").to_owned();
                *expression = Expr::value(Value::SingleQuotedString(name));
            }
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } => {
            let name = match left.as_ref() {
                Expr::Identifier(name) => Some(name),
                Expr::CompoundIdentifier(names) => names.last(),
                _ => None,
            };
            let is_zero = matches!(&**right, Expr::Value(value) if value.to_string() == "0");
            if is_zero && name.is_some_and(|name| FUNCTION_COLUMNS.contains(&name.value.as_str())) {
                **right = Expr::value(Value::SingleQuotedString("-".to_owned()));
            }
        }
        _ => {}
    });
}

/// Rewrites functions of the catalog to queries of its tables: `pg_table_is_visible`, which is true
/// for relations that are found without a schema, `pg_get_viewdef`, and `col_description`.
///
/// # Errors
/// When a query cannot be parsed.
pub(super) fn rewrite_catalog_functions(statement: &mut Statement) -> Result<(), ParserError> {
    const VISIBLE: &str = "SELECT r.oid FROM pg_catalog.pg_class AS r JOIN pg_catalog.pg_namespace \
        AS s ON s.oid = r.relnamespace WHERE s.nspname IN ('public', 'pg_catalog')";
    const DEFINITION: &str = "SELECT view_.definition FROM pg_catalog.pg_views AS view_ \
        JOIN pg_catalog.pg_namespace AS schema_ ON schema_.nspname = view_.schemaname \
        JOIN pg_catalog.pg_class AS class_ ON class_.relnamespace = schema_.oid \
        AND class_.relname = view_.viewname WHERE class_.oid = ";
    let parse = |sql: &str| Parser::new(&PostgreSqlDialect {}).try_with_sql(sql)?.parse_query();
    let mut failed = None;
    for_each_expr_mut(statement, |expression| {
        let Expr::Function(function) = expression else { return };
        let FunctionArguments::List(arguments) = &function.args else { return };
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(oid))) = arguments.args.first() else {
            return;
        };
        let name = function.name.to_string().to_lowercase();
        let rewritten = match name.trim_start_matches("pg_catalog.") {
            "pg_table_is_visible" => parse(VISIBLE).map(|subquery| Expr::InSubquery {
                expr: Box::new(oid.clone()),
                subquery,
                negated: false,
            }),
            "pg_get_viewdef" => parse(&format!("{DEFINITION}{oid}")).map(Expr::Subquery),
            // There are no comments on columns, whatever the arguments are.
            "col_description" => Ok(null_text()),
            _ => return,
        };
        match rewritten {
            Ok(rewritten) => *expression = rewritten,
            Err(cause) => failed = Some(cause),
        }
    });
    failed.map_or(Ok(()), Err)
}

fn null_text() -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::value(Value::Null)),
        data_type: DataType::Text,
        array: false,
        format: None,
    }
}

/// Functions that return one value and that tools call in FROM.
const VALUES_IN_FROM: [&str; 2] = ["current_schemas", "string_to_array"];

/// Rewrites relations: `FROM string_to_array(a, b) AS s` to `FROM (SELECT string_to_array(a, b) AS s)
/// AS s`, `generate_series(a, b) AS i` to `generate_series(a, b) AS i (i)` and the same with `unnest`, and
/// names of tables that datafusion-pg-catalog lacks to names with their schema.
///
/// # Errors
/// When a query cannot be parsed.
pub(super) fn rewrite_relations(statement: &mut Statement) -> Result<(), ParserError> {
    let mut rewrite = Relations(None);
    let _ = visit_mut(statement, &mut rewrite);
    rewrite.0.map_or(Ok(()), Err)
}

/// Rewrites `SELECT a AS b FROM t ORDER BY (expression with a subquery), 1` to `SELECT b FROM (SELECT a AS
/// b, (expression) AS order_0 FROM t) ORDER BY order_0, 1`, because DataFusion does not support
/// subqueries in ORDER BY. Other keys must be numbers of columns.
fn rewrite_ordered_subqueries(query: &mut Query) {
    let Some(OrderBy { kind: OrderByKind::Expressions(keys), .. }) = &mut query.order_by else {
        return;
    };
    let is_number =
        |key: &Expr| matches!(key, Expr::Value(value) if matches!(value.value, Value::Number(..)));
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let names: Option<Vec<Ident>> = select
        .projection
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
            _ => None,
        })
        .collect();
    let has_subquery = keys.iter().any(|key| {
        let mut found = false;
        for_each_expr(&key.expr, |expression| {
            found |= matches!(expression, Expr::InSubquery { .. })
        });
        found
    });
    let Some(names) = names.filter(|_| has_subquery && select.distinct.is_none()) else { return };
    for (at, key) in keys.iter_mut().enumerate().filter(|(_, key)| !is_number(&key.expr)) {
        let alias = Ident::new(format!("order_{at}"));
        let expr = mem::replace(&mut key.expr, Expr::Identifier(alias.clone()));
        select.projection.push(SelectItem::ExprWithAlias { expr, alias });
    }
    let columns: Vec<String> = names.iter().map(ToString::to_string).collect();
    let outer = format!("SELECT {} FROM ({select}) AS ordered", columns.join(", "));
    let parsed = Parser::new(&PostgreSqlDialect {}).try_with_sql(&outer);
    if let Ok(outer) = parsed.and_then(|mut parser| parser.parse_query()) {
        query.body = outer.body;
    }
}

struct Relations(Option<ParserError>);

impl VisitorMut for Relations {
    type Break = ();

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        rewrite_ordered_subqueries(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        match table {
            TableFactor::Table { name, args: Some(call), alias: Some(alias), .. }
                if VALUES_IN_FROM.contains(&name.to_string().to_lowercase().as_str()) =>
            {
                let arguments: Vec<String> = call.args.iter().map(ToString::to_string).collect();
                let sql = format!("SELECT {name}({}) AS {}", arguments.join(", "), alias.name);
                let parsed = Parser::new(&PostgreSqlDialect {}).try_with_sql(&sql);
                match parsed.and_then(|mut parser| parser.parse_query()) {
                    Ok(subquery) => {
                        let alias = Some(alias.clone());
                        let sample = None;
                        *table = TableFactor::Derived { lateral: false, subquery, alias, sample };
                    }
                    Err(cause) => self.0 = Some(cause),
                }
            }
            // The alias of a function also names its column.
            TableFactor::Table { name, args: Some(_), alias: Some(alias), .. }
                if name.to_string().eq_ignore_ascii_case("generate_series")
                    && alias.columns.is_empty() =>
            {
                alias.columns.push(TableAliasColumnDef::from_name(alias.name.value.clone()));
            }
            TableFactor::UNNEST { alias: Some(alias), array_exprs, .. }
                if alias.columns.is_empty() && array_exprs.len() == 1 =>
            {
                alias.columns.push(TableAliasColumnDef::from_name(alias.name.value.clone()));
            }
            TableFactor::Table { name, args: None, .. } => {
                let plain = name.to_string().to_lowercase();
                if MISSING_TABLES.iter().any(|(missing, _)| *missing == plain) {
                    *name = ObjectName::from(vec![Ident::new(SCHEMA), Ident::new(plain)]);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::{
        rewrite_array_subqueries, rewrite_catalog_functions, rewrite_like_and_arrays,
        rewrite_regproc, rewrite_relations,
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
            ("SELECT t.typreceive <> 0, typlen = 0", "SELECT t.typreceive <> '-', typlen = 0"),
        ] {
            assert_eq!(after(sql, rewrite_regproc), expected);
        }
        let sql = "SELECT 1 FROM t WHERE pg_table_is_visible(t.oid) AND pg_type_is_visible(1)";
        let found = after(sql, |statement| rewrite_catalog_functions(statement).unwrap());
        assert!(found.starts_with("SELECT 1 FROM t WHERE t.oid IN (SELECT r.oid FROM"), "{found}");
        assert!(found.ends_with(") AND pg_type_is_visible(1)"), "{found}");
        let sql = "SELECT col_description(f(a)::regclass, 1)";
        let found = after(sql, |statement| rewrite_catalog_functions(statement).unwrap());
        assert_eq!(found, "SELECT CAST(NULL AS TEXT)");
        let sql = "SELECT s[1] FROM string_to_array('a,b', ',') AS s, generate_series(1, 2) AS i, \
                   generate_series(1, 2) AS j (k), UNNEST(a) AS u, pg_indexes AS p, pg_class";
        let found = after(sql, |statement| rewrite_relations(statement).unwrap());
        let derived = "(SELECT string_to_array('a,b', ',') AS s) AS s";
        let expected = sql.replace("string_to_array('a,b', ',') AS s", derived);
        let expected = expected.replace("AS i,", "AS i (i),").replace("AS u,", "AS u (u),");
        assert_eq!(found, expected.replace("pg_indexes", "pg_catalog.pg_indexes"));
        let sql = "SELECT a AS b FROM t ORDER BY CASE WHEN a IN (SELECT 1) THEN 0 ELSE 1 END, 1";
        let found = after(sql, |statement| rewrite_relations(statement).unwrap());
        let expected = "SELECT b FROM (SELECT a AS b, CASE WHEN a IN (SELECT 1) THEN 0 ELSE 1 END AS \
                        order_0 FROM t) AS ordered ORDER BY order_0, 1";
        assert_eq!(found, expected);
        let sql = "SELECT pg_catalog.pg_get_viewdef(c.oid, true) FROM c";
        let found = after(sql, |statement| rewrite_catalog_functions(statement).unwrap());
        assert!(found.starts_with("SELECT (SELECT view_.definition FROM"), "{found}");
        assert!(found.ends_with("WHERE class_.oid = c.oid) FROM c"), "{found}");
    }
}
