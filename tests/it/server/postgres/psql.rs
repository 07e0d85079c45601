//! psql.

use std::process::Command;

use super::server::Server;
use crate::project::Project;

/// What psql printed.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs psql; without its own files of settings.
pub(crate) fn psql(uri: &str, arguments: &[&str]) -> Ran {
    let output = Command::new("psql")
        .args(["-X", "-v", "ON_ERROR_STOP=1", "-d", uri])
        .args(arguments)
        .env("PGCONNECT_TIMEOUT", "30")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("these tests need the program psql: install the package postgresql-client");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    Ran { code, out: text(&output.stdout), err: text(&output.stderr) }
}

fn psql_on(server: &Server, arguments: &[&str]) -> Ran {
    psql(&format!("postgresql://ada@{}/headcount", server.postgres), arguments)
}

/// psql prints all parts, and nothing on stderr.
#[track_caller]
fn prints(server: &Server, command: &str, parts: &[&str]) -> String {
    let ran = psql_on(server, &["-c", command]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command}: {}", ran.out);
    for part in parts {
        assert!(ran.out.contains(part), "{command}: no {part:?} in\n{}", ran.out);
    }
    ran.out
}

/// Runs `\d` commands that may fail, and then a query that prints `the end`.
fn list_all(server: &Server, lists: &[&str]) -> Ran {
    let commands: Vec<String> = lists.iter().map(|list| format!("\\d{list}")).collect();
    let mut arguments = vec!["-v", "ON_ERROR_STOP=0", "-v", "VERBOSITY=verbose"];
    arguments.extend(commands.iter().flat_map(|command| ["-c", command]));
    arguments.extend(["-c", "SELECT 'the end'"]);
    psql_on(server, &arguments)
}

#[test]
fn psql_lists_the_catalog() {
    let project = Project::good();
    let server = Server::start(project.root(), &[]);
    for (command, parts) in [
        ("SELECT count(*) FROM visits", &["7"][..]),
        ("SELECT period_start, users FROM mau ORDER BY 1", &["2026-01-01   |     2"]),
        ("\\conninfo", &["127.0.0.1", "database \"headcount\""]),
        ("\\l", &[" headcount |", "(1 row)"]),
        ("\\dn", &["public"]),
        ("\\d", &["visits", "smau", "metrics"]),
        ("\\l+", &[" headcount |", "(1 row)"]),
        ("\\dt", &["visits"]),
        ("\\dt+", &["visits"]),
        ("\\dt v*", &["visits"]),
        ("\\dv", &["smau"]),
        ("\\d visits", &["user_id", "text", "plan"]),
        ("\\d smau", &["period_start", "date", "users", "bigint"]),
        ("\\d+ smau", &["View definition:", "FROM active_users(level => 'stage')"]),
        ("\\d+ visits", &["user_id"]),
        ("\\df", &["public | exact_distinct ", "active_users", "bitmap_agg", "| agg"]),
        ("\\df active_users", &["| SETOF record", "\"window\" \"any\", level", "(1 row)"]),
        ("\\df bitmap_count", &["| bigint ", "| b bytea ", "| func", "(1 row)"]),
        ("\\df+ bitmap*", &["bitmap_union", "immutable", "The number of users in a set."]),
        ("\\df nothing", &["(0 rows)"]),
        ("\\da bitmap_agg", &["| bytea ", "expression \"any\""]),
        ("\\du", &["Role name"]),
        ("\\dx", &["Name"]),
        ("\\dn+", &["dictionary", "public"]),
        ("\\d dictionary.events", &["category", "text"]),
        ("SELECT * FROM visits LIMIT 0", &["user_id", "(0 rows)"]),
        ("EXPLAIN SELECT count(*) FROM visits", &["plan_type"]),
        ("SHOW TABLES", &["visits"]),
        ("SHOW ALL", &["headcount.exact_distinct", "headcount.rollup"]),
        ("DESCRIBE visits", &["user_id"]),
        ("\\timing on", &["Timing is on"]),
        ("BEGIN; SELECT 1; COMMIT", &["1"]),
    ] {
        prints(&server, command, parts);
    }
    // Kinds of objects that do not exist, and privileges, which are not set: psql treats some empty
    // lists as failures, and continues only if configured so.
    let lists = ["D", "E", "i", "m", "p", "P", "Rp", "Rs", "s", "X"];
    let details = ["E+", "i+", "m+", "p+", "Rp+", "Rs+", "s+", "X+"];
    let ran = list_all(&server, &[&lists[..], &details[..]].concat());
    assert!(ran.out.contains("the end") && !ran.err.contains("ERROR"), "{}", ran.err);
    // Rarer commands list what the catalog has, or fail; the connection goes on.
    let rare = [
        "Ac", "Af", "Ao", "Ap", "c", "C", "config", "d", "D+", "ddp", "es", "et", "eu", "ew", "F",
        "L", "o", "O", "P+", "rds", "T", "y",
    ];
    let ran = list_all(&server, &rare);
    assert!(ran.out.contains("the end") && !ran.err.contains("XX000"), "{}", ran.err);
    let tables = prints(&server, "\\dt", &[]);
    assert!(!tables.contains("smau"), "views are no tables:\n{tables}");
    let ran = psql_on(&server, &["-Atc", "SELECT DATE '2026-01-31', true, NULL, 1.50"]);
    assert_eq!(ran.out, "2026-01-31|t||1.50\n", "{}", ran.err);
    let wrong = psql_on(&server, &["-c", "SELECT * FROM nowhere"]);
    assert!(
        wrong.err.contains("no table `nowhere`") && wrong.err.contains("HINT"),
        "{}",
        wrong.err
    );
    // Any name of a database is accepted, and is that of the connection.
    let uri = format!("postgresql://ada@{}/sales", server.postgres);
    for (command, expected) in [
        ("SELECT current_database(), current_catalog", "sales|sales\n"),
        ("SELECT count(*) FROM sales.public.visits", "7\n"),
        ("SELECT DISTINCT table_catalog FROM information_schema.tables", "sales\n"),
    ] {
        let ran = psql(&uri, &["-Atc", command]);
        assert_eq!(ran.out, expected, "{command}: {}", ran.err);
    }
    let ran = psql(&uri, &["-c", "\\conninfo", "-c", "\\l"]);
    assert!(ran.out.contains("database \"sales\""), "{ran:?}");
    assert!(ran.out.contains("\n sales |") && ran.out.contains("(1 row)"), "{ran:?}");
    // Many rows, in parts.
    let sql = "SELECT value FROM generate_series(1, 5000) t(value)";
    let ran = psql_on(&server, &["-At", "-v", "FETCH_COUNT=1000", "-c", sql]);
    assert_eq!(ran.out.lines().count(), 5000, "{}", ran.err);
    let folder = Project::empty();
    let file = folder.path("plans.csv").display().to_string();
    let query = "SELECT plan, count(*) AS n FROM visits GROUP BY plan ORDER BY plan";
    let copied = psql_on(&server, &["-c", &format!("\\copy ({query}) TO '{file}' CSV HEADER")]);
    assert_eq!(copied.out, "COPY 2\n", "{}", copied.err);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "plan,n\nfree,4\npaid,3\n");
    let copied = psql_on(&server, &["-c", "COPY visits (plan, user_id) TO STDOUT"]);
    assert_eq!(copied.out.lines().next(), Some("free\t1"), "{}", copied.err);
    let copied = psql_on(&server, &["-c", "\\copy visits FROM '/dev/null'"]);
    assert!(copied.err.contains("only reads"), "{}", copied.err);
    server.assert_healthy();
}
