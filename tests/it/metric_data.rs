//! Where metrics have data, as `headcount check` lists it, on a project of which it is known by hand.

use crate::project::{GOOD, Project, contributions, run_in};

/// Metrics with every status and several time frames. Of the events `page_viewed` and `searched`
/// are in the data; pings have `monthly.view_pages`, `fleet.jobs_weekly`, `fleet.edition`, and
/// failures of `fleet.failing`.
const METRICS: &str = "
- {key_path: monthly.view_pages, product_group: pages, events: [{name: page_viewed, unique: user.id}]}
- {key_path: old.search, product_group: search, status: removed, events: [{name: searched, unique: user.id}]}
- {key_path: old.paid, product_group: search, status: broken, events: [{name: page_viewed, unique: user.id, filter: {plan: gold}}]}
- {key_path: sums, product_group: pages, events: [{name: searched, operator: sum(value)}]}
- {key_path: fleet.jobs, product_group: pages, time_frame: [7d, 28d], data_source: database}
- {key_path: fleet.edition, product_group: pages, time_frame: none, value_type: string, data_source: system}
- {key_path: fleet.failing, product_group: pages, time_frame: 28d, data_source: database}
";
const PINGS: &str = r#"
{"uuid": "a", "recorded_at": "2026-01-21T04:12:09Z", "version": "16.7.0", "monthly": {"view_pages": 7}, "fleet": {"jobs_weekly": 5, "edition": "EE", "failing": -1}}
{"uuid": "a", "recorded_at": "2026-02-18T04:12:09Z", "version": "16.7.0", "monthly": {"view_pages": 9}, "fleet": {"jobs_weekly": 6, "failing": "many"}}
"#;

/// The project of [`METRICS`] and [`PINGS`].
pub(crate) fn project() -> Project {
    let project = Project::good();
    let (_, settings) = GOOD[0];
    let pings = "  - {name: fleet, format: service_ping, files: pings.ndjson}\n";
    project.write("headcount.yaml", format!("{settings}{pings}"));
    project.write("dictionary/metrics/all.yml", METRICS);
    project.write("pings.ndjson", PINGS.trim_start());
    project
}

#[test]
fn check_counts_key_paths_by_place_and_status() {
    let ran = project().run(&["check"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let expected = "\
key paths of metrics, by where they have data:
               all  active  broken removed
  events         2       1       0       1
  pings          2       2       0       0
  both           1       1       0       0
  neither        3       2       1       0
events: old.search (removed), sums
pings: fleet.jobs_weekly, fleet.edition
both: monthly.view_pages
neither: old.paid (broken), fleet.jobs_monthly, fleet.failing
no errors
";
    assert!(ran.out.ends_with(expected), "{}", ran.out);
}

#[test]
fn check_lists_all_of_them_with_their_days_if_verbose() {
    let ran = project().run(&["check", "--verbose"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let expected = "\
events:
  old.search (removed): 1 event from 2026-02-01 to 2026-02-01
  sums: 1 event from 2026-02-01 to 2026-02-01
pings:
  fleet.jobs_weekly: 2 values in pings from 2026-01-21 to 2026-02-18
  fleet.edition: 1 value in pings from 2026-01-21 to 2026-01-21
both:
  monthly.view_pages: 3 events from 2026-01-05 to 2026-02-10; 2 values in pings from 2026-01-21 to 2026-02-18
neither:
  old.paid (broken)
  fleet.jobs_monthly: users are not counted (no events)
  fleet.failing: users are not counted (no events)
no errors
";
    assert!(ran.out.ends_with(expected), "{}", ran.out);
}

#[test]
fn without_verbose_only_the_first_are_named() {
    let ran = run_in(&contributions(), &["check"]);
    let line = ran.out.lines().find(|line| line.starts_with("events: ")).unwrap();
    assert!(line.ends_with(" and 26 more (--verbose lists them)"), "{line}");
    let verbose = run_in(&contributions(), &["check", "--verbose"]);
    let metrics = verbose.out.lines().filter(|line| line.contains(" events from ")).count();
    assert_eq!(metrics, 29, "{}", verbose.out);
}
