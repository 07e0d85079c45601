//! dbt and MetricFlow, as a project uses them that has the publication as a package.

use super::{LEVELS, publish};
use crate::project::Project;
use crate::python;

/// Events of one installation, with plans, and pings of two others.
pub(super) fn events_and_pings() -> Project {
    let project = Project::good();
    let settings = std::fs::read_to_string(project.path("headcount.yaml")).unwrap();
    project.write(
        "headcount.yaml",
        format!(
            "{settings}    deployment: saas\n\
             \x20 - {{name: fleet, format: service_ping, files: pings}}\n"
        ),
    );
    project.write(
        "dictionary/metrics/all.yml",
        "\
- {key_path: monthly.view_pages, product_group: pages, time_frame: 28d,
   performance_indicator_type: [smau, gmau, umau], events: [{name: page_viewed, unique: user.id}]}
- {key_path: monthly.search, product_group: search, time_frame: 28d, performance_indicator_type: [gmau],
   events: [{name: searched, unique: user.id}]}
- {key_path: monthly.write_posts, product_group: posts, time_frame: 28d,
   performance_indicator_type: [smau, gmau], events: [{name: post_written, unique: user.id}]}
",
    );
    let pings = [
        ("a", "2026-01-15", "EEP", 10, 5, 3),
        ("a", "2026-02-15", "EEP", 12, 6, 2),
        ("b", "2026-01-16", "CE", 20, 1, 40),
        ("b", "2026-02-17", "CE", 15, 1, 40),
        ("b", "2026-03-02", "CE", 14, 1, 41),
    ];
    for (name, day, edition, pages, search, posts) in pings {
        project.write(
            &format!("pings/{name}-{day}.json"),
            format!(
                "{{\"uuid\": \"{name}\", \"hostname\": \"{name}.example.com\", \
                 \"recorded_at\": \"{day}T00:00:00Z\", \"edition\": \"{edition}\", \
                 \"version\": \"16.1.0\", \"monthly\": {{\"view_pages\": {pages}, \
                 \"search\": {search}, \"write_posts\": {posts}}}}}"
            ),
        );
    }
    project
}

/// Publishes, and compares what dbt and MetricFlow find with the reports of the windows.
#[track_caller]
fn check(project: &Project, windows: &[(&str, &str)], more: &[&str]) -> String {
    publish(project, more);
    let mut arguments = vec![project.path("out").to_str().unwrap().to_owned()];
    for (at, (window, by)) in windows.iter().enumerate() {
        let fixed =
            ["report", "--format", "csv", "--level", LEVELS, "--window", window, "--by", by];
        let report = project.run(&fixed);
        assert_eq!(report.code, 0, "{}", report.err);
        project.write(&format!("{at}.csv"), report.out);
        arguments.push(project.path(&format!("{at}.csv")).to_str().unwrap().to_owned());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    python::run_dbt("dbt_publish.py", &arguments)
}

#[test]
fn dbt_and_metricflow_give_the_numbers_of_the_report() {
    let printed = check(
        &Project::good(),
        &[("month", "plan"), ("trailing_7d", "plan")],
        &["--by", "plan", "--window", "month,trailing_7d"],
    );
    assert!(printed.contains(" 12 metrics, 72 queries"), "{printed}");
}

/// As a Delta table, with windows that know different dimensions.
#[test]
fn metricflow_adds_neither_pings_nor_events() {
    let printed = check(
        &events_and_pings(),
        &[("month", "plan"), ("ping_28d", "edition")],
        &["--by", "plan,edition", "--format", "delta"],
    );
    assert!(printed.contains(" 12 metrics, 84 queries"), "{printed}");
}
