//! Reports as HTML pages: in a browser, and with many values of a dimension.

use std::fmt::Write as _;

use crate::project::{Project, contributions, run_in};
use crate::python;

#[test]
fn the_page_works_on_screens_and_in_print() {
    let out = Project::empty();
    let page = out.path("report.html").display().to_string();
    let words = "report --level total,combined,section,stage --by repository --from 2023 -o";
    let arguments: Vec<&str> = words.split(' ').chain([page.as_str()]).collect();
    let ran = run_in(&contributions(), &arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    python::run("report_page.py", &[&page]);
}

/// 130 plans: plan `n` has `n` users in each month.
fn many_plans() -> Project {
    let project = Project::good();
    let mut text = "at,user_id,event,plan\n".to_owned();
    for plan in 1..=130 {
        for user in 1..=plan {
            for month in ["01", "02"] {
                writeln!(text, "2026-{month}-05T00:00:00Z,{user},searched,p{plan}").unwrap();
            }
        }
    }
    project.write("events.csv", text);
    project
}

#[test]
fn a_page_keeps_the_largest_values_and_says_so() {
    let project = many_plans();
    let page = |more: &[&str]| {
        let ran = project.run(&[&["report", "--by", "plan", "--format", "html"], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let has = |page: &str, plan: &str| page.contains(&format!("<td>{plan}</td>"));
    let all = page(&[]);
    let said = "the 100 largest of plan; (other): users of all other values, each user once";
    assert!(all.contains(said), "{all}");
    assert!(has(&all, "p31") && !has(&all, "p30") && has(&all, "(other)"));
    // The charts are of the 12 largest.
    assert!(all.contains("The 12 largest values; 89 more are in the table below."));
    let some = page(&["--top", "2"]);
    assert!(some.contains("the 2 largest of plan"));
    assert!(has(&some, "p129") && !has(&some, "p128"));
    let enough = page(&["--top", "130"]);
    assert!(has(&enough, "p1") && !enough.contains("largest of plan"));
    // Users of the other values are counted once: users 1 to 30.
    let rows = project.report(&["--by", "plan", "--top", "100", "--level", "total"]);
    let lines = rows.lines(&["period_start", "plan", "users"]);
    assert!(lines.contains(&"2026-01-01 (other) 30".to_owned()), "{lines:?}");
    // Formats for programs have all values.
    let rows = project.report(&["--by", "plan", "--level", "total"]);
    assert_eq!(rows.rows.len(), 2 * 131);
}
