//! Pings, from files to SQL tables: each rule as a table of cases, a fleet counted by hand, the
//! published worked figures, and random fleets counted by plain Python.

mod estimates;
mod explanations;
mod fleet;
mod generated;
mod hostile;
mod predictions;
mod random;
mod reconcile;
mod report;
mod rules;
mod stored;
mod uploads;

use crate::project::{Project, Ran};
use crate::table::Table;

/// Metrics of every kind.
const METRICS: &str = "\
- {key_path: monthly.users, value_type: number, time_frame: 28d}
- {key_path: monthly.other, value_type: number, time_frame: 28d}
- {key_path: counts.issues, value_type: number, time_frame: all}
- {key_path: weekly.users, value_type: number, time_frame: 7d}
- {key_path: counts.many, value_type: number, time_frame: [7d, 28d, all]}
- {key_path: settings.name, value_type: string, time_frame: none}
- {key_path: monthly.plain}
";

/// A project whose pings are the files of the folder `pings`.
struct Fleet(Project);

impl Fleet {
    /// With these lines in the block `pings:`.
    fn new(settings: &str) -> Self {
        let project = Project::empty();
        let source = "dictionary: {metrics: dictionary/metrics}\nsources:\n  - {name: fleet, format: service_ping, files: pings}\n";
        let settings = match settings {
            "" => String::new(),
            lines => format!("pings:\n  {}\n", lines.replace('\n', "\n  ")),
        };
        project.write("headcount.yaml", format!("{source}{settings}"));
        project.write("dictionary/metrics/all.yml", METRICS);
        Self(project)
    }

    /// Writes a file of pings.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        self.0.write(&format!("pings/{name}"), content);
    }

    /// Writes files of one ping each.
    fn write_all(&self, pings: &[&str]) {
        for (at, ping) in pings.iter().enumerate() {
            self.write(&format!("{at:03}.json"), ping);
        }
    }

    fn run(&self, sql: &str) -> Ran {
        self.0.run(&["sql", "--format", "csv", "-c", sql])
    }

    /// The rows of a statement, their values joined by a space.
    #[track_caller]
    fn rows(&self, sql: &str) -> Vec<String> {
        let ran = self.run(sql);
        let code = if ran.err.contains("of pings:\n") { 3 } else { 0 };
        assert_eq!(ran.code, code, "{sql}: {}", ran.err);
        let rows = Table::of_csv(&ran.out).rows;
        rows.into_iter().map(|row| row.join(" ").trim_end().to_owned()).collect()
    }

    #[track_caller]
    fn check(&self, sql: &str, expected: &[&str]) {
        assert_eq!(self.rows(sql), expected, "{sql}");
    }
}

/// A ping of installation `uuid` on `uuid.example.com`, with more fields.
fn ping(uuid: &str, recorded_at: &str, fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { ", " };
    format!(
        r#"{{"uuid": "{uuid}", "hostname": "{uuid}.example.com", "recorded_at": "{recorded_at}"{comma}{fields}}}"#
    )
}

#[test]
fn the_columns_have_the_documented_types() {
    let fleet = Fleet::new("");
    fleet.write_all(&[&ping("a", "2026-01-01T00:00:00Z", "")]);
    fleet.check(
        "SELECT table_name, string_agg(column_name || ' ' || data_type, ', ' ORDER BY \
         ordinal_position) FROM information_schema.columns WHERE table_name LIKE 'ping%' \
         GROUP BY table_name ORDER BY table_name",
        &[
            "ping_estimate_subscriptions month Date32, key_path Utf8, edition Utf8, deployment Utf8, \
             condition Utf8, subscription_id Utf8, seats Int64, counted Boolean, versions List(Utf8), \
             why Utf8",
            "ping_estimates month Date32, key_path Utf8, edition Utf8, deployment Utf8, condition \
             Utf8, measure Utf8, numerator Int64, denominator Int64, p Float64, recorded Int64, \
             estimated Int64, total Int64",
            "ping_population month Date32, subscription_id Utf8, deployment Utf8, seats Int64, \
             source Utf8, versions List(Utf8)",
            "ping_predictions month Date32, key_path Utf8, edition Utf8, deployment Utf8, scenario \
             Utf8, measure Utf8, numerator Int64, denominator Int64, recorded Int64, predicted Int64",
            "ping_recorded month Date32, key_path Utf8, edition Utf8, deployment Utf8, tier Utf8, \
             time_frame Utf8, complete Boolean, installations Int64, installations_active Int64, \
             recorded Int64",
            "ping_sketches uuid Utf8, hostname Utf8, recorded_at Timestamp(µs, \"UTC\"), month Date32, \
             key_path Utf8, salt Utf8, sketch Binary",
            "ping_uploads file Utf8, outcome Utf8, reason Utf8",
            "ping_values uuid Utf8, hostname Utf8, recorded_at Timestamp(µs, \"UTC\"), key_path \
             Utf8, kind Utf8, value Int64",
            "ping_windows key_path Utf8, edition Utf8, prerelease Boolean, first_major_minor Int64, \
             last_major_minor Int64",
            "pings file Utf8, uuid Utf8, hostname Utf8, recorded_at Timestamp(µs, \"UTC\"), \
             uploaded_at Timestamp(µs, \"UTC\"), month Date32, is_last_of_month Boolean, version \
             Utf8, major_minor Int64, prerelease Boolean, raw_edition Utf8, edition Utf8, tier Utf8, \
             deployment Utf8, subscription_id Utf8",
        ],
    );
    // Without sources of pings there are no such tables.
    let ran = Project::good().run(&["sql", "-c", "SELECT * FROM pings"]);
    assert!(ran.code != 0 && ran.err.contains("no table `pings`"), "{}", ran.err);
}

#[test]
fn mistakes_in_the_project_file_are_reported() {
    let project = Project::good();
    project.write(
        "headcount.yaml",
        "\
sources:
  - {name: a, format: parquet, files: x}
  - {name: b, format: service_ping, files: x, user: u}
  - {name: b, format: service_ping}
pings:
  saas: {uuid: 1, counted_from: both, host: x}
  dedicated_hosts: '[a'
  subscription: x
",
    );
    let ran = project.run(&["check"]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    for message in [
        ":2: error: sources[0].format: unknown format `parquet`; write `service_ping`",
        ":3: error: sources[1].user: unknown key",
        ":4: error: sources[2]: `files` is missing",
        ":4: error: sources[2]: two sources have the name `b`",
        ":6: error: pings.saas.host: unknown key",
        ":6: error: pings.saas: unknown value `both` of `counted_from`; use events or pings",
        ":5: error: pings: invalid `dedicated_hosts`",
        ":8: error: pings.subscription: unknown key; did you mean `subscriptions`?",
    ] {
        assert!(ran.out.contains(message), "{message}: {}", ran.out);
    }
}

#[test]
fn refused_uploads_are_reported() {
    let fleet = Fleet::new("");
    fleet.write_all(&["", "{", "[", &ping("a", "2026-01-01T00:00:00Z", "")]);
    fleet.0.write("dictionary/metrics/all.yml", "[]");
    for arguments in [&["check"][..], &["sql", "-c", "SELECT count(*) FROM pings"]] {
        let ran = fleet.0.run(arguments);
        let message = "refused 3 uploads of pings:\n  empty: 1 upload, the first in \
                       pings/000.json\n  invalid_json: 2 uploads, the first in pings/001.json\n";
        assert!(ran.code == 3 && ran.err.contains(message), "{}{}", ran.out, ran.err);
    }
}
