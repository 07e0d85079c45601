//! Random conditions against three-valued logic. Fixed ones are in `tests/slt/datafusion_bugs`.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::prelude::SessionContext;

use crate::session::{Options, session};

/// Every pair of these, NULL included, is a row.
const VALUES: [Option<i64>; 5] = [Some(1), Some(2), Some(3), Some(4), None];
const TABLES: &str = "WITH v AS (SELECT * FROM (VALUES (1), (2), (3), (4), (NULL)) v(n)), \
                      t AS (SELECT a.n AS x, b.n AS y FROM v a CROSS JOIN v b)";

async fn rows(session: &SessionContext, sql: &str) -> Vec<RecordBatch> {
    let frame = session.sql(&format!("{TABLES} {sql}")).await;
    let rows = match frame {
        Ok(frame) => frame.collect().await,
        Err(error) => Err(error),
    };
    rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

async fn count(session: &SessionContext, condition: &str) -> i64 {
    let rows = rows(session, &format!("SELECT count(*) FROM t WHERE {condition}")).await;
    rows[0].column(0).as_primitive::<Int64Type>().value(0)
}

#[tokio::test]
async fn names_of_columns_stay() {
    let session = session(&Options::default()).unwrap();
    let named = rows(&session, "SELECT x IN (1, NULL), count(*) FILTER (WHERE x IN (1, NULL)) FROM t GROUP BY x IN (1, NULL) ORDER BY x IN (1, NULL)").await;
    let schema = named[0].schema();
    assert_eq!(
        schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
        ["t.x IN Int64(1), NULL", "count(*) FILTER (WHERE t.x IN ([Int64(1), NULL]))"],
    );
}

#[tokio::test]
async fn ordinary_filters_stay_as_they_are() {
    let session = session(&Options::default()).unwrap();
    for condition in [
        "x IN (1, 2, 3, 4, 5)",
        "x NOT IN (1, 2, 3, 4, 5) AND y > 2",
        "(x IN (1, 2, 3, 4, 5) AND y > 2) OR y IN (1, 2, 3, 4, 5)",
        "x = 1 OR x = 2",
    ] {
        let sql = format!("{TABLES} SELECT * FROM t WHERE {condition}");
        let [ours, plain] = [session.clone(), SessionContext::new()].map(|session| {
            let sql = sql.clone();
            async move { session.sql(&sql).await.unwrap().into_optimized_plan().unwrap() }
        });
        assert_eq!(ours.await.to_string(), plain.await.to_string(), "{condition}");
    }
}

/// A condition with its text and its value for every row.
#[derive(Clone)]
struct Condition {
    text: String,
    values: Vec<Option<bool>>,
}

/// The values of `x` and `y` in every row.
fn pairs() -> impl Iterator<Item = (Option<i64>, Option<i64>)> {
    VALUES.into_iter().flat_map(|x| VALUES.into_iter().map(move |y| (x, y)))
}

fn equal(a: Option<i64>, b: Option<i64>) -> Option<bool> {
    Some(a? == b?)
}

fn or(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

fn not(a: Option<bool>) -> Option<bool> {
    a.map(|a| !a)
}

/// A sequence of numbers that look random and are always the same.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn condition(&mut self, depth: u64) -> Condition {
        if depth == 0 {
            return self.list();
        }
        let left = self.condition(depth - 1);
        if self.below(4) == 0 {
            let values = left.values.into_iter().map(not).collect();
            return Condition { text: format!("NOT ({})", left.text), values };
        }
        let leaf = self.below(depth);
        let right = self.condition(leaf);
        let is_or = self.below(2) == 0;
        let pairs = left.values.into_iter().zip(right.values);
        let values =
            pairs.map(|(a, b)| if is_or { or(a, b) } else { not(or(not(a), not(b))) }).collect();
        let word = if is_or { "OR" } else { "AND" };
        Condition { text: format!("({} {word} {})", left.text, right.text), values }
    }

    /// A comparison or a list of one to five items.
    fn list(&mut self) -> Condition {
        let item = |random: &mut Self| match random.below(9) {
            0 => ("NULL", None),
            1 => ("NULLIF(1, 1)", None),
            2 => ("y", Some(None)),
            3 => ("1", Some(Some(1))),
            4 => ("2", Some(Some(2))),
            5 => ("3", Some(Some(3))),
            6 => ("5", Some(Some(5))),
            7 => ("CAST('4' AS BIGINT)", Some(Some(4))),
            _ => ("-1", Some(Some(-1))),
        };
        // None: NULL; of None: the row's y.
        let value = |item: Option<Option<i64>>, y| item.and_then(|fixed| fixed.or(y));
        let negated = self.below(2) == 0;
        let (text, items) = if self.below(3) == 0 {
            let (text, item) = item(self);
            (format!("x {} {text}", if negated { "<>" } else { "=" }), vec![item])
        } else {
            let length = self.below(5) + 1;
            let (texts, items): (Vec<_>, Vec<_>) = (0..length).map(|_| item(self)).unzip();
            let word = if negated { "NOT IN" } else { "IN" };
            (format!("x {word} ({})", texts.join(", ")), items)
        };
        let values = pairs()
            .map(|(x, y)| {
                let found = items.iter().map(|item| equal(x, value(*item, y)));
                let found = found.fold(Some(false), or);
                if negated { not(found) } else { found }
            })
            .collect();
        Condition { text, values }
    }
}

#[tokio::test]
async fn any_combination_has_the_value_that_sql_gives_it() {
    let session = session(&Options { threads: Some(1), ..Options::default() }).unwrap();
    let mut random = Random(1);
    for _ in 0..60 {
        let conditions: Vec<Condition> = (0..8)
            .map(|_| {
                let depth = random.below(4) + 1;
                random.condition(depth)
            })
            .collect();
        let columns = conditions.iter().enumerate().map(|(n, one)| format!("{} AS c{n}", one.text));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let shown = format!("SELECT {columns} FROM t ORDER BY x NULLS LAST, y NULLS LAST");
        let batches = rows(&session, &shown).await;
        for (n, condition) in conditions.iter().enumerate() {
            let values = batches.iter().flat_map(|batch| batch.column(n).as_boolean().iter());
            assert_eq!(values.collect::<Vec<_>>(), condition.values, "{}", condition.text);
            let expected = condition.values.iter().filter(|value| **value == Some(true)).count();
            let counted = count(&session, &condition.text).await;
            assert_eq!(usize::try_from(counted), Ok(expected), "WHERE {}", condition.text);
        }
    }
}
