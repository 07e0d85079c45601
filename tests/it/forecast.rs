//! `headcount report --forecast`: a series on a line is continued on that line.

use std::fmt::Write as _;

use crate::project::Project;
use crate::table::Table;

/// Ten more users in every month of 2025 than in the one before, and one event in 2026.
fn project() -> Project {
    let project = Project::good();
    let mut events = "at,user_id,event,plan\n".to_owned();
    for month in 1..=12 {
        for user in 0..month * 10 {
            let _ = writeln!(events, "2025-{month:02}-15T00:00:00Z,{user},page_viewed,free");
        }
    }
    // Searches have a gap in June and July; of a second month without users there is no row.
    for month in [1, 2, 3, 4, 5, 8, 9, 10, 11, 12] {
        let _ = writeln!(events, "2025-{month:02}-15T00:00:00Z,{month},searched,paid");
    }
    events.push_str("2026-01-02T00:00:00Z,1,page_viewed,free\n");
    project.write("events.csv", events);
    project
}

#[test]
fn a_line_goes_on() {
    let project = project();
    let ran = project.run(&[
        "report",
        "--forecast",
        "3",
        "--level",
        "total",
        "--from",
        "2025-12",
        "--format",
        "csv",
    ]);
    assert!(
        ran.code == 1 && ran.err.contains("needs 12 complete months, and the series has 1"),
        "{}",
        ran.err
    );
    let arguments =
        ["report", "--forecast", "3", "--level", "total", "--by", "plan", "--format", "csv"];
    let ran = project.run(&arguments);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let rows = Table::of_csv(&ran.out).rows;
    // Columns: period_start, complete, plan, method, basis, count, users, low, high, previous.
    let shown = |row: &Vec<String>| {
        [1, 3, 9, 10, 11, 12, 13, 14, 15, 16].map(|at| row[at].as_str()).join(" ")
    };
    let forecast: Vec<String> =
        rows.iter().filter(|row| row[11] == "forecast").map(shown).collect();
    let expected = [
        "2026-01-01 false  union forecast approx 130 130 130 120",
        "2026-01-01 false free union forecast approx 130 130 130 120",
        "2026-02-01 false  union forecast approx 140 140 140 130",
        "2026-02-01 false free union forecast approx 140 140 140 130",
        "2026-03-01 false  union forecast approx 150 150 150 140",
        "2026-03-01 false free union forecast approx 150 150 150 140",
    ];
    assert_eq!(forecast, expected);
    // What is known of January comes before its forecast.
    let january: Vec<&str> = rows
        .iter()
        .filter(|row| row[1] == "2026-01-01" && row[9].is_empty())
        .map(|row| row[11].as_str())
        .collect();
    assert_eq!(january, ["recorded", "forecast"]);
    assert!(ran.err.contains("1 series have no forecast: "), "{}", ran.err);

    let ran = project.run(&["report", "--forecast", "3", "--level", "total"]);
    for text in ["recorded numbers continued by drift from 12 months", "were wrong by 0.0 %"] {
        assert!(ran.out.replace('\n', " ").contains(text), "{text}: {}", ran.out);
    }
    let ran = project.run(&["report", "--forecast", "3", "--format", "html"]);
    assert!(ran.out.contains("<h2>Forecast</h2>"), "{}", ran.out);
}

#[test]
fn what_cannot_be_forecast_is_refused() {
    for (arguments, message) in [
        (&["--forecast", "7"][..], "needs 14 complete months, and the series has 12"),
        (
            &["--forecast", "1", "--window", "week"],
            "forecasts are made of months, not of the window week",
        ),
        (&["--forecast", "0"], "invalid value '0' for '--forecast"),
    ] {
        let ran = project().run(&[&["report"][..], arguments].concat());
        assert!(ran.code != 0 && ran.err.contains(message), "{message}: {}", ran.err);
    }
}
