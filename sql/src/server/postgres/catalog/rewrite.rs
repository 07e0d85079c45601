//! Rewrites catalog queries of tools to what this server's catalog has.
//!
//! What DataFusion cannot plan in any query is rewritten in [`dialect`](crate::server::postgres::dialect).
//! Here too, the parts of a construct are rewritten first, and nothing visits a result.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArguments, GroupByExpr, Ident, ObjectName,
    SelectItem, SetExpr, Statement, TableFactor, TableWithJoins, VisitorMut,
};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion_postgres::datafusion_pg_catalog::sql::rules::{
    AliasDuplicatedProjectionRewrite, CurrentUserVariableToSessionUserFunctionCall,
    FixArrayLiteral, FixVersionColumnName, PrependUnqualifiedPgTableName,
    ResolveUnqualifiedIdentifier, RewriteArrayAnyAllOperation, RewritePgCatalogOperator,
    RewriteRegCastToSubquery, SqlStatementRewriteRule, StripCallableQualifier, StripCollate,
};

use super::base::SCHEMA;
use super::empty_relations::simplify_empty;
use super::schema::{INDEXES, UNSET_ARRAYS};
use crate::ast::{argument_mut, call, cast, null, take, text, text_of, visit_mut};
use crate::server::postgres::statements::grammar::query;

/// Columns of the catalog that hold functions.
const FUNCTION_COLUMNS: [&str; 4] = ["typinput", "typoutput", "typreceive", "typsend"];

/// A function that returns one value and that Grafana calls in FROM.
const VALUE_IN_FROM: &str = "string_to_array";

/// The rewrite rules of datafusion-postgres, except the one that replaces a scalar subquery by NULL or by
/// one of several rows.
pub(in crate::server::postgres) struct Rules(Vec<Arc<dyn SqlStatementRewriteRule>>);

impl Rules {
    pub(in crate::server::postgres) fn new() -> Self {
        Self(vec![
            Arc::new(AliasDuplicatedProjectionRewrite),
            Arc::new(ResolveUnqualifiedIdentifier),
            Arc::new(RewriteArrayAnyAllOperation),
            Arc::new(PrependUnqualifiedPgTableName),
            Arc::new(StripCallableQualifier),
            Arc::new(FixArrayLiteral),
            Arc::new(CurrentUserVariableToSessionUserFunctionCall),
            Arc::new(StripCollate),
            Arc::new(RewritePgCatalogOperator),
            Arc::new(RewriteRegCastToSubquery::new()),
            Arc::new(FixVersionColumnName),
        ])
    }

    pub(in crate::server::postgres) fn apply(&self, statement: Statement) -> Statement {
        self.0.iter().fold(statement, |statement, rule| rule.rewrite(statement))
    }
}

/// Rewrites a catalog query.
///
/// # Errors
/// When a query that it is rewritten to cannot be parsed.
pub(in crate::server::postgres) fn rewrite(
    statement: &mut Statement,
    rules: &Rules,
    is_aggregate: &dyn Fn(&str) -> bool,
) -> Result<(), ParserError> {
    rewrite_type_lookup(statement)?;
    let _ = visit_mut(statement, &mut Names);
    *statement = rules.apply(statement.clone());
    simplify_empty(statement, is_aggregate);
    let mut calls = Calls { failed: None };
    let _ = visit_mut(statement, &mut calls);
    calls.failed.map_or(Ok(()), Err)
}

/// Replaces the recursive query by which asyncpg looks up types. DataFusion cannot plan it, and this
/// server has only base types and their arrays.
fn rewrite_type_lookup(statement: &mut Statement) -> Result<(), ParserError> {
    const TYPES: &str = "SELECT t.oid, n.nspname AS ns, t.typname AS name, t.typtype AS kind, \
        CAST(NULL AS INT) AS basetype, t.typelem AS elemtype, e.typdelim AS elemdelim, \
        CAST(NULL AS INT) AS range_subtype, CAST(NULL AS TEXT[]) AS attrtypoids, \
        CAST(NULL AS TEXT[]) AS attrnames, CASE WHEN e.oid IS NULL THEN 1 ELSE 0 END AS depth, \
        CAST(NULL AS TEXT) AS basetype_name, format_type(e.oid, CAST(NULL AS INT)) AS \
        elemtype_name, CAST(NULL AS TEXT) AS range_subtype_name FROM pg_catalog.pg_type AS t \
        JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace LEFT JOIN pg_catalog.pg_type AS \
        e ON e.oid = t.typelem AND t.typlen = -1 WHERE array_has($1, t.oid) OR t.oid IN (SELECT \
        a.typelem FROM pg_catalog.pg_type AS a WHERE array_has($1, a.oid)) ORDER BY depth DESC";
    if let Statement::Query(lookup) = statement
        && let Some(with) = &lookup.with
        && with.cte_tables.iter().any(|table| table.alias.name.value == "typeinfo_tree")
    {
        *lookup = query(TYPES)?;
    }
    Ok(())
}

/// Names of functions, types and tables, before the rules of datafusion-postgres read them:
///
/// * `'pg_catalog.array_in'::regproc` becomes the name, and `typreceive <> 0` `typreceive <> '-'`. The
///   catalog's columns hold names, and the functions do not exist.
/// * Casts to `char` become casts to texts. Drivers compare them with columns of the type `"char"`,
///   which are texts here.
/// * The table that those rules do not know gets its schema.
struct Names;

impl VisitorMut for Names {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Cast { expr: name, data_type, .. } if is_regproc(data_type) => {
                if let Some(name) = text_of(name) {
                    *expr = text(name.trim_start_matches("pg_catalog."));
                }
            }
            Expr::Cast { data_type, .. }
                if matches!(data_type, DataType::Char(_) | DataType::Character(_)) =>
            {
                *data_type = DataType::Text;
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq | BinaryOperator::NotEq, right } => {
                let is_zero = matches!(&**right, Expr::Value(value) if value.to_string() == "0");
                if is_zero && FUNCTION_COLUMNS.contains(&column(left)) {
                    **right = text("-");
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: None, .. } = table
            && name.to_string().eq_ignore_ascii_case(INDEXES)
        {
            *name = ObjectName::from(vec![Ident::new(SCHEMA), Ident::new(INDEXES)]);
        }
        ControlFlow::Continue(())
    }
}

fn is_regproc(data_type: &DataType) -> bool {
    data_type.to_string().to_lowercase().trim_start_matches("pg_catalog.") == "regproc"
}

/// The name of a column; empty for other expressions.
fn column(expr: &Expr) -> &str {
    let name = match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    };
    name.map_or("", |name| &name.value)
}

/// Calls of functions that become queries of catalog tables.
struct Calls {
    failed: Option<ParserError>,
}

impl Calls {
    /// The result; an error is kept for later.
    fn parsed<T>(&mut self, result: Result<T, ParserError>) -> Option<T> {
        result.map_err(|error| self.failed = Some(error)).ok()
    }
}

impl VisitorMut for Calls {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            let replaced = self.parsed(catalog_function(function)).flatten();
            if let Some(replaced) = replaced.or_else(|| array_subquery(function)) {
                *expr = replaced;
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        // `FROM f(a) AS s` is `FROM (SELECT f(a) AS s) AS s`.
        if let TableFactor::Table { name, args: Some(call), alias: Some(alias), .. } = table
            && name.to_string().eq_ignore_ascii_case(VALUE_IN_FROM)
        {
            let arguments: Vec<String> = call.args.iter().map(ToString::to_string).collect();
            let sql = format!("SELECT {name}({}) AS {}", arguments.join(", "), alias.name);
            if let Some(subquery) = self.parsed(query(&sql)) {
                let alias = Some(alias.clone());
                *table = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
            }
        }
        ControlFlow::Continue(())
    }
}

/// What a call of a function becomes: `pg_table_is_visible`, which is true for relations that are found
/// without a schema, `pg_get_viewdef`, and `col_description`.
fn catalog_function(function: &mut Function) -> Result<Option<Expr>, ParserError> {
    const VISIBLE: &str = "SELECT r.oid FROM pg_catalog.pg_class AS r JOIN pg_catalog.pg_namespace \
        AS s ON s.oid = r.relnamespace WHERE s.nspname IN ('public', 'pg_catalog')";
    const DEFINITION: &str = "SELECT view_.definition FROM pg_catalog.pg_views AS view_ \
        JOIN pg_catalog.pg_namespace AS schema_ ON schema_.nspname = view_.schemaname \
        JOIN pg_catalog.pg_class AS class_ ON class_.relnamespace = schema_.oid \
        AND class_.relname = view_.viewname WHERE class_.oid = ";
    let name = function.name.to_string().to_lowercase();
    let FunctionArguments::List(arguments) = &mut function.args else { return Ok(None) };
    let Some(oid) = arguments.args.first_mut().and_then(argument_mut) else { return Ok(None) };
    Ok(Some(match name.as_str() {
        "pg_table_is_visible" => {
            let subquery = query(VISIBLE)?;
            Expr::InSubquery { expr: Box::new(take(oid)), subquery, negated: false }
        }
        "pg_get_viewdef" => Expr::Subquery(query(&format!("{DEFINITION}{oid}"))?),
        // There are no comments on columns.
        "col_description" => cast(null(), DataType::Text),
        _ => return Ok(None),
    }))
}

/// `array(SELECT ...)` as an aggregate: the order is lost, and an empty array becomes NULL. Of the
/// elements of a column that is never set it is empty.
fn array_subquery(function: &mut Function) -> Option<Expr> {
    let FunctionArguments::Subquery(query) = &mut function.args else { return None };
    let is_array = function.name.to_string().eq_ignore_ascii_case("array");
    if !is_array || query.limit_clause.is_some() || query.fetch.is_some() {
        return None;
    }
    let SetExpr::Select(select) = &mut *query.body else { return None };
    let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    if is_grouped || select.distinct.is_some() || select.having.is_some() {
        return None;
    }
    let [SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }] =
        select.projection.as_mut_slice()
    else {
        return None;
    };
    if let [TableWithJoins { relation, .. }] = select.from.as_mut_slice()
        && let Some(list) = unnested(relation)
    {
        let is_unset = UNSET_ARRAYS.iter().any(|(_, name, _)| *name == column(list));
        return is_unset.then(|| call("make_array", []));
    }
    *item = call("array_agg", [take(item)]);
    query.order_by = None;
    Some(Expr::Subquery(query.clone()))
}

/// The list whose elements a relation consists of.
fn unnested(relation: &mut TableFactor) -> Option<&Expr> {
    match relation {
        TableFactor::UNNEST { array_exprs, .. } => array_exprs.first(),
        TableFactor::Table { name, args: Some(call), .. }
            if name.to_string().eq_ignore_ascii_case("unnest") =>
        {
            call.args.first_mut().and_then(argument_mut).map(|list| &*list)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::{Rules, rewrite};

    /// The statement after rewriting it once, which a second time does not change.
    fn after(sql: &str) -> String {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        let rules = Rules::new();
        rewrite(&mut statement, &rules, &|name| name == "count").unwrap();
        let once = statement.to_string();
        rewrite(&mut statement, &rules, &|name| name == "count").unwrap();
        assert_eq!(statement.to_string(), once);
        once
    }

    #[test]
    fn catalog_queries_are_rewritten() {
        for (sql, expected) in [
            (
                "SELECT array(SELECT b.n FROM b WHERE b.o = a.o ORDER BY 1) FROM a",
                "SELECT (SELECT array_agg(b.n) FROM b WHERE b.o = a.o) FROM a",
            ),
            (
                "SELECT a.reloptions || array(SELECT x FROM pg_catalog.unnest(a.reloptions) x)",
                "SELECT a.reloptions || make_array()",
            ),
            ("SELECT array(SELECT x FROM unnest(a) x)", "SELECT array(SELECT x FROM UNNEST(a) x)"),
            ("SELECT array(SELECT n FROM b LIMIT 1)", "SELECT array(SELECT n FROM b LIMIT 1)"),
            ("SELECT array(SELECT DISTINCT n FROM b)", "SELECT array(SELECT DISTINCT n FROM b)"),
            ("SELECT array(SELECT 1 UNION SELECT 2)", "SELECT array(SELECT 1 UNION SELECT 2)"),
            ("SELECT array[1]", "SELECT ARRAY[1]"),
            ("SELECT 'pg_catalog.array_in'::regproc = a", "SELECT 'array_in' = a"),
            ("SELECT t.typreceive <> 0, typlen = 0", "SELECT t.typreceive <> '-', typlen = 0"),
            ("SELECT a = 'x'::char", "SELECT a = 'x'::TEXT"),
            (
                "SELECT s[1] FROM string_to_array('a,b', ',') AS s, pg_class",
                "SELECT s[1] FROM (SELECT string_to_array('a,b', ',') AS s) AS s, pg_catalog.pg_class",
            ),
            (
                "SELECT 1 FROM pg_indexes",
                "SELECT CAST(NULL AS TEXT) AS \"?column?\" FROM pg_catalog.pg_indexes WHERE false",
            ),
            ("SELECT col_description(f(a), 1)", "SELECT CAST(NULL AS TEXT)"),
        ] {
            assert_eq!(after(sql), expected);
        }
        let found = after("SELECT 1 FROM t WHERE pg_table_is_visible(t.oid) AND f(1)");
        assert!(found.starts_with("SELECT 1 FROM t WHERE t.oid IN (SELECT r.oid FROM"), "{found}");
        assert!(found.ends_with(") AND f(1)"), "{found}");
        let found = after("SELECT pg_catalog.pg_get_viewdef(c.oid, true) FROM c");
        assert!(found.starts_with("SELECT (SELECT view_.definition FROM"), "{found}");
        assert!(found.ends_with("WHERE class_.oid = c.oid) FROM c"), "{found}");
    }
}
