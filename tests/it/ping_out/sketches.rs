//! Sketches of several installations whose users overlap, and whose own ids of users are the same
//! numbers for different people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use engine::JobContext;
use engine::active::TreeOf;
use engine::calendar::Day;
use engine::metric::Dictionary;
use engine::overview::{NodeUnion, ping_unions};
use engine::pings::{Inputs, PingTables};

use super::{FIRST, STAGES};
use crate::project::Project;
use crate::table::Table;

const SALT: &str = "a secret of all installations";
const METRICS: &str = "\
- {key_path: monthly.open, product_group: boards, data_source: database, time_frame: 28d,
   events: [{name: open, unique: user.id}]}
- {key_path: monthly.close, product_group: notes, data_source: database, time_frame: 28d,
   events: [{name: close, unique: user.id}]}
- {key_path: monthly.both, product_group: notes, data_source: database, time_frame: 28d, operator: AND,
   events: [{name: open, unique: user.id}, {name: close, unique: user.id}]}
- {key_path: monthly.run, product_group: pipelines, data_source: database, time_frame: 28d,
   events: [{name: run, unique: user.id}]}
- {key_path: total.open, data_source: database, time_frame: all, events: [{name: open, unique: user.id}]}
- {key_path: total.runs, data_source: internal_events, time_frame: 28d, events: [{name: run}]}
";

/// An installation: its people, of whom those divisible by 2, 3 and 5 open, close and run.
struct Installation {
    name: &'static str,
    people: Range<u32>,
    salt: &'static str,
}

const FLEET: [Installation; 3] = [
    Installation { name: "a", people: 0..9_000, salt: SALT },
    Installation { name: "b", people: 6_000..15_000, salt: SALT },
    Installation { name: "c", people: 14_000..14_300, salt: SALT },
];

const EVENTS: [(&str, u32); 3] = [("open", 2), ("close", 3), ("run", 5)];

impl Installation {
    fn project(&self) -> Project {
        let project = Project::empty();
        let Self { name, people, salt } = self;
        project.write(
            "headcount.yaml",
            format!(
                "sources:\n  - {{name: events, files: events.csv, time: at, user: {{column: user, scope: \
                 server}}, event: event}}\ninstallation: {{uuid: {name}, hostname: {name}.example.com, \
                 sketches: {{salt_file: salt, user: email}}}}\n"
            ),
        );
        project.write("salt", salt);
        write_dictionary(&project);
        let mut text = "at,server,user,email,event\n".to_owned();
        // Events of March in the window of 28 days, and one before it.
        let (march, before) = (Day::new(FIRST + 75), Day::new(FIRST + 20));
        for (own_id, person) in people.clone().enumerate() {
            for (event, divisor) in EVENTS {
                if person.is_multiple_of(divisor) {
                    let user = format!("web,{own_id},p{person}@example.com,{event}");
                    let _ = writeln!(text, "{march}T10:00:00Z,{user}\n{before}T10:00:00Z,{user}");
                }
            }
        }
        let _ = writeln!(text, "{march}T10:00:00Z,web,77777,,close");
        project.write("events.csv", text);
        project
    }

    fn ping(&self, arguments: &[&str]) -> String {
        let project = self.project();
        let ran = project.run(&[&["ping", "--as-of", "2026-03-31"], arguments].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        if arguments.contains(&"--sketches") {
            let message = "left out of the sketches: 1 row without `email`";
            assert!(ran.err.contains(message), "{}", ran.err);
        }
        ran.out
    }
}

fn write_dictionary(project: &Project) {
    project.write("dictionary/stages.yml", STAGES);
    project.write("dictionary/events/all.yml", "- action: open\n- action: close\n- action: run\n");
    project.write("dictionary/metrics/all.yml", METRICS);
}

/// A project that reads these documents, each from a file of its own or all from the lines of one.
fn receiver(pings: &[String], as_lines: bool) -> Project {
    let receiver = Project::empty();
    receiver.write(
        "headcount.yaml",
        "sources:\n  - {name: fleet, format: service_ping, files: pings}\n",
    );
    write_dictionary(&receiver);
    if as_lines {
        let one_line =
            |ping: &String| serde_json::from_str::<serde_json::Value>(ping).unwrap().to_string();
        let lines: Vec<String> = pings.iter().map(one_line).collect();
        receiver.write("pings/all.ndjson", lines.join("\n"));
    } else {
        for (at, ping) in pings.iter().enumerate() {
            receiver.write(&format!("pings/{at}.json"), ping);
        }
    }
    receiver
}

fn unions(receiver: &Project) -> Vec<NodeUnion> {
    unions_of(receiver, TreeOf::Today)
}

fn unions_of(receiver: &Project, tree: TreeOf) -> Vec<NodeUnion> {
    let project = engine::project::Project::load(receiver.root()).unwrap();
    let dictionary = Dictionary::load(project.dictionary.as_ref().unwrap()).unwrap();
    let inputs = Inputs::find(&project.root, &project.ping_sources, &project.pings, None).unwrap();
    let job = JobContext::default();
    let tables = PingTables::load(&project.pings, &dictionary, &inputs, None, &job).unwrap();
    ping_unions(&dictionary, &tables, &inputs, tree, &|_| true, &job).unwrap()
}

/// The people of some installations that do something.
fn people(fleet: &[Installation], does: impl Fn(u32) -> bool) -> u64 {
    let all: BTreeSet<u32> = fleet.iter().flat_map(|one| one.people.clone()).collect();
    all.into_iter().filter(|person| does(*person)).count() as u64
}

/// What a node is printed as, and how many people of the fleet are in it.
fn truth() -> BTreeMap<&'static str, u64> {
    let [open, close, run] =
        EVENTS.map(|(_, divisor)| move |person: u32| person.is_multiple_of(divisor));
    let of = |does: &dyn Fn(u32) -> bool| people(&FLEET, does);
    BTreeMap::from([
        ("total", of(&|p| open(p) || close(p) || run(p))),
        ("section dev", of(&|p| open(p) || close(p))),
        ("section ops", of(&run)),
        ("stage plan", of(&|p| open(p) || close(p))),
        ("stage verify", of(&run)),
        ("group boards", of(&open)),
        ("group notes", of(&close)),
        ("group pipelines", of(&run)),
        ("action monthly.open", of(&open)),
        ("action monthly.close", of(&close)),
        ("action monthly.both", of(&|p| open(p) && close(p))),
        ("action monthly.run", of(&run)),
    ])
}

fn name(node: &NodeUnion) -> String {
    let name = &node.name;
    let own = name.metric.as_ref().or(name.group.as_ref()).or(name.stage.as_ref());
    let own = own.or(name.section.as_ref()).map(String::as_str).unwrap_or_default();
    format!("{} {own}", name.level).trim_end().to_owned()
}

#[test]
fn unions_of_three_installations_are_near_the_true_ones() {
    let pings: Vec<String> = FLEET.iter().map(|one| one.ping(&["--sketches"])).collect();
    let truth = truth();
    let mut first = None;
    for as_lines in [false, true] {
        let receiver = receiver(&pings, as_lines);
        let unions = unions(&receiver);
        let mut compared = 0;
        for node in &unions {
            let union = &node.union;
            assert_eq!((union.month.to_string().as_str(), union.complete), ("2026-03-01", false));
            let true_users = truth[name(node).as_str()];
            let (low, high) = (union.users.low, union.users.high);
            assert!((low..=high).contains(&true_users), "{}: {true_users} {union:?}", name(node));
            assert!(low < high && (high - low) * 25 < true_users, "{union:?}");
            assert_eq!((union.installations, union.without), (3, 0), "{}", name(node));
            compared += 1;
        }
        assert_eq!(compared, truth.len());
        // The same from files and from lines, and with the tree of each period.
        assert_eq!(&unions_of(&receiver, TreeOf::Period), &unions);
        assert_eq!(first.get_or_insert(unions.clone()), &unions);

        let levels = "total,combined,section,stage,group,action";
        let ran = receiver.run(&[
            "report",
            "--method",
            "union",
            "--level",
            levels,
            "--by",
            "deployment",
            "--format",
            "csv",
        ]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        // Counts of events have no sketches, and nobody is missing.
        assert_eq!(ran.err, "");
        let rows = Table::of_csv(&ran.out).rows;
        let printed = |level: &str, own: &str, deployment: &str| {
            let is_it = |row: &&Vec<String>| {
                let last = row[5..9].iter().rev().find(|key| !key.is_empty());
                row[4] == level && last.map_or("", String::as_str) == own && row[9] == deployment
            };
            let row = rows.iter().find(is_it).unwrap();
            row[10..16].join(" ")
        };
        for node in unions.iter().filter(|node| node.union.installations > 0) {
            let name = name(node);
            let (level, own) = name.split_once(' ').unwrap_or((&name, ""));
            let union = node.union.users;
            let numbers = format!("{} {} {}", union.users, union.low, union.high);
            assert_eq!(
                printed(level, own, "self_managed"),
                format!("union recorded approx {numbers}")
            );
            assert_eq!(printed(level, own, ""), format!("sum recorded approx {numbers}"));
        }
        let stages = unions.iter().filter(|node| name(node).starts_with("stage"));
        let sum: u64 = stages.map(|node| node.union.users.users).sum();
        assert!(printed("combined", "", "").starts_with(&format!("sum recorded approx {sum} ")));

        let ran = receiver.run(&[
            "sql",
            "--format",
            "csv",
            "-c",
            "SELECT key_path, hll_count(hll_union(sketch)) AS users, count(DISTINCT uuid) AS senders, \
             count(DISTINCT salt) AS salts FROM ping_sketches \
             WHERE month = DATE '2026-03-01' AND key_path IN ('monthly.both', 'total.open') GROUP BY key_path",
        ]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let table = Table::of_csv(&ran.out);
        assert_eq!(table.rows.len(), 2);
        let users = table.numbers(&["key_path", "senders", "salts"], "users");
        let both = |node: &&NodeUnion| node.name.metric.as_deref() == Some("monthly.both");
        let union = unions.iter().find(both).unwrap().union.users.users;
        assert_eq!(users[&["monthly.both", "3", "1"].map(str::to_owned)[..]], union);
        let open = users[&["total.open", "3", "1"].map(str::to_owned)[..]];
        let true_open = people(&FLEET, |person| person.is_multiple_of(2));
        assert!(open.abs_diff(true_open) * 50 < true_open, "{open} {true_open}");
    }
}

#[test]
fn few_users_are_united_exactly_and_no_sketch_is_of_a_suppressed_value() {
    let small = Installation { name: "c", people: 0..300, salt: SALT };
    let other = Installation { name: "d", people: 100..400, salt: SALT };
    let arguments = ["--sketches", "--min-users", "65"];
    let pings = [&small, &other].map(|one| one.ping(&arguments));
    // 60 or 61 people run in each, 50 do both.
    let document: serde_json::Value = serde_json::from_str(&pings[0]).unwrap();
    let sketches = document["headcount_sketches"]["by_key_path"].as_object().unwrap();
    let kept: Vec<&str> = sketches.keys().map(String::as_str).collect();
    assert_eq!(kept, ["monthly.close", "monthly.open", "total.open"]);
    assert!(document.get("total").is_some_and(|total| total.get("runs").is_none()));
    let unions = unions(&receiver(&pings, true));
    let exact: BTreeMap<String, (u64, u64)> = unions
        .iter()
        .map(|node| (name(node), (node.union.users.users, node.union.installations)))
        .collect();
    let fleet = [small, other];
    let open = people(&fleet, |p| p.is_multiple_of(2));
    let close = people(&fleet, |p| p.is_multiple_of(3));
    let either = people(&fleet, |p| p.is_multiple_of(2) || p.is_multiple_of(3));
    assert_eq!(exact["action monthly.open"], (open, 2));
    assert_eq!(exact["group notes"], (close, 2));
    assert_eq!((exact["stage plan"], exact["total"]), ((either, 2), (either, 2)));
    assert!(!exact.contains_key("action monthly.run"), "{exact:?}");
}

#[test]
fn installations_that_cannot_be_united_are_counted() {
    let with_salt = |name, salt| Installation { name, people: 0..300, salt };
    let pings = [
        with_salt("a", SALT).ping(&["--sketches"]),
        with_salt("b", SALT).ping(&["--sketches"]),
        with_salt("c", "0 another secret, of others").ping(&["--sketches"]),
        with_salt("d", SALT).ping(&[]),
        // A broken sketch of one metric, and a salt that is none.
        with_salt("e", SALT)
            .ping(&["--sketches"])
            .replace("\"monthly.open\": \"", "\"monthly.open\": \"x"),
        with_salt("f", SALT).ping(&["--sketches"]).replace("\"salt\": \"", "\"salt\": \"x"),
        // Older than the last ping of its month, and of another month.
        with_salt("a", SALT).ping(&["--sketches"]).replace("2026-03-31T", "2026-03-24T"),
        with_salt("f", SALT).ping(&["--sketches"]).replace("2026-03-31T", "2026-02-28T"),
    ];
    let receiver = receiver(&pings, false);
    let unions = unions(&receiver);
    let rows: BTreeMap<(String, String), (u64, u64, u64)> = unions
        .iter()
        .map(|node| {
            let union = &node.union;
            let key = (union.month.to_string(), name(node));
            (key, (union.users.users, union.installations, union.without))
        })
        .collect();
    let get = |month: &str, node: &str| rows[&(month.to_owned(), node.to_owned())];
    assert_eq!(get("2026-03-01", "action monthly.open"), (150, 2, 4));
    assert_eq!(get("2026-03-01", "action monthly.close"), (100, 3, 3));
    assert_eq!(get("2026-03-01", "group notes"), (100, 3, 3));
    // Some of the users of `e` are missing.
    assert_eq!(get("2026-03-01", "stage plan"), (200, 3, 4));
    assert_eq!(get("2026-02-01", "stage plan"), (200, 1, 0));
    let ran = receiver.run(&[
        "sql",
        "--format",
        "csv",
        "-c",
        "SELECT uuid, month, recorded_at, salt IS NULL AS no_salt, sketch IS NULL AS no_sketch FROM ping_sketches \
         WHERE key_path = 'monthly.open' ORDER BY month, uuid",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let rows = Table::of_csv(&ran.out).rows;
    let rows: Vec<String> = rows.into_iter().map(|row| row.join(" ")).collect();
    let march = "2026-03-01 2026-03-31T23:59:59Z";
    let expected = [
        "f 2026-02-01 2026-02-28T23:59:59Z false false".to_owned(),
        format!("a {march} false false"),
        format!("b {march} false false"),
        format!("c {march} false false"),
        format!("e {march} false true"),
        format!("f {march} true false"),
    ];
    assert_eq!(rows, expected);
    // Neither values nor their key paths have anything of the sketches.
    let ran = receiver.run(&[
        "sql",
        "--format",
        "csv",
        "-c",
        "SELECT count(*) AS n FROM ping_values WHERE key_path LIKE '%headcount%' OR key_path LIKE '%salt%'",
    ]);
    assert_eq!(ran.out, "n\n0\n");
}

#[test]
fn a_sketch_does_not_depend_on_ids_formats_or_order() {
    let sketches = |text: &str| -> serde_json::Value {
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        document["headcount_sketches"].clone()
    };
    let first = Installation { name: "a", people: 0..2_000, salt: SALT }.project();
    let ping = |project: &Project| {
        let ran = project.run(&["ping", "--as-of", "2026-03-31", "--sketches"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        sketches(&ran.out)
    };
    let expected = ping(&first);
    assert_eq!(expected["by_key_path"].as_object().unwrap().len(), 5);
    // Other ids, the lines in reverse, and white space around the salt.
    let text = std::fs::read_to_string(first.path("events.csv")).unwrap();
    let (header, lines) = text.split_once('\n').unwrap();
    let mut lines: Vec<String> =
        lines.lines().map(|line| line.replacen(",web,", ",mail,9", 1)).collect();
    lines.reverse();
    first.write("events.csv", format!("{header}\n{}\n", lines.join("\n")));
    first.write("salt", format!(" {SALT}\n\n"));
    assert_eq!(ping(&first), expected);
    assert_eq!(first.run(&["ingest"]).code, 0);
    assert_eq!(ping(&first), expected);
    first.write("salt", SALT.to_uppercase());
    let other = ping(&first);
    assert_ne!(other["salt"], expected["salt"]);
    assert_ne!(other["by_key_path"]["monthly.open"], expected["by_key_path"]["monthly.open"]);
}
