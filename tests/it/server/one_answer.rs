//! The same question by every interface: command, view, table function, plain SQL, PostgreSQL's
//! protocol, Flight SQL and HTTP; from the events, and from the store.

use datasets::{Ids, Settings, generate};

use super::postgres::psql::psql;
use super::postgres::server::Server;
use crate::project::run_in;
use crate::python;
use crate::table::Table;

/// A line for each month, and stage if there is one, with its users.
type Answer = Vec<String>;

fn sorted(mut answer: Answer) -> Answer {
    answer.sort();
    answer
}

fn lines(text: &str) -> Answer {
    sorted(text.lines().map(|line| line.replace(',', "|")).collect())
}

/// The query of each level: a view, and SQL over the events.
const LEVELS: [(&str, &str, &str); 2] = [
    (
        "total",
        "SELECT period_start, users FROM mau",
        "SELECT date_trunc('month', ts)::DATE, count(DISTINCT user_id) FROM events GROUP BY 1",
    ),
    (
        "stage",
        "SELECT period_start, stage, users FROM smau",
        "SELECT date_trunc('month', ts)::DATE, stage, count(DISTINCT user_id) FROM events \
         GROUP BY 1, 2",
    ),
];

#[test]
fn all_interfaces_give_the_same_answer() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut settings = Settings::new(root);
    (settings.events, settings.users, settings.months) = (60_000, 9_000, 3);
    settings.ids = Ids::Uuid;
    generate(&settings, &|_| ()).unwrap();
    let truth = std::fs::read_to_string(root.join("truth/truth.csv")).unwrap();
    let truth = Table::of_csv(&truth).numbers(&["level", "plan", "period_start", "key"], "users");
    for ingested in [false, true] {
        if ingested {
            assert_eq!(run_in(root, &["ingest"]).code, 0);
        }
        let more = ["--flight", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        let mut server = Server::start(root, &more);
        let flight = server.address("flight");
        let http = server.address("http");
        for (level, view, events) in LEVELS {
            let by_stage = level == "stage";
            let expected = truth
                .iter()
                .filter(|(key, users)| key[0] == level && key[1].is_empty() && **users > 0);
            let expected = expected.map(|(key, users)| match by_stage {
                true => format!("{}|{}|{users}", key[2], key[3]),
                false => format!("{}|{users}", key[2]),
            });
            let expected = sorted(expected.collect());
            assert_eq!(expected.len(), if by_stage { 30 } else { 3 });
            let columns =
                if by_stage { "period_start, stage, users" } else { "period_start, users" };
            let function = format!("SELECT {columns} FROM active_users('month', '{level}')");
            let named = format!("SELECT {columns} FROM active_users(level => '{level}')");
            let report = |text: &str| {
                let table = Table::of_csv(text);
                let names: Vec<&str> = columns.split(", ").collect();
                sorted(table.lines(&names).iter().map(|line| line.replace(' ', "|")).collect())
            };
            let command = run_in(root, &["report", "--format", "csv", "--level", level]);
            let prompt = |sql: &str| {
                let ran = run_in(root, &["sql", "--format", "csv", "-c", sql]);
                lines(ran.out.split_once('\n').unwrap_or_default().1)
            };
            let uri = format!("postgresql://ada@{}/headcount", server.postgres);
            let postgres = |sql: &str| lines(&psql(&uri, &["-Atc", sql]).out);
            let adbc = |sql: &str| lines(&python::run("flight.py", &["lines", &flight, sql]));
            let json = python::run("web.py", &[&http, level, columns]);
            for (way, answer) in [
                ("report", report(&command.out)),
                ("view", prompt(view)),
                ("table function", prompt(&function)),
                ("table function, named", prompt(&named)),
                ("COUNT(DISTINCT)", prompt(events)),
                ("psql, view", postgres(view)),
                ("psql, table function, named", postgres(&named)),
                ("psql, COUNT(DISTINCT)", postgres(events)),
                ("ADBC, table function", adbc(&function)),
                ("ADBC, COUNT(DISTINCT)", adbc(events)),
                ("HTTP", lines(&json)),
            ] {
                assert_eq!(answer, expected, "{level}, {way}, ingested: {ingested}");
            }
            // The second round must use the store.
            let plan = run_in(root, &["sql", "-c", &format!("EXPLAIN {events}")]).out;
            assert_eq!(plan.contains("RollupExec"), ingested, "{plan}");
        }
        server.assert_healthy();
    }
}
