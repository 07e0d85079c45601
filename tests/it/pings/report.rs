//! `headcount report` over pings, alone and together with events.

use super::estimates::worked_example;
use super::{Fleet, ping};
use crate::table::Table;

const STAGES: &str = "\
stages:
  plan: {display_name: Plan, section: dev, groups: {issues: {name: Issues}, boards: {name: Boards}}}
  create: {display_name: Create, section: dev, groups: {code: {name: Code}}}
";
const METRICS: &str = "\
- {key_path: monthly.users, product_group: issues, time_frame: 28d, performance_indicator_type: [smau, gmau, umau],
   events: [{name: opened, unique: user.id}]}
- {key_path: monthly.other, product_group: boards, time_frame: 28d, performance_indicator_type: [gmau]}
- {key_path: monthly.pushes, product_group: code, time_frame: 28d, performance_indicator_type: [smau, gmau],
   events: [{name: pushed, unique: user.id}]}
";
const ALL_LEVELS: &str = "total,combined,section,stage,group,action";

/// Three installations in January, of which SaaS sends a ping of 700; with events of SaaS if there are
/// settings `events`.
fn fleet(has_events: bool, settings: &str) -> Fleet {
    let fleet = Fleet::new(settings);
    let project =
        "dictionary: dictionary\nsources:\n  - {name: fleet, format: service_ping, files: pings}\n";
    let events = match has_events {
        true => "  - {name: clicks, files: events.csv, time: at, user: user, event: event}\n",
        false => "",
    };
    let settings = match settings {
        "" => String::new(),
        line => format!("pings:\n  {line}\n"),
    };
    fleet.0.write("headcount.yaml", format!("{project}{events}{settings}"));
    fleet.0.write("dictionary/metrics/all.yml", METRICS);
    fleet.0.write("dictionary/stages.yml", STAGES);
    fleet.0.write("dictionary/events/all.yml", "[]");
    // In the last 28 days of January, from the 4th on, three people opened something.
    fleet.0.write(
        "events.csv",
        "at,user,event\n2026-01-03T00:00:00Z,9,opened\n2026-01-04T00:00:00Z,1,opened\n\
         2026-01-31T00:00:00Z,2,opened\n2026-01-20T00:00:00Z,2,opened\n2026-01-20T00:00:00Z,3,opened\n\
         2026-01-20T00:00:00Z,3,pushed\n2026-02-01T00:00:00Z,3,pushed\n",
    );
    let fields = |edition: &str, users: u64, other: u64, pushes: u64| {
        format!(
            r#""edition": "{edition}", "version": "16.1.0", "monthly": {{"users": {users}, "other": {other}, "pushes": {pushes}}}"#
        )
    };
    let saas = ping("saas", "2026-01-15T00:00:00Z", &fields("EEU", 700, 0, 0))
        .replace("\"saas\"", "\"ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f\"")
        .replace("saas.example.com", "gitlab.com");
    fleet.write_all(&[
        &ping("a", "2026-01-15T00:00:00Z", &fields("EEP", 10, 5, 3)),
        &ping("b", "2026-01-16T00:00:00Z", &fields("CE", 20, 1, 40)),
        &ping("b", "2026-02-02T00:00:00Z", &fields("CE", 15, 1, 40)),
        &saas,
    ]);
    fleet
}

impl Fleet {
    /// Some columns of the recorded rows of January, their values joined by a space.
    #[track_caller]
    fn report(&self, arguments: &[&str], columns: &[&str]) -> Vec<String> {
        let january = ["--from", "2026-01", "--to", "2026-01", "--format", "csv"];
        let ran = self.0.run(&[&["report"][..], &january, arguments].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let table = Table::of_csv(&ran.out);
        let at = |name: &str| table.header.iter().position(|column| column == name).unwrap();
        let recorded = table.rows.iter().filter(|row| row[at("basis")] == "recorded");
        let shown = |row: &Vec<String>| {
            let values: Vec<&str> = columns.iter().map(|name| row[at(name)].as_str()).collect();
            values.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
        };
        recorded.map(shown).collect()
    }
}

#[test]
fn the_worked_figures() {
    let fleet = worked_example();
    fleet.0.write(
        "dictionary/metrics/all.yml",
        "[{key_path: monthly.users, time_frame: 28d, performance_indicator_type: [umau]}]",
    );
    for (measure, lines) in [
        (
            "subscriptions",
            [
                "total ,sum,recorded,1800000",
                "total ,sum,estimated,2466667",
                "total saas,indicator,recorded,800000",
                "total saas,indicator,estimated,800000",
                "total self_managed,indicator,recorded,1000000",
                "total self_managed,indicator,estimated,1666667",
            ],
        ),
        (
            "seats",
            [
                "total ,sum,recorded,1800000",
                "total ,sum,estimated,2686792",
                "total saas,indicator,recorded,800000",
                "total saas,indicator,estimated,800000",
                "total self_managed,indicator,recorded,1000000",
                "total self_managed,indicator,estimated,1886792",
            ],
        ),
    ] {
        let month = ["--to", "2026-01", "--level", "total", "--by", "deployment"];
        let end = ["--measure", measure, "--format", "csv"];
        let ran = fleet.0.run(&[&["report"][..], &month, &end].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        let rows = Table::of_csv(&ran.out).rows;
        let shown: Vec<String> = rows
            .iter()
            .map(|row| format!("{} {},{},{},{}", row[4], row[9], row[10], row[11], row[13]))
            .collect();
        assert_eq!(shown, lines, "{measure}");
    }
}

#[test]
fn the_methods_add_up_installations() {
    let fleet = fleet(false, "");
    let columns = ["level", "stage", "group", "metric", "method", "users"];
    let rows = |method: &str| fleet.report(&["--method", method, "--level", ALL_LEVELS], &columns);
    // Users 10 + 20 + 700, other 5 + 1 + 0, pushes 3 + 40 + 0. Without events SaaS is in its ping.
    let actions = [
        "action create code monthly.pushes sum 43",
        "action plan boards monthly.other sum 6",
        "action plan issues monthly.users sum 730",
    ];
    let indicator = [
        "total sum 730",
        "combined sum 773",
        "section sum 773",
        "stage create sum 43",
        "stage plan sum 730",
        "group create code sum 43",
        "group plan boards sum 6",
        "group plan issues sum 730",
    ];
    assert_eq!(rows("indicator"), [&indicator[..], &actions].concat());
    // Of each deployment the largest: self-managed 43 and SaaS 700.
    assert_eq!(
        rows("max")[..5],
        [
            "total sum 743",
            "combined sum 773",
            "section sum 743",
            "stage create sum 43",
            "stage plan sum 730"
        ]
    );
    assert_eq!(
        rows("sum")[..5],
        [
            "total sum 779",
            "combined sum 779",
            "section sum 779",
            "stage create sum 43",
            "stage plan sum 736"
        ]
    );
}

#[test]
fn events_and_pings_are_one_view() {
    let columns = ["window", "period_start", "stage", "deployment", "method", "users"];
    let stages = ["--level", "stage", "--by", "deployment"];
    // Three opened something in the last 28 days, and one pushed.
    assert_eq!(
        fleet(true, "").report(&stages, &columns),
        [
            "ping_28d 2026-01-01 create sum 44",
            "last_28d_of_month 2026-01-04 create saas indicator 1",
            "ping_28d 2026-01-01 create self_managed indicator 43",
            "ping_28d 2026-01-01 plan sum 33",
            "last_28d_of_month 2026-01-04 plan saas indicator 3",
            "ping_28d 2026-01-01 plan self_managed indicator 30",
        ]
    );
    assert_eq!(
        fleet(true, "saas: {counted_from: pings}").report(&stages, &columns)[3..],
        [
            "ping_28d 2026-01-01 plan sum 730",
            "ping_28d 2026-01-01 plan saas indicator 700",
            "ping_28d 2026-01-01 plan self_managed indicator 30",
        ]
    );
    // The total is that of the metrics flagged umau, in events as well.
    let total = ["--level", "total", "--by", "deployment"];
    assert_eq!(
        fleet(true, "").report(&total, &columns),
        [
            "ping_28d 2026-01-01 sum 33",
            "last_28d_of_month 2026-01-04 saas indicator 3",
            "ping_28d 2026-01-01 self_managed indicator 30",
        ]
    );
    let dimensions = ["--level", "stage", "--by", "tier,deployment"];
    let columns = ["stage", "tier", "deployment", "users"];
    let rows = fleet(true, "").report(&dimensions, &columns);
    for row in [
        "plan 33",
        "plan saas 3",
        "plan (none) 3",
        "plan (none) saas 3",
        "plan Free 20",
        "plan Premium self_managed 10",
    ] {
        assert!(rows.iter().any(|found| found == row), "{row}: {rows:?}");
    }
}

/// The largest values of a dimension, and the sum of the others.
#[test]
fn the_largest_values_and_the_sum_of_the_others() {
    let fleet = fleet(true, "saas: {counted_from: pings}");
    let columns = ["stage", "installation", "method", "users"];
    let stages = ["--level", "stage", "--by", "installation", "--top"];
    let rows = |top: &str| fleet.report(&[&stages[..], &[top]].concat(), &columns);
    let largest = "ea8bf810-1d6f-4a6a-b4fd-93e8cbd8b57f/gitlab.com";
    // Of both stages, a has 3 and 10 users, b 40 and 20, SaaS 0 and 700.
    assert_eq!(
        rows("1"),
        [
            "create sum 43".to_owned(),
            "create (other) sum 43".to_owned(),
            format!("create {largest} sum 0"),
            "plan sum 730".to_owned(),
            "plan (other) sum 30".to_owned(),
            format!("plan {largest} sum 700"),
        ]
    );
    let total = ["--level", "total", "--by", "installation", "--top", "1"];
    assert_eq!(
        fleet.report(&total, &columns[1..]),
        ["sum 730".to_owned(), "(other) sum 30".to_owned(), format!("{largest} sum 700")]
    );
    let header = fleet.0.run(&[&["report"][..], &total].concat()).out;
    let header = header.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(header.contains("the 1 largest of installation; (other): the sum of"), "{header}");
    let all = [&stages[..], &["99"]].concat();
    assert_eq!(fleet.report(&all, &columns), fleet.report(&stages[..4], &columns));
}

#[test]
fn what_pings_cannot_answer_is_refused() {
    let fleet = fleet(true, "");
    for (arguments, message) in [
        (&["--method", "union"][..], "cannot be told apart, so there is no union"),
        (&["--by", "plan"], "pings have no dimension `plan`; use deployment, edition, tier"),
        (&["--by", "tier,tier"], "the dimension `tier` is given twice"),
        (&["--from", "2026-02", "--to", "2026-01"], "ends (2026-01-31) before it starts"),
        (&["--window", "ping28d"], "did you mean `ping_28d`?"),
        (&["--window", "month", "--predict", "all_reported"], "the window month has none"),
        (&["--method", "union", "--predict", "all_reported"], "the method union does not"),
        (&["--by", "tier", "--top", "3", "--method", "max"], "the method max does not add up"),
        (&["--condition", "x"], "use one of: version_check reported"),
    ] {
        let ran = fleet.0.run(&[&["report"][..], arguments].concat());
        assert!(ran.code != 0 && ran.err.contains(message), "{message}: {}", ran.err);
    }
    // Other windows have only events.
    let ran = fleet.0.run(&["report", "--window", "month", "--level", "total", "--format", "csv"]);
    assert!(ran.code == 0 && ran.out.contains(",4,4,4,"), "{}", ran.out);
    assert!(
        ran.err.contains("pings have no window month; only events were counted"),
        "{}",
        ran.err
    );
    let ran = self::fleet(false, "").0.run(&["report", "--window", "month"]);
    assert!(ran.code == 1 && ran.err.contains("only pings, and no events"), "{}", ran.err);
    let sql = "SELECT * FROM active_users(window => 'ping_28d')";
    let ran = fleet.0.run(&["sql", "-c", sql]);
    assert!(ran.code == 1 && ran.err.contains("not counted in the window ping_28d"), "{}", ran.err);
}

#[test]
fn the_data_can_end_with_a_day() {
    let rows = |as_of: &str| {
        let ran = fleet(false, "").0.run(&[
            "report", "--as-of", as_of, "--level", "total", "--by", "edition", "--format", "csv",
        ]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let rows = Table::of_csv(&ran.out).rows;
        let shown = |row: Vec<String>| [1, 3, 9, 11, 13].map(|at| row[at].clone()).join(" ");
        rows.into_iter().map(shown).collect::<Vec<_>>()
    };
    // On the 15th b had not sent its ping of the 16th.
    assert_eq!(
        rows("2026-01-15"),
        ["2026-01-01 false  recorded 710", "2026-01-01 false EE recorded 710"]
    );
    // The month is over on its last day, without a later ping.
    assert_eq!(
        rows("2026-01-31"),
        [
            "2026-01-01 true  recorded 730",
            "2026-01-01 true  estimated 730",
            "2026-01-01 true CE recorded 20",
            "2026-01-01 true CE estimated 20",
            "2026-01-01 true EE recorded 710",
            "2026-01-01 true EE estimated 710",
        ]
    );
    assert!(rows("2026-02-28").contains(&"2026-02-01 true  recorded 15".to_owned()));
    assert!(rows("2026-02-27").contains(&"2026-02-01 false  recorded 15".to_owned()));
}

#[test]
fn a_change_of_the_tree_is_explained() {
    let fleet = fleet(true, "");
    let stages = "\
stages:
  plan: {section: dev, valid_to: 2026-02-01, groups: {issues: {name: Issues}, boards: {name: Boards}}}
  planning: {section: dev, valid_from: 2026-02-01, groups: {issues: {name: Issues}, boards: {name: Boards}}}
  create: {section: dev, groups: {code: {name: Code}}}
";
    fleet.0.write("dictionary/stages.yml", stages);
    let rows = |tree: &str| {
        let arguments = ["report", "--tree", tree, "--level", "stage", "--format", "csv"];
        let ran = fleet.0.run(&arguments);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let rows = Table::of_csv(&ran.out).rows;
        let recorded = rows.into_iter().filter(|row| row[10] == "recorded");
        let rows = recorded.map(|row| format!("{} {} {}", row[2], row[6], row[12]));
        (rows.collect::<Vec<_>>(), ran.err)
    };
    let (january, february) = ("2026-01-31", "2026-02-28");
    let (period, notes) = rows("period");
    assert_eq!(
        period,
        [
            format!("{january} create 44"),
            format!("{january} plan 33"),
            format!("{february} create 41"),
            format!("{february} planning 15")
        ]
    );
    let note = "the tree of stages changes on 2026-02-01 (new: stage planning; gone: stage plan)";
    assert_eq!(notes.matches(note).count(), 1, "{notes}");
    let (today, notes) = rows("today");
    assert_eq!(
        today,
        [
            format!("{january} create 44"),
            format!("{january} planning 33"),
            format!("{february} create 41"),
            format!("{february} planning 15")
        ]
    );
    assert!(!notes.contains("the tree of stages"), "{notes}");
}

#[test]
fn every_format_has_the_basis() {
    let fleet = fleet(true, "");
    for format in ["table", "csv", "tsv", "json", "markdown", "html"] {
        let ran = fleet.0.run(&["report", "--by", "deployment", "--format", format]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        for word in ["recorded", "estimated", "28d"] {
            assert!(ran.out.contains(word), "{format} {word}");
        }
    }
    let ran = fleet.0.run(&["report", "--predict", "all_reported", "--format", "html"]);
    assert!(ran.out.contains("Recorded and estimated"), "{}", ran.out);
    assert!(ran.out.contains("predicted"), "{}", ran.out);
}
