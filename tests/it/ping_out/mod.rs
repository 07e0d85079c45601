//! `headcount ping`: its values against plain loops over the events and against reports, and the unions
//! of sketches against the true unions.

mod refused;
mod sketches;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use engine::calendar::Day;

use crate::project::{Project, Ran};

/// The day of 2026-01-01, on which events begin.
const FIRST: i32 = 20_454;
/// Days with events, up to 2026-04-20.
const DAYS: i32 = 110;

const STAGES: &str = "\
stages:
  plan:
    section: dev
    groups:
      boards: {}
      notes: {}
  verify:
    section: ops
    groups:
      pipelines: {}
";

/// Metrics of every kind. Each event is named after its metric where it has one of its own.
const METRICS: &str = "\
- {key_path: usage_activity_by_stage_monthly.plan.boards, product_group: boards, data_source: database,
   time_frame: 28d, events: [{name: open, unique: user.id}]}
- {key_path: usage_activity_by_stage.plan.boards, product_group: boards, data_source: database,
   time_frame: all, events: [{name: open, unique: user.id}]}
- {key_path: counts_weekly.boards, product_group: boards, data_source: database, time_frame: 7d,
   events: [{name: open, unique: user.id}]}
- {key_path: usage_activity_by_stage_monthly.verify.paid, product_group: pipelines, data_source: database,
   time_frame: 28d, events: [{name: run, unique: user.id, filter: {plan: paid}}, {name: close, unique: user.id}]}
- {key_path: redis_hll_counters.notes.note_open_weekly, product_group: notes, data_source: redis_hll,
   time_frame: 7d, options: {events: [open]}}
- {key_path: redis_hll_counters.notes.note_open_monthly, product_group: notes, data_source: redis_hll,
   time_frame: 28d, options: {events: [open]}}
- {key_path: redis_hll_counters.notes.note_close_weekly, product_group: notes, data_source: redis_hll,
   time_frame: 7d, options: {events: [close]}}
- {key_path: redis_hll_counters.notes.note_close_monthly, product_group: notes, data_source: redis_hll,
   time_frame: 28d, options: {events: [close]}}
- {key_path: redis_hll_counters.runs.run_monthly, product_group: pipelines, data_source: redis_hll,
   time_frame: 28d, options: {events: [run]}}
- {key_path: redis_hll_counters.ide.edit_monthly, product_group: boards, data_source: redis_hll,
   time_frame: 28d, options: {events: [open]}}
- {key_path: redis_hll_counters.ide.view_monthly, product_group: boards, data_source: redis_hll,
   time_frame: 28d, options: {events: [close]}}
- {key_path: redis_hll_counters.ide.ide_total_unique_counts_monthly, product_group: boards,
   data_source: redis_hll, time_frame: 28d, options: {events: [open, close, run]}}
- {key_path: counts.both, product_group: pipelines, data_source: internal_events,
   time_frame: [7d, 28d, all], events: [{name: run, unique: user.id}, {name: close, unique: user.id}]}
- {key_path: plain, product_group: pipelines, events: [{name: run, unique: user.id}]}
- {key_path: counts.runs_total, product_group: pipelines, data_source: internal_events,
   time_frame: [28d, all], events: [{name: run}, {name: run, filter: {plan: paid}}]}
";

const AGGREGATES: &str = "\
- {name: any, operator: OR, source: redis, time_frame: [7d, 28d, all], events: [open, close]}
- {name: all, operator: AND, source: database, time_frame: [28d, 7d], events: [open, close]}
";

/// Metrics that events cannot count.
const UNCOUNTED: &str = "\
- {key_path: counts.projects, data_source: internal_events, time_frame: 28d, events: [{name: open, unique: project.id}]}
- {key_path: counts.minutes, data_source: internal_events, time_frame: 28d, events: [{name: run, operator: sum(value)}]}
- {key_path: counts.rows, data_source: database, time_frame: all}
- {key_path: settings.name, value_type: string, time_frame: none, events: [open]}
- {key_path: settings.number, time_frame: none, events: [{name: open, unique: user.id}]}
- {key_path: old, status: removed, time_frame: 28d, events: [{name: open, unique: user.id}]}
- {key_path: wrong, status: broken, time_frame: 28d, events: [{name: open, unique: user.id}]}
- {key_path: late, valid_from: 2027-01-01, time_frame: 28d, events: [{name: open, unique: user.id}]}
- {key_path: plain.below, time_frame: 28d, events: [{name: open, unique: user.id}]}
- {key_path: hostname, time_frame: 28d, events: [{name: open, unique: user.id}]}
- {key_path: headcount_sketches.x, time_frame: 28d, events: [{name: open, unique: user.id}]}
";

const IDENTITY: &str = "installation: {uuid: a-1, hostname: git.example.com, version: 17.5.1-ee, edition: EEP, \
                        license_user_count: 12, gitlab_dedicated: false}\n";

/// An event: day, user, name, plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Event {
    day: i32,
    user: u32,
    name: &'static str,
    plan: &'static str,
}

/// Pseudo-random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Events of users below `users`, some days of which have none.
fn events(seed: u64, count: u64, users: u64) -> Vec<Event> {
    let mut random = Random(seed);
    let event = |_| Event {
        day: FIRST + random.below(DAYS as u64) as i32,
        user: random.below(users) as u32,
        name: ["open", "close", "run", "other"][random.below(4) as usize],
        plan: ["free", "paid"][random.below(2) as usize],
    };
    (0..count).map(event).collect()
}

/// A project with the metrics and these events.
fn project(events: &[Event], settings: &str) -> Project {
    let project = Project::empty();
    let sources = "sources:\n  - {name: events, files: events.csv, time: at, user: user, event: event, \
                   dimensions: [plan]}\n";
    project.write("headcount.yaml", format!("{sources}{settings}"));
    write_dictionary(&project);
    let mut text = "at,user,email,event,plan\n".to_owned();
    for Event { day, user, name, plan } in events {
        let at = Day::new(*day);
        let _ =
            writeln!(text, "{at}T{:02}:30:00Z,{user},u{user}@example.com,{name},{plan}", user % 24);
    }
    project.write("events.csv", text);
    project
}

fn write_dictionary(project: &Project) {
    project.write("dictionary/stages.yml", STAGES);
    let events = ["open", "close", "run", "other"].map(|name| format!("- action: {name}\n"));
    project.write("dictionary/events/all.yml", events.concat());
    project.write("dictionary/metrics/all.yml", METRICS);
    project.write("dictionary/metrics/uncounted.yml", UNCOUNTED);
    project.write("dictionary/aggregates/all.yml", AGGREGATES);
}

/// The ping that the program writes, as JSON and as numbers by key path.
#[track_caller]
fn ping(project: &Project, arguments: &[&str]) -> (Ran, serde_json::Value, BTreeMap<String, u64>) {
    let ran = project.run(&[&["ping"], arguments].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let mut values = BTreeMap::new();
    for (key, value) in document.as_object().unwrap() {
        if !["license_user_count", "headcount_sketches"].contains(&key.as_str()) {
            flatten(key, value, &mut values);
        }
    }
    (ran, document, values)
}

fn flatten(path: &str, value: &serde_json::Value, out: &mut BTreeMap<String, u64>) {
    if let Some(number) = value.as_u64() {
        out.insert(path.to_owned(), number);
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        flatten(&format!("{path}.{key}"), value, out);
    }
}

/// Users with one of some events from one day to another, both inclusive.
fn users(events: &[Event], names: &[&str], (first, last): (i32, i32)) -> BTreeSet<u32> {
    let is_in = |event: &&Event| names.contains(&event.name) && (first..=last).contains(&event.day);
    events.iter().filter(is_in).map(|event| event.user).collect()
}
