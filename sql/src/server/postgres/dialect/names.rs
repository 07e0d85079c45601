//! The names of result columns without an alias, as PostgreSQL chooses them.

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Ident, Query, SelectItem, SetExpr, Statement, TrimWhereField,
};

use crate::server::postgres::values::types::internal_name;

/// Named columns around those of a wildcard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::server::postgres) struct ColumnNames {
    /// From the first column on.
    first: Vec<String>,
    /// Up to the last column.
    last: Vec<String>,
}

impl ColumnNames {
    /// The names of a statement's columns.
    pub(in crate::server::postgres) fn of(statement: &Statement) -> Self {
        match statement {
            Statement::Query(query) => Self::of_query(query),
            _ => Self::default(),
        }
    }

    fn of_query(query: &Query) -> Self {
        let mut body = &*query.body;
        loop {
            body = match body {
                SetExpr::Select(select) => return Self::of_items(&select.projection),
                SetExpr::SetOperation { left, .. } => left,
                SetExpr::Query(query) => &query.body,
                _ => return Self::default(),
            };
        }
    }

    fn of_items(items: &[SelectItem]) -> Self {
        let named = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(expr) => Some(column_name(expr)),
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            _ => None,
        };
        let first: Vec<String> = items.iter().map_while(named).collect();
        let mut last = Vec::new();
        if first.len() < items.len() {
            last = items.iter().rev().map_while(named).collect();
            last.reverse();
        }
        Self { first, last }
    }

    /// Replaces the names of columns that have one here.
    pub(in crate::server::postgres) fn apply<T>(
        &self,
        columns: &mut [T],
        rename: impl Fn(&mut T, &str),
    ) {
        for (column, name) in columns.iter_mut().zip(&self.first) {
            rename(column, name);
        }
        for (column, name) in columns.iter_mut().rev().zip(self.last.iter().rev()) {
            rename(column, name);
        }
    }
}

fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

/// The name of a column.
pub(in crate::server::postgres) fn column_name(expr: &Expr) -> String {
    name(expr).0.unwrap_or_else(|| "?column?".to_owned())
}

/// A name, and whether it is that of a column or a function rather than of a type.
fn name(expr: &Expr) -> (Option<String>, bool) {
    let strong = |name: &str| (Some(name.to_owned()), true);
    match expr {
        Expr::Identifier(ident) => (Some(folded(ident)), true),
        Expr::CompoundIdentifier(idents) => (idents.last().map(folded), true),
        Expr::CompoundFieldAccess { root, .. } => name(root),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => name(inner),
        Expr::Function(function) => {
            let last = function.name.0.last().and_then(|part| part.as_ident());
            (last.map(folded), true)
        }
        Expr::Cast { expr, data_type, .. } => match name(expr) {
            (name @ Some(_), true) => (name, true),
            _ => (Some(type_name(data_type)), false),
        },
        Expr::TypedString(typed) => (Some(type_name(&typed.data_type)), false),
        Expr::Interval(_) => (Some("interval".to_owned()), false),
        Expr::Case { else_result, .. } => match else_result.as_deref().map(name) {
            Some((name @ Some(_), true)) => (name, true),
            _ => (Some("case".to_owned()), false),
        },
        Expr::Extract { .. } => strong("extract"),
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Substring { .. } => strong("substring"),
        Expr::Position { .. } => strong("position"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Array(_) => strong("array"),
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::Subquery(query) => match ColumnNames::of_query(query).first.as_slice() {
            [name] if name != "?column?" => strong(name),
            _ => (None, false),
        },
        _ => (None, false),
    }
}

/// PostgreSQL's internal name of a type.
fn type_name(data_type: &DataType) -> String {
    let text = data_type.to_string().to_lowercase();
    let base = text.split(['(', '[']).next().unwrap_or_default().trim();
    match base {
        "char" | "character" => "bpchar".to_owned(),
        "timestamp" if text.contains("with time zone") => "timestamptz".to_owned(),
        other => internal_name(other.trim_start_matches("pg_catalog.")).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::ColumnNames;

    #[test]
    fn columns_are_named_as_postgresql_names_them() {
        let names = |sql: &str, columns: usize| {
            let statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            let mut named = vec!["-".to_owned(); columns];
            ColumnNames::of(&statement).apply(&mut named, |column, name| *column = name.to_owned());
            named.join(" ")
        };
        for (sql, columns, expected) in [
            ("SELECT 1, a, T.B, \"C\", 1 + 1, count(*)", 6, "?column? a b C ?column? count"),
            (
                "SELECT 1::int, a::text, date '2026-01-01', '1'::numeric(3,1)",
                4,
                "int4 a date numeric",
            ),
            ("SELECT CASE WHEN a THEN 1 ELSE b END, CASE WHEN a THEN b ELSE 1 END", 2, "b case"),
            (
                "SELECT (SELECT max(x) FROM t), EXISTS (SELECT 1), array[1], (a)",
                4,
                "max exists array a",
            ),
            (
                "SELECT extract(year from a), a at time zone 'UTC', trim(a)",
                3,
                "extract timezone btrim",
            ),
            ("SELECT max(a), t.*, min(a) FROM t", 5, "max - - - min"),
            ("SELECT count(*) UNION SELECT 1", 1, "count"),
            ("SELECT *, 1 AS x FROM t", 3, "- - x"),
        ] {
            assert_eq!(names(sql, columns), expected, "{sql}");
        }
    }
}
