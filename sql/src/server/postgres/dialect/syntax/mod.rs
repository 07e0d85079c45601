//! Rewrites syntax before planning: what DataFusion cannot plan, ignores, or plans as something else.
//!
//! | file | what it rewrites |
//! |---|---|
//! | this one | queries: FETCH, names of columns, types of recursive queries |
//! | [`relations`] | what stands in FROM |
//! | [`expressions`] | operators, casts, constants and special syntax |
//! | [`calls`] | calls of functions |
//! | [`subqueries`] | `IN (SELECT ...)` and EXISTS as values, and in ORDER BY |
//!
//! Each rewrite is made after those of the parts of its construct, and its result is not visited: one
//! walk rewrites each part once, also where the result contains the construct that it replaces. No
//! rewrite uses a part twice, so results are as large as what is written.

mod calls;
mod expressions;
mod relations;
mod rewriter;
mod subqueries;

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Fetch, Ident, LimitClause, Query, Select, SelectItem, SetExpr, SetOperator,
    SetQuantifier, Statement, TableFactor, VisitorMut,
};
use engine::Result;

use super::names::column_name;
use crate::ast::{cast, number, take, visit_mut};
use rewriter::{Rewrite, is_integer};

/// Rewrites a statement.
///
/// # Errors
/// For syntax that is not supported and that DataFusion ignores.
pub(in crate::server::postgres) fn rewrite(statement: &mut Statement) -> Result<()> {
    let mut rewrite = Rewrite { error: None, names: Vec::new() };
    let _ = visit_mut(statement, &mut rewrite);
    rewrite.error.map_or(Ok(()), Err)
}

impl VisitorMut for Rewrite {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let names = select.projection.iter().map(|item| match item {
            SelectItem::UnnamedExpr(expr) => Some(column_name(expr)),
            _ => None,
        });
        self.names.push(names.collect());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                if relations::is_series_of_timestamps(expr) {
                    self.refuse("a series of timestamps in the select list", "write it in FROM");
                }
                relations::unnest_series(expr);
                subqueries::make_values(expr);
            }
        }
        let names = self.names.pop().unwrap_or_default();
        keep_names(&mut select.projection, names);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
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
        subqueries::select_keys(query);
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

    fn post_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        self.relation(table);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        self.expression(expr);
        ControlFlow::Continue(())
    }
}

/// Gives columns that were rewritten the names that they had. Of columns with the same name only one
/// keeps it: what they are rewritten to may be the same.
fn keep_names(projection: &mut [SelectItem], names: Vec<Option<String>>) {
    let mut known: HashMap<String, usize> = HashMap::new();
    for (item, name) in projection.iter_mut().zip(names) {
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
            let alias = Ident::with_quote('"', name);
            *item = SelectItem::ExprWithAlias { expr: take(expr), alias };
        }
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
                    *expr = cast(take(expr), DataType::Integer(None));
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::rewrite;

    fn parse(sql: &str) -> Vec<Statement> {
        Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap_or_default()
    }

    fn after(sql: &str) -> String {
        let mut statement = parse(sql).remove(0);
        rewrite(&mut statement).unwrap();
        statement.to_string()
    }

    #[test]
    fn syntax_is_rewritten() {
        for (sql, expected) in [
            (
                "SELECT a NOT LIKE $1 || '%' ESCAPE '/' AS b",
                "SELECT a NOT LIKE like_escape($1 || '%', '/') AS b",
            ),
            ("SELECT a ILIKE 'x' ESCAPE ''", "SELECT a ILIKE like_escape('x', '')"),
            ("SELECT a LIKE 'x' ESCAPE '\\'", "SELECT a LIKE 'x' ESCAPE '\\'"),
            ("SELECT '{1,NULL}'::INT[] AS a", "SELECT ARRAY['1', NULL]::INT[] AS a"),
            ("SELECT '{}'::INT[] AS a", "SELECT ARRAY[]::INT[] AS a"),
            (
                "SELECT i FROM generate_series(1, 3) AS i, generate_series(a, b) AS j (k), unnest(c)",
                "SELECT i FROM (SELECT CAST(value AS INT) AS value FROM generate_series(CAST(1 AS \
                 BIGINT), CAST(3 AS BIGINT)) AS series (value)) AS i (i), generate_series(a, b) AS j \
                 (k), UNNEST(c) AS unnest (unnest)",
            ),
            (
                "SELECT a IN (SELECT 1) FROM t FETCH FIRST ROW ONLY",
                "SELECT any_of(a, (SELECT array_agg(value) FROM (SELECT 1) AS items (value))) FROM t \
                 LIMIT 1",
            ),
            (
                "SELECT a AS b FROM t ORDER BY CASE WHEN a IN (SELECT 1) THEN 0 ELSE 1 END, 1",
                "SELECT b FROM (SELECT a AS b, CASE WHEN any_of(a, (SELECT array_agg(value) FROM \
                 (SELECT 1) AS items (value))) THEN 0 ELSE 1 END AS order_0 FROM t) AS ordered ORDER BY \
                 order_0, 1",
            ),
            (
                "SELECT x FROM (t JOIN unnest(a) ON true)",
                "SELECT x FROM (t JOIN UNNEST(a) AS unnest (unnest) ON true)",
            ),
        ] {
            assert_eq!(after(sql), expected);
        }
    }

    #[test]
    fn what_is_rewritten_is_not_rewritten_again() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/postgres");
        let mut rewritten = 0;
        for file in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            let statements = text.split(";\n").flat_map(parse);
            for mut statement in statements {
                let written = statement.to_string();
                if rewrite(&mut statement).is_err() {
                    continue;
                }
                rewritten += usize::from(statement.to_string() != written);
                // The second time may add names to columns.
                rewrite(&mut statement).unwrap();
                let twice = statement.to_string();
                rewrite(&mut statement).unwrap();
                assert_eq!(statement.to_string(), twice);
            }
        }
        assert!(rewritten > 100, "only {rewritten} statements were rewritten");
    }

    #[test]
    fn nested_constructs_grow_by_their_number_only() {
        for construct in [
            "mod($, 3)",
            "@ $",
            "|/ $",
            "~ $",
            "$::numeric",
            "$::varchar(3)",
            "$::json",
            "extract(day from $)",
            "$ AT TIME ZONE 'UTC'",
            "date_trunc('day', $, 'UTC')",
            "$ SIMILAR TO 'a%'",
            "$ LIKE 'a' ESCAPE '/'",
            "substring($ from 'a')",
            "json_agg($)",
            "percentile_cont(0.5) WITHIN GROUP (ORDER BY $)",
            "generate_series(1, $)",
            "a IN (SELECT $)",
            "EXISTS (SELECT $)",
            "(SELECT $ FROM generate_series(1, 3))",
            "(SELECT $ FROM unnest($))",
        ] {
            let nested = |levels: usize| {
                let inner = (0..levels).fold("a".to_owned(), |inner, _| {
                    construct.replacen('$', &format!("({inner})"), 1).replace('$', "b")
                });
                after(&format!("SELECT {inner}")).len()
            };
            let (some, twice) = (nested(4), nested(8));
            assert!(twice < 3 * some, "{construct}: {some} bytes of 4 levels, {twice} of 8");
        }
    }
}
