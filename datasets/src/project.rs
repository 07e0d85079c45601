//! The text files of a data set: the project, its dictionary, and a page that says what it is.

use std::fmt::Write as _;

use crate::generate::Summary;
use crate::ids::Ids;
use crate::product::{EVENTS, Metric, STAGE_EVENTS, STAGES, events, metrics};
use crate::settings::Settings;

/// Path and text of every file.
pub(crate) fn texts(settings: &Settings, summary: &Summary) -> Vec<(String, String)> {
    let mut texts = vec![
        ("headcount.yaml".to_owned(), headcount(settings)),
        ("README.md".to_owned(), readme(settings, summary)),
        ("dictionary/stages.yml".to_owned(), stages()),
    ];
    let metrics = metrics();
    for (at, stage) in STAGES.iter().enumerate() {
        let own = &metrics[at * (STAGE_EVENTS + 1)..(at + 1) * (STAGE_EVENTS + 1)];
        texts.push((format!("dictionary/events/{}.yml", stage.key), stage_events(at)));
        texts.push((format!("dictionary/metrics/{}.yml", stage.key), stage_metrics(own)));
    }
    texts
}

fn headcount(settings: &Settings) -> String {
    let user = if settings.scoped { "{column: user_id, scope: installation}" } else { "user_id" };
    // Namespaces are too many to be kept apart day by day.
    format!(
        "\
time_zone: UTC
dictionary: dictionary
store: {{path: store, dimensions: [plan, stage]}}
sources:
  - name: events
    files: events/*.parquet
    time: ts
    user: {user}
    event: event
    dimensions: [plan, deployment, installation, namespace, stage]
"
    )
}

fn stages() -> String {
    let mut text = "stages:\n".to_owned();
    for stage in &STAGES {
        text += &format!("  {}:\n", stage.key);
        text += &format!("    display_name: {}\n", stage.name);
        text += &format!("    section: {}\n    groups:\n", stage.section);
        for group in stage.groups {
            text += &format!("      {}: {{name: {}}}\n", group.key, group.name);
        }
    }
    text
}

fn stage_events(at: usize) -> String {
    let mut text = String::new();
    for group in STAGES[at].groups {
        for (action, description) in group.events {
            text += &format!("- action: {action}\n  description: {description}\n");
            text += &format!("  product_group: {}\n", group.key);
            text += "  identifiers: [user, namespace]\n  status: active\n";
            text += "  tiers: [free, premium, ultimate]\n";
        }
    }
    text
}

fn stage_metrics(metrics: &[Metric]) -> String {
    let names: Vec<&str> = events().map(|(name, _)| name).collect();
    let mut text = String::new();
    for metric in metrics {
        text += &format!("- key_path: {}\n", metric.key_path);
        text += &format!("  description: \"{}\"\n", metric.description);
        text += &format!("  product_group: {}\n", metric.group);
        text += "  value_type: number\n  status: active\n  time_frame: 28d\n";
        text += "  data_source: internal_events\n  data_category: optional\n";
        text += &format!("  performance_indicator_type: [{}]\n", metric.flags.join(", "));
        text += "  tiers: [free, premium, ultimate]\n  events:\n";
        for event in (0..EVENTS).filter(|event| metric.events & (1 << event) != 0) {
            text += &format!("    - {{name: {}, unique: user.id}}\n", names[event]);
        }
    }
    text
}

fn readme(settings: &Settings, summary: &Summary) -> String {
    let mut months = String::new();
    for month in &summary.months {
        // Writing to a string does not fail.
        let _ = writeln!(months, "| {} | {} | {} |", month.period_start, month.users, month.events);
    }
    let (name, ids) = (settings.first_month().name(), ids(settings));
    let late = match settings.late {
        0.0 => "Rows are in time order.".to_owned(),
        late => format!(
            "A share of {late} of the events arrived up to 72 hours late and lies where it arrived."
        ),
    };
    format!(
        "\
# Invented events with the known answer

{events} events of {users} people in {count} months from {name}. All of it is invented; the names
follow a product for software development with 10 stages, 24 groups and 60 events.

The same settings give the same bytes. Made by

```
{command}
```

| folder | holds |
|---|---|
| `events/` | {files} Parquet files, {per_month} for each month of arrival. {late} |
| `dictionary/` | stages, events and metrics |
| `truth/` | the true number of users, counted while the events were made |

Columns of the events: `ts` (microseconds, UTC), `user_id`, `event`, `stage`, `plan` (free, premium,
ultimate), `deployment` (saas, self_managed, dedicated), `installation`, `namespace`.
{ids}
`plan` belongs to the event: an organisation can move to a higher plan on any day, and people work
in more than one namespace.

## Truth

`truth/truth.csv` and `truth/truth.parquet` have one row for each calendar month (UTC), node and
plan: `period_start, level, key, plan, users, events`. An empty `plan` is all plans. `level` is
`total`, `section`, `stage`, `group` (whoever did any event of the node: method `union`) or `action`
(one metric, `key` is its key path; the metrics named `users_active` are the stage indicators).

| month | users | events |
|---|---|---|
{months}",
        events = settings.events,
        users = settings.users,
        count = settings.months,
        command = command(settings),
        files = summary.files,
        per_month = settings.files_per_month,
    )
}

fn ids(settings: &Settings) -> String {
    let form = match settings.ids {
        Ids::Dense => "`user_id` is an integer from 1, in order of sign-up.",
        Ids::Random64 => "`user_id` is any 64-bit integer, negative ones too.",
        Ids::Uuid => "`user_id` is a UUID as text, 36 characters in lower case.",
    };
    let scope = if settings.scoped {
        "Every installation has its own: the same `user_id` at two installations is two people."
    } else {
        "It is the same person everywhere."
    };
    format!("{form} {scope}")
}

/// The command that makes the data set. Settings at their defaults are left out.
fn command(settings: &Settings) -> String {
    let mut command = format!(
        "headcount generate --events {} --users {} --months {} --seed {}",
        settings.events, settings.users, settings.months, settings.seed
    );
    let defaults = Settings::new("");
    let mut add = |changed: bool, option: String| {
        if changed {
            command += " ";
            command += &option;
        }
    };
    let start = settings.first_month().name();
    add(settings.start != defaults.start, format!("--start {start}"));
    add(settings.ids != defaults.ids, format!("--ids {}", settings.ids));
    add(settings.scoped, "--scoped".to_owned());
    let files = settings.files_per_month;
    add(files != defaults.files_per_month, format!("--files-per-month {files}"));
    let rows = settings.rows_per_group;
    add(rows != defaults.rows_per_group, format!("--rows-per-group {rows}"));
    add(settings.late != defaults.late, format!("--late {}", settings.late));
    command + " -o DIR"
}

#[cfg(test)]
mod tests {
    use super::{Ids, Settings, command, headcount};

    #[test]
    fn the_command_names_what_differs_from_the_defaults() {
        let check = |change: fn(&mut Settings), expected: &str| {
            let mut settings = Settings::new("out");
            change(&mut settings);
            let plain = "headcount generate --events 1000000 --users 50000 --months 12 --seed 1";
            assert_eq!(command(&settings), format!("{plain}{expected} -o DIR"));
        };
        check(|_| (), "");
        check(|s| s.ids = Ids::Uuid, " --ids uuid");
        check(|s| (s.start, s.late) = ((2024, 2), 0.01), " --start 2024-02 --late 0.01");
        check(|s| (s.scoped, s.files_per_month) = (true, 4), " --scoped --files-per-month 4");
        check(|s| s.rows_per_group = 5000, " --rows-per-group 5000");
    }

    #[test]
    fn scoped_keys_are_declared() {
        let check = |scoped, expected: &str| {
            let mut settings = Settings::new("out");
            settings.scoped = scoped;
            let text = headcount(&settings);
            assert_eq!(text.lines().find(|line| line.contains("user:")), Some(expected));
        };
        check(false, "    user: user_id");
        check(true, "    user: {column: user_id, scope: installation}");
    }
}
