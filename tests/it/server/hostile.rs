//! Hostile statements, for all protocols: they are refused or answered, and the server survives.

/// A hostile statement.
pub(super) struct Hostile {
    pub(super) sql: String,
    /// Whether it must be refused; statements that are only slow or large may be answered.
    pub(super) refused: bool,
}

impl Hostile {
    /// As much of it as fits into a message.
    pub(super) fn shown(&self) -> String {
        self.sql.chars().take(60).collect()
    }
}

/// The statements; a server runs them with 64 MiB for each.
pub(super) fn statements() -> impl Iterator<Item = Hostile> {
    let refused = refused().into_iter().map(|sql| Hostile { sql, refused: true });
    refused.chain(slow_or_large().into_iter().map(|sql| Hostile { sql, refused: false }))
}

pub(super) fn many(what: &str, times: usize) -> String {
    what.repeat(times)
}

fn refused() -> Vec<String> {
    let made = [
        format!("SELECT {}1{}", many("(", 5_000), many(")", 5_000)),
        format!("SELECT 1{}", many(" + 1", 20_000)),
        format!("SELECT 1 WHERE {}true", many("NOT ", 5_000)),
        format!("SELECT {}1", many("- ", 5_000)),
        format!("SELECT CASE {}WHEN 1 THEN 1 END", many("WHEN true THEN CASE ", 500)),
        format!("SELECT {}1 2{}", many("POSITION(", 40), many(")", 40)),
        format!("SELECT {}1", many("POSITION(", 12)),
        format!("{}SELECT 1", many("SELECT 1 UNION ALL ", 3_000)),
        format!("SELECT 1{}", many(" UNION SELECT 1", 60_000)),
        format!(
            "WITH a0 AS (SELECT 1 AS n), {} SELECT count(*) FROM a30",
            (1..31)
                .map(|n| format!("a{n} AS (SELECT x.n FROM a{0} x, a{0} y)", n - 1))
                .collect::<Vec<_>>()
                .join(",")
        ),
        format!("SELECT a{} FROM (SELECT [1] a)", many("[1]", 90_000)),
        format!("SELECT count(*) FROM (SELECT 1) a0{}", many(", (SELECT 1)", 5_000)),
        format!("SELECT {}1{}", many("(SELECT ", 500), many(")", 500)),
        format!("SELECT {}", many("[", 5_000)),
        format!("SELECT '{}", many("x", 1 << 20)),
        format!("SELECT \"{}\"", many("é", 1 << 19)),
        format!("SELECT length(concat({}a)) FROM (SELECT repeat('x', 9000000) a)", many("a, ", 99)),
        format!("SELECT {}a FROM (SELECT repeat('x', 9000000) a)", many("a || ", 99)),
        format!("SELECT {}a FROM (SELECT range(0, 900000) a)", many("a || ", 99)),
        format!(
            "SELECT length({}t{}) FROM (SELECT repeat('x', 1000) || n AS t \
             FROM generate_series(1, 9999) m(n))",
            many("encode(", 20),
            many(", 'hex')", 20)
        ),
        format!(
            "SELECT {} FROM (SELECT string_agg(repeat('x', 1000), '') AS s \
             FROM generate_series(1, 10000))",
            (1..=60)
                .map(|at| format!("count(DISTINCT reverse(substr(s, {at})))"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    ];
    let plain = [
        "SELECT repeat('x', 2000000000)",
        "SELECT repeat(repeat('x', 100000), 100000)",
        "SELECT repeat('x', 16000000) FROM generate_series(1, 20000)",
        "SELECT range(0, 2000000) FROM generate_series(1, 20000)",
        "SELECT replace(repeat('x', 1000000), 'x', repeat('y', 1000000))",
        "SELECT regexp_replace(repeat('x', 1000000), '(x)', repeat('\\1', 1000000), 'g')",
        "SELECT array_to_string(range(0, 1000000), repeat('-', 1000000))",
        "SELECT string_agg(n::VARCHAR, repeat('-', 9000000)) FROM generate_series(1, 9999) t(n)",
        "SELECT array_agg(a.value) FROM generate_series(1, 100000000) a(value)",
        "SELECT length(to_char(TIMESTAMP '2026-01-01', repeat('%c', 1000000) || n)) \
         FROM generate_series(1, 9999) t(n)",
        "SELECT max(length(s || n)) FROM (SELECT string_agg(repeat('x', 1000), '') AS s \
         FROM generate_series(1, 10000)) a, generate_series(1, 99999) t(n)",
        "SELECT max(length(t || n)) FROM (SELECT t, unnest(range(0, 100000)) AS n \
         FROM (SELECT repeat('x', 1000000) AS t))",
        "SELECT max(cardinality(a)) FROM (SELECT array_agg(n) OVER (ORDER BY n) AS a \
         FROM generate_series(1, 99999) t(n))",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
        "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))",
        "SELECT max(levenshtein(repeat('a', 9000), repeat('b', 9000 + n))) \
         FROM generate_series(1, 9999) t(n)",
        "SELECT $é, ?, ?1, $0, $$ ",
        "SELECT $1",
        "\u{feff}\u{202e}SELECT",
        "SELECT bitmap_count(x'ffffffffffffffffffff')",
        "SELECT hll_count(x'00')",
        "SELECT 1 / 0, CAST('x' AS INT), -9223372036854775808 / -1",
        "SELECT * FROM generate_series(1, 10, 0)",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM read_csv('/etc/passwd')",
    ];
    made.into_iter().chain(plain.map(str::to_owned)).collect()
}

fn slow_or_large() -> Vec<String> {
    let made = [
        format!("SELECT 1{}", many(" + 1", 400)),
        format!("SELECT [1]{}", many(" || 1", 95)),
        format!(
            "SELECT {}1 FROM generate_series(1, 9999) t(n)",
            many("length(upper(repeat('x', 1500 + n % 9))) + ", 60)
        ),
        format!("{}SELECT 1 FROM (SELECT 2)", many("SELECT 1 UNION ALL ", 98)),
        format!("SELECT 1 IN ({}1)", many("1,", 50_000)),
        format!(
            "WITH {} SELECT 1",
            (0..500).map(|n| format!("a{n} AS (SELECT 1)")).collect::<Vec<_>>().join(",")
        ),
        format!("SELECT '{}', value FROM generate_series(1, 9999) t(value)", many("x", 1 << 20)),
    ];
    let plain = [
        "SELECT max(CASE WHEN n > 1 THEN repeat('x', 9000000) END) FROM generate_series(1, 9999) t(n)",
        "SELECT max(s) FROM (SELECT sum(n) OVER () AS s FROM generate_series(1, 20000000) t(n))",
        "SELECT regexp_match(repeat('a', 100000), '(a+)+$')",
        "SELECT date_bin(INTERVAL '0', now()), to_timestamp(1e300)",
        "SELECT DATE '0001-01-01', DATE '9999-12-31' + INTERVAL '300000 years'",
        "SELECT arrow_cast(9223372036854775807, 'Timestamp(Second, None)')",
        "SELECT arrow_cast(-2147483648, 'Date32'), arrow_cast(1, 'Decimal256(70, 3)')",
        "SELECT map(['a'], [1]), struct(1, 'a'), [[1]], [struct(1)]",
    ];
    made.into_iter().chain(plain.map(str::to_owned)).collect()
}
