//! A generator of statements: the same ones for the same seed.

/// `t` and `u`, with NULLs in every column but the keys.
pub(super) const TABLES: [&str; 4] = [
    "CREATE TABLE t (id BIGINT NOT NULL, a BIGINT, b BIGINT, s VARCHAR, p BOOLEAN, q BOOLEAN)",
    "INSERT INTO t VALUES \
     (1, 1, 1, 'ab', true, false), (2, 1, 2, 'b', false, true), (3, 2, NULL, NULL, NULL, true), \
     (4, 2, 2, 'abc', true, NULL), (5, NULL, 1, 'a', false, false), (6, 3, 3, '', NULL, NULL), \
     (7, 3, 1, 'B', true, true), (8, NULL, NULL, 'ab', false, NULL), (9, 4, 2, 'c', true, false), \
     (10, 1, 4, NULL, NULL, false), (11, -1, 0, 'a%', true, true), (12, 2, 2, 'abc', NULL, true)",
    "CREATE TABLE u (id BIGINT NOT NULL, k BIGINT, w VARCHAR)",
    "INSERT INTO u VALUES (1, 1, 'x'), (2, 2, 'ab'), (3, 2, NULL), (4, NULL, 'a'), (5, 5, 'b')",
];
const NUMBERS: [&str; 3] = ["a", "b", "id"];

pub(super) struct Statements {
    state: u64,
    /// Whether conditions may have subqueries, which only filters may.
    filters: bool,
}

impl Statements {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed, filters: false }
    }

    fn below(&mut self, end: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % end
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    pub(super) fn statement(&mut self) -> String {
        match self.below(9) {
            0 | 1 => self.plain(),
            2 | 3 => self.grouped(),
            4 => self.totals(),
            5 => self.joined(),
            6 => self.windows(),
            7 => self.set_operation(),
            _ => self.nested(),
        }
    }

    fn plain(&mut self) -> String {
        let (n, c, s) = (self.number(2), self.condition(3), self.text());
        let distinct = self.one_of(&["", "DISTINCT "]);
        let filter = self.filter();
        let limit = if self.below(2) == 0 {
            let (order, count, offset) =
                (self.one_of(&["ASC", "DESC"]), self.below(6), self.below(4));
            format!(
                " ORDER BY 1 {order} NULLS LAST, 2 NULLS FIRST, 3 DESC NULLS LAST \
                 LIMIT {count} OFFSET {offset}"
            )
        } else {
            String::new()
        };
        format!("SELECT {distinct}{n} AS n, {c} AS c, {s} AS s FROM t{filter}{limit}")
    }

    fn grouped(&mut self) -> String {
        let keys = ["a", "b", "s", "p", "q IS TRUE", "a + b", "a IN (1, NULL)"];
        let (first, second) = (self.one_of(&keys), self.one_of(&["id % 2", "length(s)", "b % 3"]));
        let by = match self.below(5) {
            0 => format!("ROLLUP ({first}, {second})"),
            1 => format!("CUBE ({first}, {second})"),
            2 => format!("GROUPING SETS (({first}, {second}), ({second}), ())"),
            _ => format!("{first}, {second}"),
        };
        let aggregates = [self.aggregate(), self.aggregate(), self.aggregate()].join(", ");
        let having = match self.below(6) {
            0 | 1 => format!(" HAVING {} > 0 OR max(b) IS NULL", self.aggregate()),
            2 => format!(" HAVING min(b) IS NULL OR {}", self.comparison_with_all("max(a)")),
            _ => String::new(),
        };
        let filter = self.filter();
        format!("SELECT {first}, {second}, {aggregates} FROM t{filter} GROUP BY {by}{having}")
    }

    fn totals(&mut self) -> String {
        let aggregates = [self.aggregate(), self.aggregate(), self.aggregate(), self.aggregate()];
        format!("SELECT {} FROM t{}", aggregates.join(", "), self.filter())
    }

    fn joined(&mut self) -> String {
        let join = self.one_of(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let on =
            self.one_of(&["a = k", "a = k AND s <> w", "a = k AND b = 2", "s = w", "a = k AND p"]);
        let on = match (join, self.below(4)) {
            ("JOIN", 0) => format!("{on} AND (b > 1 OR {})", self.query("a")),
            _ => on.to_owned(),
        };
        let shown =
            ["t.id, u.id, a, w", "count(*), count(DISTINCT k), max(w)", "k, s, p AND k = 1"];
        let shown = self.one_of(&shown);
        let third = match self.below(3) {
            0 => {
                let join = self.one_of(&["JOIN", "LEFT JOIN", "RIGHT JOIN"]);
                let on = self.one_of(&["c = k", "c = a AND i > t.id", "i = u.id AND c > 1"]);
                format!(" {join} (SELECT id AS i, b AS c FROM t) v ON {on}")
            }
            _ => String::new(),
        };
        let filter = self.filter().replace("id", "t.id");
        format!("SELECT {shown} FROM t {join} u ON {on}{third}{filter}")
    }

    fn windows(&mut self) -> String {
        let by = self.one_of(&["a", "b", "p", "s", "a IS NULL"]);
        let n = self.one_of(&["b", "a + b", "a % 3", "coalesce(b, a)", "abs(a)", "nullif(b, 2)"]);
        let order = self.one_of(&["ASC NULLS FIRST", "DESC NULLS LAST"]);
        let frame = self.one_of(&[
            "",
            " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
            " ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
        ]);
        let function = self.one_of(&["sum(b)", "count(a)", "min(s)", "max(b)", "count(*)"]);
        format!(
            "SELECT id, {function} OVER (PARTITION BY {by} ORDER BY {n} {order}, id{frame}), \
             rank() OVER (ORDER BY b {order}), dense_rank() OVER (PARTITION BY {by} ORDER BY a {order}), \
             lag(a, 1) OVER (PARTITION BY {by} ORDER BY id), \
             sum(a) OVER (PARTITION BY {by}) FROM t{}",
            self.filter()
        )
    }

    fn set_operation(&mut self) -> String {
        let parts: Vec<String> = (0..2)
            .map(|_| {
                let (n, c) = (self.number(1), self.condition(1));
                format!("SELECT {n}, {c} FROM t{}", self.filter())
            })
            .collect();
        let word = self.one_of(&["UNION ALL", "UNION", "EXCEPT", "INTERSECT"]);
        parts.join(&format!(" {word} "))
    }

    fn nested(&mut self) -> String {
        let (inner, outer) = (self.condition(2), self.condition(2));
        match self.below(4) {
            0 => format!(
                "WITH v AS (SELECT id, a, b, s, p, {inner} AS q FROM t) \
                 SELECT q, count(*), sum(b) FROM v WHERE {outer} GROUP BY q"
            ),
            1 => format!(
                "SELECT id, (SELECT count(*) FROM u WHERE k = a AND u.id > 1) FROM t WHERE {outer}"
            ),
            2 => {
                let of = self.one_of(&["w > s", "u.id = b", "w = s AND u.id <> t.id"]);
                format!("SELECT id, a FROM t WHERE a IN (SELECT k FROM u WHERE {of}) AND {outer}")
            }
            _ => format!(
                "SELECT count(*), max(a) FROM (SELECT * FROM t WHERE {inner}) t WHERE {outer}"
            ),
        }
    }

    fn filter(&mut self) -> String {
        match self.below(4) {
            0 => String::new(),
            _ => {
                self.filters = true;
                let filter = format!(" WHERE {}", self.condition(2));
                self.filters = false;
                filter
            }
        }
    }

    fn aggregate(&mut self) -> String {
        let (n, s) = (self.number(1), self.text());
        let call = match self.below(9) {
            0 => "count(*)".to_owned(),
            1 => format!("count({n})"),
            2 => format!("count(DISTINCT {n})"),
            3 => format!("count(DISTINCT {s})"),
            4 => format!("sum({n})"),
            5 => format!("min({n})"),
            6 => format!("max(length({s}))"),
            7 => format!("avg({n})"),
            _ => format!("sum(DISTINCT {n})"),
        };
        match self.below(2) {
            0 => format!("{call} FILTER (WHERE {})", self.condition(2)),
            _ => call,
        }
    }

    fn number(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.below(4) {
                0 => (self.below(6) as i64 - 1).to_string(),
                _ => self.one_of(&NUMBERS).to_owned(),
            };
        }
        let (left, right) = (self.number(depth - 1), self.number(0));
        match self.below(7) {
            0 => format!("({left} + {right})"),
            1 => format!("({left} - {right})"),
            2 => format!("({left} % 3)"),
            3 => format!("coalesce({left}, {right})"),
            4 => format!("nullif({left}, {right})"),
            5 => format!("CASE WHEN {} THEN {left} ELSE {right} END", self.condition(1)),
            _ => format!("abs({left})"),
        }
    }

    fn text(&mut self) -> String {
        self.one_of(&["s", "upper(s)", "s || 'x'", "coalesce(s, 'none')", "substr(s, 1, 1)"])
            .to_owned()
    }

    fn condition(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.comparison();
        }
        let left = self.condition(depth - 1);
        match self.below(10) {
            0 => format!("NOT ({left})"),
            8 => format!("NOT {left}"),
            // AND and OR of `left` are not in parentheses here: the order of operators counts.
            9 => format!("{left} {} {}", self.one_of(&["AND", "OR"]), self.comparison()),
            1 => {
                let truth = ["TRUE", "FALSE", "NOT TRUE", "NOT FALSE", "NULL", "NOT NULL"];
                format!("(({left}) IS {})", self.one_of(&truth))
            }
            2 => left,
            way => {
                let less = self.below(depth);
                let right = self.condition(less);
                format!("({left} {} {right})", if way % 2 == 0 { "AND" } else { "OR" })
            }
        }
    }

    fn comparison(&mut self) -> String {
        match self.below(if self.filters { 14 } else { 10 }) {
            0..4 => self.list(),
            10.. => {
                self.filters = false;
                let value = self.number(1);
                self.filters = true;
                self.query(&value)
            }
            4 => {
                let op = self.one_of(&[
                    "=",
                    "<>",
                    "<",
                    "<=",
                    "IS DISTINCT FROM",
                    "IS NOT DISTINCT FROM",
                ]);
                format!("{} {op} {}", self.number(1), self.number(0))
            }
            5 => {
                let not = self.one_of(&["", "NOT "]);
                format!("{} {not}BETWEEN {} AND {}", self.number(0), self.number(0), self.number(0))
            }
            6 => {
                let not = self.one_of(&["", "NOT "]);
                let pattern = ["a%", "%b", "_b%", "%", "ab", "A%", ""];
                format!("s {not}LIKE '{}'", self.one_of(&pattern))
            }
            7 => {
                self.one_of(&["p", "q", "p = q", "p <> q", "p IS NULL", "q IS NOT NULL"]).to_owned()
            }
            8 => format!(
                "s {} '{}'",
                self.one_of(&["=", "<>", "<", ">="]),
                self.one_of(&["ab", "b", ""])
            ),
            _ => format!("{} IS NULL", self.number(1)),
        }
    }

    /// A condition that queries `u`.
    fn query(&mut self, value: &str) -> String {
        let not = self.one_of(&["", "NOT "]);
        match self.below(5) {
            0 => format!("{not}EXISTS (SELECT 1 FROM u WHERE k = {value} AND w >= 'a')"),
            _ => self.comparison_with_all(value),
        }
    }

    /// A condition with an uncorrelated subquery.
    fn comparison_with_all(&mut self, value: &str) -> String {
        let op = match self.below(6) {
            0 => self.one_of(&["= ANY", "<> ALL", "> ALL", "< ANY"]),
            _ => self.one_of(&["IN", "NOT IN"]),
        };
        let of = self.one_of(&[
            "k FROM u",
            "k FROM u WHERE k IS NOT NULL",
            "k FROM u WHERE k > 9",
            "max(k) FROM u",
            "count(*) FROM u",
            "k + 1 FROM u GROUP BY k",
            "k FROM u ORDER BY k NULLS FIRST LIMIT 2",
        ]);
        format!("{value} {op} (SELECT {of})")
    }

    fn list(&mut self) -> String {
        let not = self.one_of(&["", "NOT "]);
        if self.below(5) == 0 {
            let lists = ["'a', 'ab'", "'b', NULL", "'ab', 'b', 'c', 'abc'", "''", "upper(s), 'B'"];
            return format!("s {not}IN ({})", self.one_of(&lists));
        }
        let column = self.one_of(&["a", "a", "b", "a + 1"]);
        let length = self.below(5) + 1;
        let items = (0..length).map(|_| {
            self.one_of(&["1", "2", "3", "4", "-1", "0", "NULL", "b", "nullif(1, 1)", "1 + 1"])
        });
        let items = items.collect::<Vec<_>>().join(", ");
        format!("{column} {not}IN ({items})")
    }
}
