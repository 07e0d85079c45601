//! Columns of one name, such as `SELECT 1, 1`, `SELECT count(*), count(*)` and `SELECT a, a::date`.
//!
//! DataFusion names a column after its expression, leaves casts out of the name, and refuses a list
//! in which a name occurs twice, also where names are invisible: in
//! `GROUP BY a::int, a::bigint`, or in an aggregation for `count(DISTINCT id)` and
//! `count(DISTINCT id::varchar)`.
//!
//! A statement that is refused, as it may be for such a name, is planned once more with these
//! changes:
//!
//! * In a SELECT list the second column called `a` is called `a:1`, the third `a:2`. So a file that
//!   the result is written to has no two columns of one name.
//! * A cast is wrapped in `coalesce`, which with one argument is that argument, and is part of the name:
//!   `coalesce(a::int)`. For the second type in the statement it is wrapped twice, and so on.
//!
//! Statements that can be planned as they are keep all their names. If a statement cannot be planned
//! either way, the first error is returned.
//!
//! <https://github.com/apache/datafusion/issues/6543>,
//! <https://github.com/apache/datafusion/issues/4478>

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::error::DataFusionError;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, Value, VisitorMut};

use super::visit::visit;
use crate::ast::{call, for_each_expr_mut, visit_mut};

/// Calls of `coalesce` that are put into one statement at most; planning calls within calls takes
/// long.
const CALLS: usize = 200;

/// Whether a statement may have been refused for names that are not unique: the error is of a kind
/// that DataFusion has for other mistakes, too.
pub(crate) fn may_be_for_names(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::Plan(_) | DataFusionError::SchemaError(..))
}

/// Makes the names in a statement unique, as far as the text shows them.
pub(crate) fn make_unique(statement: &mut Statement) {
    let mut casts = Casts::default();
    visit(statement, &mut casts);
    let mut names = Names { types: if casts.calls > CALLS { None } else { Some(casts.types) } };
    visit(statement, &mut names);
}

/// The types that a statement casts columns to.
#[derive(Default)]
struct Casts {
    types: Vec<String>,
    /// How often `coalesce` must be called for all casts.
    calls: usize,
}

impl VisitorMut for Casts {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(name) = cast_of_no_constant(expr) {
            let known = self.types.iter().position(|known| *known == name);
            let position = known.unwrap_or(self.types.len());
            if known.is_none() {
                self.types.push(name);
            }
            self.calls += position + 1;
        }
        ControlFlow::Continue(())
    }
}

/// The type that is cast to, unless a constant is: what must be a constant stays one.
fn cast_of_no_constant(expr: &Expr) -> Option<String> {
    let Expr::Cast { kind, expr, data_type, .. } = expr else { return None };
    (!matches!(**expr, Expr::Value(_))).then(|| format!("{kind:?} {data_type}"))
}

struct Names {
    /// As in [`Casts`]; none if casts stay as they are.
    types: Option<Vec<String>>,
}

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let mut taken = HashSet::new();
        let mut next = Vec::with_capacity(select.projection.len());
        let is_wildcard = |item: &SelectItem| {
            matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
        };
        let has_all = select.projection.iter().any(is_wildcard);
        let keys: Vec<Option<String>> = select.projection.iter().map(key).collect();
        let count = |key: &String| keys.iter().flatten().filter(|other| *other == key).count();
        for (item, key) in select.projection.drain(..).zip(&keys) {
            let Some(key) = key else {
                next.push(item);
                continue;
            };
            let is_repeated = count(key) > 1;
            next.push(match item {
                SelectItem::UnnamedExpr(expr) => {
                    // A column is also part of `*`.
                    let column = column(&expr).map(named);
                    let in_wildcard = has_all && column.is_some();
                    if is_repeated || in_wildcard || self.renames(&expr) {
                        let name = column.unwrap_or_else(|| expr.to_string());
                        if in_wildcard {
                            taken.insert(name.clone());
                        }
                        let alias = Ident::with_quote('"', unused(name, &mut taken));
                        SelectItem::ExprWithAlias { expr, alias }
                    } else {
                        SelectItem::UnnamedExpr(expr)
                    }
                }
                SelectItem::ExprWithAlias { expr, alias } if is_repeated => {
                    let alias = Ident::with_quote('"', unused(named(&alias), &mut taken));
                    SelectItem::ExprWithAlias { expr, alias }
                }
                item => item,
            });
        }
        select.projection = next;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(types) = &self.types
            && let Some(name) = cast_of_no_constant(expr)
            && let Some(position) = types.iter().position(|known| *known == name)
        {
            for _ in 0..=position {
                let cast = std::mem::replace(expr, Expr::value(Value::Null));
                *expr = call("coalesce", [cast]);
            }
        }
        ControlFlow::Continue(())
    }
}

impl Names {
    /// Whether a cast in it will be wrapped in `coalesce`.
    fn renames(&self, expr: &Expr) -> bool {
        let mut casts = Casts::default();
        let _ = visit_mut(&mut expr.clone(), &mut casts);
        self.types.is_some() && casts.calls > 0
    }
}

/// What an item has in common with all that would get the same name.
fn key(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(named(alias)),
        SelectItem::UnnamedExpr(expr) => Some(match column(expr) {
            Some(column) => named(column),
            None => {
                let mut expr = expr.clone();
                for_each_expr_mut(&mut expr, |expr| {
                    while let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
                        *expr = std::mem::replace(&mut **inner, Expr::value(Value::Null));
                    }
                    if let Expr::Identifier(column) = expr {
                        *column = Ident::with_quote('"', named(column));
                    }
                });
                expr.to_string()
            }
        }),
        _ => None,
    }
}

/// The column that an expression is, but for casts.
fn column(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(column) => Some(column),
        Expr::CompoundIdentifier(parts) => parts.last(),
        Expr::Cast { expr, .. } | Expr::Nested(expr) => column(expr),
        _ => None,
    }
}

fn named(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_ascii_lowercase(),
    }
}

/// The name, or with the first number that makes it another than all before.
fn unused(name: String, taken: &mut HashSet<String>) -> String {
    let numbered = (1_u32..).map(|number| format!("{name}:{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    let unused = names.find(|name| !taken.contains(name)).unwrap_or(name);
    taken.insert(unused.clone());
    unused
}

#[cfg(test)]
mod tests {
    use arrow::util::pretty::pretty_format_batches;
    use datafusion::prelude::SessionContext;

    use crate::session::{Options, session, sql};

    const FROM: &str = "FROM (VALUES ('1', 1), ('02', 2)) t(a, n)";
    /// What is selected, the names of the columns, and the last row.
    const STATEMENTS: [(&str, &str, &str); 14] = [
        ("1, 1, 1 FROM t", "1 1:1 1:2", "1 1 1"),
        ("count(*), count(*) FROM t", "count(*) count(*):1", "2 2"),
        ("a::int, a, A FROM t ORDER BY 1", "a a:1 a:2", "2 02 02"),
        ("t.n, n AS m, n AS m FROM t ORDER BY n", "n m m:1", "2 2 2"),
        ("*, n, n::text FROM t ORDER BY 2", "a n n:1 n:2", "02 2 2 2"),
        ("sum(n), sum(n::double) FROM t", "sum(n) sum(n::DOUBLE)", "3 3.0"),
        (
            "count(DISTINCT a) x, count(DISTINCT a::int) y, count(DISTINCT a::bigint) z FROM t",
            "x y z",
            "2 2 2",
        ),
        (
            "a::int x, a::bigint y, count(*) FROM t GROUP BY a::int, a::bigint ORDER BY a::int",
            "x y count(*)",
            "2 2 1",
        ),
        ("n::text FROM t ORDER BY n", "n", "2"),
        ("count(DISTINCT n::text), n FROM t GROUP BY 2 ORDER BY 2", "count(DISTINCT t.n) n", "1 2"),
        ("b FROM (SELECT 1 AS b, 2, 2 FROM t) u", "b", "1"),
        ("1, 1 FROM t UNION ALL SELECT 2, 2 FROM t ORDER BY 1", "1 1:1", "2 2"),
        ("(SELECT x FROM (SELECT 3 x, 4, 4)), a FROM t ORDER BY a DESC", "x a", "3 02"),
        ("\"N\", n FROM (SELECT 1 \"N\", 2 n, 2, 2 FROM t)", "N n", "1 2"),
    ];

    async fn answer(session: &SessionContext, select: &str) -> Result<(String, String), String> {
        let text = format!("WITH t AS (SELECT * {FROM}) SELECT {select}");
        let frame = sql(session, &text).await.map_err(|error| error.to_string())?;
        let names: Vec<_> = frame.schema().fields().iter().map(|f| f.name().clone()).collect();
        let batches = frame.collect().await.map_err(|error| error.to_string())?;
        let text = pretty_format_batches(&batches).map_err(|error| error.to_string())?.to_string();
        let row = text.lines().rev().nth(1).unwrap_or_default().replace('|', " ");
        Ok((names.join(" "), row.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    #[tokio::test]
    async fn columns_may_have_one_name() {
        let session = session(&Options::default()).unwrap();
        for (select, names, row) in STATEMENTS {
            let answer = answer(&session, select).await;
            assert_eq!(answer, Ok((names.to_owned(), row.to_owned())), "{select}");
        }
        let error = answer(&session, "1, 1, nothing FROM t").await.unwrap_err();
        assert!(error.contains("nothing"), "{error}");
    }

    #[tokio::test]
    async fn statements_of_every_kind_are_planned() {
        let session = session(&Options::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ones.csv");
        for text in [
            "EXPLAIN SELECT 1, 1",
            "CREATE TABLE ones AS SELECT 1, 1",
            "CREATE VIEW counts AS SELECT count(*), count(*) FROM ones",
            "SELECT \"count(*):1\" FROM counts",
            &format!("COPY (SELECT 1, 1) TO '{}' STORED AS CSV", file.display()),
        ] {
            let rows = sql(&session, text).await.unwrap().collect().await;
            assert!(rows.is_ok(), "{text}: {rows:?}");
        }
        assert_eq!(std::fs::read_to_string(file).unwrap(), "1,1:1\n1,1\n");
    }

    #[tokio::test]
    async fn many_casts_are_left_as_they_are() {
        let session = session(&Options::default()).unwrap();
        let casts = (1..=40).map(|length| format!("a::varchar({length})"));
        let text =
            format!("SELECT {} FROM (VALUES ('1')) t(a)", casts.collect::<Vec<_>>().join(", "));
        let frame = sql(&session, &text).await;
        assert!(frame.is_ok_and(|frame| frame.schema().field(39).name() == "a:39"));
    }

    #[tokio::test]
    async fn plain_datafusion_refuses() {
        let plain = SessionContext::new();
        for select in ["1, 1", "count(*), count(*)", "value, value::text FROM range(1)"] {
            let refused = plain.sql(&format!("SELECT {select}")).await;
            let error = refused.expect_err(
                "DataFusion plans this now: once it plans all statements above, delete unique_names",
            );
            assert!(super::may_be_for_names(&error), "{error}");
        }
    }
}
