//! Random events in random files, ingested in random order, with late files, duplicates and
//! compactions to either format of sets: store, events and reference agree on every row.

use std::fmt::Write as _;

use engine::active::Question;
use engine::calendar::Zone;
use engine::rollup::Counting;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert_eq, proptest};
use proptest::sample::select;

use super::{assert_same, assert_sound, ingest_new, ingest_with_memory, open};
use crate::laws::{question, world};
use crate::oracle;
use crate::project::{Project, civil, gzip};
use crate::world::World;

/// How the same person's key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Dense,
    Texts,
    Uuids,
    /// All of these, and numbers of 64 bits, some negative.
    Mixed,
}

impl Keys {
    fn write(self, user: u8) -> String {
        let wide = u64::from(user).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        match (self, user % 5) {
            (Self::Texts, _) | (Self::Mixed, 1) => format!("person {user}"),
            (Self::Uuids, _) | (Self::Mixed, 2) => {
                format!("{user:08x}-0000-4000-8000-{:012x}", wide >> 16)
            }
            (Self::Mixed, 3) => (wide as i64).to_string(),
            // Far apart, in several shards.
            (Self::Mixed, 4) => (u32::from(user) << 27).to_string(),
            _ => user.to_string(),
        }
    }
}

/// What happens to the project, step by step.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next file arrives.
    File,
    Ingest,
    /// With so little memory that nothing is taken together.
    IngestSmall,
    Compact,
    /// A file that is there already is copied under another name.
    Twice,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = select(vec![
        Step::File,
        Step::File,
        Step::Ingest,
        Step::IngestSmall,
        Step::Compact,
        Step::Compact,
        Step::Twice,
    ]);
    vec(step, 1..8)
}

fn csv(world: &World, keys: Keys, part: usize, parts: usize, faults: bool) -> String {
    let mut text = "at,user,event,plan,region\n".to_owned();
    for (at, event) in world.events.iter().enumerate().filter(|(at, _)| at % parts == part) {
        let (time, user) = (civil(event.micros / 1_000_000), keys.write(event.user));
        let (plan, region) = (event.plan.unwrap_or_default(), event.region.unwrap_or_default());
        let name = event.event;
        let _ = match at % 11 {
            3 if faults => writeln!(text, "{time}Z,,{name},{plan},\"{region}\""),
            5 if faults => writeln!(text, "never,{user},{name},{plan},\"{region}\""),
            7 if faults => writeln!(text, "{time}Z,{user},,{plan},\"{region}\""),
            _ => writeln!(text, "{time}Z,{user},{name},{plan},\"{region}\""),
        };
    }
    // Files differ, even those without events.
    let _ = writeln!(text, "1969-01-01T00:00:0{part}Z,1,open,,");
    text
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60, failure_persistence: None, max_shrink_iters: 200, ..Default::default()
    })]

    #[test]
    fn store_is_events_is_truth(
        world in world(),
        questions in vec(question(), 1..4),
        keys in select(vec![Keys::Dense, Keys::Texts, Keys::Uuids, Keys::Mixed]),
        faults in any::<bool>(),
        scoped in any::<bool>(),
        steps in steps(),
    ) {
        let project = world.project(None);
        std::fs::remove_file(project.path("events.csv")).unwrap();
        let scope = if scoped { "{column: user, scope: region}" } else { "user" };
        project.write("headcount.yaml", format!(
            "time_zone: {}\nsources:\n  - {{name: events, files: \"events/*\", \
             time: at, user: {scope}, event: event, dimensions: [plan, region]}}\n",
            world.zone.name()));
        let parts = steps.iter().filter(|step| matches!(step, Step::File)).count() + 1;
        let mut there = 0;
        let mut arrive = |project: &Project| {
            let text = csv(&world, keys, there, parts, faults);
            match there % 2 {
                0 => project.write(&format!("events/{there}.csv"), text),
                _ => project.write(&format!("events/{there}.csv.gz"), gzip(text.as_bytes())),
            }
            there += 1;
        };
        arrive(&project);
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::File => arrive(&project),
                Step::Ingest => { ingest_new(project.root()); }
                Step::IngestSmall => { ingest_with_memory(project.root(), 16 << 20); }
                Step::Compact if project.path("store").is_dir() => {
                    open(project.root()).compact(&|_, _| ()).unwrap();
                }
                Step::Compact => {}
                Step::Twice => {
                    std::fs::copy(project.path("events/0.csv"), project.path("events/copy.csv"))
                        .unwrap();
                    let taken = ingest_new(project.root());
                    prop_assert_eq!((taken.known.is_empty(), taken.changed.len()), (false, 0));
                    std::fs::remove_file(project.path("events/copy.csv")).unwrap();
                    prop_assert_eq!(ingest_new(project.root()).added.len(), 0);
                }
            }
            let mut question = questions[at % questions.len()].clone();
            if at % 3 == 2 && world.metrics.iter().all(|metric| !metric.and) {
                question.counting = Counting::Approx(10);
            }
            assert_same(project.root(), &question);
        }
        ingest_new(project.root());
        assert_sound(project.root());
        for question in &questions {
            let answer = assert_same(project.root(), question);
            if !faults && !scoped {
                prop_assert_eq!(answer.report.rows, oracle::rows(&world, question));
            }
        }
        // The events are not needed any more.
        let before: Vec<_> = questions.iter().map(|q| project.ask(q).report.rows).collect();
        std::fs::remove_dir_all(project.path("events")).unwrap();
        let after: Vec<_> = questions.iter().map(|q| project.ask(q).report.rows).collect();
        prop_assert_eq!(before, after);
    }
}

/// Another dictionary over the same store, without reading an event.
#[test]
fn definitions_change_without_the_events() {
    let world = crate::laws::some_world(7, Zone::utc());
    let project = world.project(Some(50));
    ingest_new(project.root());
    std::fs::remove_file(project.path("events.parquet")).unwrap();
    for flip in 0..3 {
        let mut other = world.clone();
        for (at, metric) in other.metrics.iter_mut().enumerate() {
            metric.and = at % 3 == flip;
            metric.group = crate::world::GROUPS[(at + flip) % 4];
        }
        let metrics = other.metrics.iter().map(crate::world::Metric::yaml);
        project.write("dictionary/metrics/all.yml", metrics.collect::<String>());
        let question = Question::default();
        assert_eq!(project.ask(&question).report.rows, oracle::rows(&other, &question));
    }
}
