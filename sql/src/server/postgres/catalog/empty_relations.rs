//! Simplifies queries of catalog tables that are always empty.
//!
//! Clients inspect keys and indexes with functions of arrays and composite values that DataFusion
//! does not have. There are no keys and indexes, so such a `SELECT` is replaced by one without rows
//! that keeps the column names, and the types of plain columns and casts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CaseWhen, DataType, Expr, GroupByExpr, Ident, Join,
    JoinOperator, Query, Select, SelectItem, SetExpr, Statement, TableFactor, TableWithJoins,
    Value, ValueWithSpan, Visitor, VisitorMut,
};

use super::base::SCHEMA;
use super::schema::EMPTY_TABLES;
use crate::ast::{call, cast, for_each_expr, null, visit, visit_mut};
use crate::server::postgres::dialect::column_name;

/// Simplifies such queries in a statement. `is_aggregate` identifies aggregate functions, which return
/// a row for empty input.
pub(super) fn simplify_empty(statement: &mut Statement, is_aggregate: &dyn Fn(&str) -> bool) {
    let _ = visit_mut(statement, &mut EmptyRewrite { is_aggregate });
}

struct EmptyRewrite<'a> {
    is_aggregate: &'a dyn Fn(&str) -> bool,
}

impl VisitorMut for EmptyRewrite<'_> {
    type Break = ();

    // Subqueries in FROM are simplified first.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let condition = false_condition(&*query);
        self.set(&mut query.body, &condition);
        if is_empty_query(query) {
            query.order_by = None;
        }
        ControlFlow::Continue(())
    }
}

impl EmptyRewrite<'_> {
    fn set(&mut self, body: &mut SetExpr, condition: &Expr) {
        match body {
            SetExpr::Select(select) => self.select(select, condition),
            SetExpr::SetOperation { left, right, .. } => {
                self.set(left, condition);
                self.set(right, condition);
            }
            _ => {}
        }
    }

    fn select(&mut self, select: &mut Select, condition: &Expr) {
        if !select.from.iter().any(is_empty_from) {
            return;
        }
        // Groups can be planned, except over functions of the columns of other tables.
        let has_functions = select.from.iter().any(|from| relations(from).any(is_of_columns));
        let has_rows = match is_grouped(select) {
            true => !has_functions || !is_grouped_by_expressions(select),
            false => self.aggregates(select),
        };
        if has_rows {
            return;
        }
        let removed = if has_functions { remove_functions(&mut select.from) } else { Vec::new() };
        select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
        let items = std::mem::take(&mut select.projection);
        let mut used = BTreeSet::new();
        select.projection = items
            .into_iter()
            .enumerate()
            .map(|(at, item)| plannable_item(at, item, &mut used, &removed))
            .collect();
        select.selection = Some(condition.clone());
        select.distinct = None;
        select.having = None;
    }

    fn aggregates(&self, select: &Select) -> bool {
        let mut aggregates = Aggregates { is_aggregate: self.is_aggregate, depth: 0 };
        select.having.is_some() || visit(&select.projection, &mut aggregates).is_break()
    }
}

/// Breaks at an aggregate function outside of subqueries.
struct Aggregates<'a> {
    is_aggregate: &'a dyn Fn(&str) -> bool,
    depth: usize,
}

impl Visitor for Aggregates<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<()> {
        match expression {
            Expr::Function(function)
                if self.depth == 0
                    && function.over.is_none()
                    && (self.is_aggregate)(&function.name.to_string().to_lowercase()) =>
            {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

/// Whether an item of FROM has no rows, considering its joins.
fn is_empty_from(from: &TableWithJoins) -> bool {
    from.joins.iter().fold(
        is_empty_table(&from.relation),
        |nothing, Join { relation, join_operator, .. }| match join_operator {
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_) => {
                nothing || is_empty_table(relation)
            }
            JoinOperator::Left(_) | JoinOperator::LeftOuter(_) => nothing,
            _ => nothing && is_empty_table(relation),
        },
    )
}

fn is_empty_table(table: &TableFactor) -> bool {
    match table {
        TableFactor::Table { name, args: None, .. } => {
            let name = name.to_string().to_lowercase();
            let name = name.strip_prefix(SCHEMA).and_then(|name| name.strip_prefix('.'));
            name.is_some_and(|name| EMPTY_TABLES.contains(&name))
        }
        TableFactor::Derived { subquery, .. } => is_empty_query(subquery),
        TableFactor::NestedJoin { table_with_joins, .. } => is_empty_from(table_with_joins),
        _ => false,
    }
}

/// Whether a query was simplified here.
fn is_empty_query(query: &Query) -> bool {
    let SetExpr::Select(select) = &*query.body else { return false };
    let no = match &select.selection {
        Some(Expr::BinaryOp { left, op: BinaryOperator::And, .. }) => left,
        Some(selection) => selection,
        None => return false,
    };
    *no == Expr::value(Value::Boolean(false))
        && !is_grouped(select)
        && select.from.iter().any(is_empty_from)
}

fn is_grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
}

/// Whether there is a group for each value, and none for no rows.
fn is_grouped_by_expressions(select: &Select) -> bool {
    let is_plain =
        |expr: &Expr| !matches!(expr, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_));
    match &select.group_by {
        GroupByExpr::Expressions(by, modifiers) => {
            modifiers.is_empty() && !by.is_empty() && by.iter().all(is_plain)
        }
        GroupByExpr::All(_) => false,
    }
}

fn relations(from: &TableWithJoins) -> impl Iterator<Item = &TableFactor> {
    std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
}

/// Whether a relation is a function of columns, such as `unnest(con.conkey)`.
fn is_of_columns(relation: &TableFactor) -> bool {
    let is_function = matches!(
        relation,
        TableFactor::UNNEST { .. }
            | TableFactor::Function { .. }
            | TableFactor::Table { args: Some(_), .. }
    );
    let mut has_column = false;
    for_each_expr(relation, |expr| {
        has_column |= matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    });
    is_function && has_column
}

/// Removes functions of columns, and the conditions of joins, which may use them. Returns their names.
fn remove_functions(from: &mut Vec<TableWithJoins>) -> Vec<Ident> {
    let mut removed = Vec::new();
    let mut is_kept = |relation: &TableFactor| {
        let is_kept = !is_of_columns(relation);
        if let TableFactor::UNNEST { alias: Some(alias), .. }
        | TableFactor::Function { alias: Some(alias), .. }
        | TableFactor::Table { alias: Some(alias), .. } = relation
            && !is_kept
        {
            removed.push(alias.name.clone());
        }
        is_kept
    };
    let mut kept: Vec<TableFactor> = Vec::new();
    for TableWithJoins { relation, joins } in from.drain(..) {
        let joined = joins.into_iter().map(|join| join.relation);
        kept.extend(std::iter::once(relation).chain(joined).filter(&mut is_kept));
    }
    let plain = |relation| TableWithJoins { relation, joins: Vec::new() };
    from.extend(kept.into_iter().map(plain));
    removed
}

/// A select item that DataFusion can plan, with a unique name. Columns of removed relations are NULL.
fn plannable_item(
    at: usize,
    item: SelectItem,
    used: &mut BTreeSet<String>,
    removed: &[Ident],
) -> SelectItem {
    let (expression, alias) = match item {
        SelectItem::UnnamedExpr(expression) => {
            let name = Some(column_name(&expression)).filter(|name| used.insert(name.clone()));
            let name = name.unwrap_or_else(|| format!("?column?{at}"));
            (expression, Ident::with_quote('"', name))
        }
        SelectItem::ExprWithAlias { expr, alias } => (expr, alias),
        other => return other,
    };
    let texts = ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None);
    let expr = match expression {
        Expr::Identifier(name) if removed.contains(&name) => cast(null(), DataType::Text),
        Expr::CompoundIdentifier(names) if names.first().is_some_and(|it| removed.contains(it)) => {
            cast(null(), DataType::Text)
        }
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("array_agg") => {
            cast(null(), DataType::Array(texts))
        }
        // A CASE without ELSE is nullable, which columns of the catalog are not.
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen {
                condition: Expr::value(Value::Boolean(false)),
                result: expression,
            }],
            else_result: None,
        },
        Expr::Cast { data_type, .. } => cast(null(), data_type),
        // As the other parts of a UNION may need it.
        Expr::Value(ValueWithSpan { value: Value::Null, .. }) => expression,
        _ => cast(null(), DataType::Text),
    };
    SelectItem::ExprWithAlias { expr, alias }
}

/// A false condition that mentions the query's parameters, because clients send values for them, and
/// the types to which they are cast.
fn false_condition(query: &Query) -> Expr {
    let mut used: BTreeMap<String, Expr> = BTreeMap::new();
    for_each_expr(query, |expression| match expression {
        Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) => {
            used.entry(name.clone()).or_insert_with(|| expression.clone());
        }
        // Names of objects are texts here.
        Expr::Cast { expr, data_type, .. }
            if !data_type.to_string().to_lowercase().starts_with("reg") =>
        {
            if let Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) = &**expr {
                used.insert(name.clone(), expression.clone());
            }
        }
        _ => {}
    });
    let no = Expr::value(Value::Boolean(false));
    if used.is_empty() {
        return no;
    }
    let is_null = |parameter| Expr::IsNull(Box::new(parameter));
    let mentioned = call("coalesce", used.into_values().map(is_null));
    Expr::BinaryOp { left: Box::new(no), op: BinaryOperator::And, right: Box::new(mentioned) }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::simplify_empty;

    fn after(sql: &str) -> String {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        simplify_empty(&mut statement, &|name| name == "count");
        statement.to_string()
    }

    #[test]
    fn queries_of_empty_tables_keep_their_names() {
        for (sql, expected) in [
            (
                "SELECT i.indrelid, unnest(i.indkey) AS n, 1, (i.k).x::INT FROM \
                 pg_catalog.pg_index \
                 AS i JOIN t ON true WHERE i.a = $2::INT OR i.a = $1::REGCLASS ORDER BY 1",
                "SELECT CASE WHEN false THEN i.indrelid END AS \"indrelid\", \
                 CAST(NULL AS TEXT) AS n, CAST(NULL AS TEXT) AS \"?column?\", CAST(NULL AS INT) AS \
                 \"k\" FROM pg_catalog.pg_index AS i \
                 JOIN t ON \
                 true WHERE false AND coalesce($1 IS NULL, $2::INT IS NULL)",
            ),
            (
                "SELECT f(a) FROM t, (SELECT f(b) FROM pg_catalog.pg_inherits) AS q WHERE a > 1",
                "SELECT CAST(NULL AS TEXT) AS \"f\" FROM t, (SELECT CAST(NULL AS TEXT) AS \"f\" FROM \
                 pg_catalog.pg_inherits WHERE false) AS q WHERE false",
            ),
            (
                "SELECT f(a), f(b) FROM pg_catalog.pg_policy",
                "SELECT CAST(NULL AS TEXT) AS \"f\", CAST(NULL AS TEXT) AS \"?column?1\" FROM \
                 pg_catalog.pg_policy WHERE false",
            ),
            (
                "SELECT (SELECT count(*) FROM t) AS n FROM pg_catalog.pg_policy",
                "SELECT CAST(NULL AS TEXT) AS n FROM pg_catalog.pg_policy WHERE false",
            ),
            (
                "SELECT a, b FROM t UNION SELECT f(b), NULL AS b FROM pg_catalog.pg_policy ORDER BY 1",
                "SELECT a, b FROM t UNION SELECT CAST(NULL AS TEXT) AS \"f\", NULL AS b FROM \
                 pg_catalog.pg_policy WHERE false ORDER BY 1",
            ),
            (
                "SELECT c.conname, k, array_agg(t.a) FROM pg_catalog.pg_constraint AS c CROSS JOIN \
                 UNNEST(c.conkey) AS k JOIN t ON t.n = k WHERE t.a = 1 GROUP BY 1, 2",
                "SELECT CASE WHEN false THEN c.conname END AS \"conname\", CAST(NULL AS TEXT) AS \
                 \"k\", CAST(NULL AS TEXT[]) AS \"array_agg\" FROM pg_catalog.pg_constraint AS c, t WHERE false",
            ),
        ] {
            assert_eq!(after(sql), expected);
        }
    }

    #[test]
    fn other_queries_are_unchanged() {
        for sql in [
            "SELECT a FROM t WHERE false",
            "SELECT a + 1 FROM (SELECT a FROM t WHERE false) AS q",
            "SELECT a FROM pg_catalog.pg_class",
            "SELECT a FROM pg_inherits",
            "SELECT a FROM pg_catalog.pg_proc",
            "SELECT count(*) FROM pg_catalog.pg_inherits",
            "SELECT a, count(*) FROM pg_catalog.pg_inherits GROUP BY a",
            "SELECT a FROM pg_catalog.pg_inherits, UNNEST(a) GROUP BY ROLLUP (a)",
            "SELECT a FROM t LEFT JOIN pg_catalog.pg_inherits ON true",
            "SELECT a FROM pg_catalog.pg_inherits FULL JOIN t ON true",
        ] {
            assert_eq!(after(sql), sql);
        }
    }
}
