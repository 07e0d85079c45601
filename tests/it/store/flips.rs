//! One flipped bit anywhere in the store: the answer is an error or unchanged.
//!
//! `HEADCOUNT_FLIPS` is the number of bits (default 60).

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, TimestampMicrosecondArray};
use engine::active::{Level, Question};
use engine::calendar::Window;
use engine::rollup::Counting;
use headcount::catalog::{CatalogOptions, register};
use headcount::session::{Options, session};
use tokio::runtime::Runtime;

use super::{broken::files, ingest_new, open};
use crate::project::{Project, ask_at, parquet_in_groups};

const SQL: [&str; 3] = [
    "SELECT count(DISTINCT user_id) FROM visits",
    "SELECT plan, event, count(DISTINCT user_id) FROM visits GROUP BY plan, event ORDER BY 1, 2",
    "SELECT day, event, plan, bitmap_union_count(users), sum(user_count), sum(event_count) \
     FROM activity GROUP BY day, event, plan ORDER BY 1, 2, 3",
];

/// 400 events of 60 days, from the `from`-th on: half of the keys are their own ids.
fn events(from: i64) -> Vec<u8> {
    let user = |at: i64| match at * at % 37 {
        small if small % 2 == 0 => (small * 1_001).to_string(),
        other => format!("person {other}"),
    };
    let rows = || from..from + 400;
    let time = |at: i64| (1_767_225_600 + at % 400 * 12_960) * 1_000_000;
    let text = |of: &dyn Fn(i64) -> String| -> ArrayRef {
        Arc::new(rows().map(|at| Some(of(at))).collect::<StringArray>())
    };
    let names = ["page_viewed", "searched", "post_written"];
    let times = TimestampMicrosecondArray::from_iter_values(rows().map(time)).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 4] = [
        ("at", Arc::new(times)),
        ("user_id", text(&user)),
        ("event", text(&|at| names[at as usize % 3].to_owned())),
        ("plan", text(&|at| format!("plan {}", at % 5 % 2))),
    ];
    parquet_in_groups(&columns, 100)
}

fn made(compact: bool) -> Project {
    let project = Project::good();
    let yaml = std::fs::read_to_string(project.path("headcount.yaml")).unwrap();
    project.write("headcount.yaml", yaml.replace("events.csv", "events/*.parquet"));
    for (name, from) in [("events/a.parquet", 0), ("events/b.parquet", 350)] {
        project.write(name, events(from));
        ingest_new(project.root());
    }
    if compact {
        assert!(open(project.root()).compact(&|_, _| ()).unwrap());
    }
    project
}

/// The results of reports and SQL for a project, each an answer or an error.
fn answers(project: &Project, runtime: &Runtime) -> Vec<Result<String, String>> {
    let levels: std::collections::BTreeSet<Level> =
        [Level::Total, Level::Stage, Level::Action].into();
    let question = |window, counting| Question {
        window,
        counting,
        levels: levels.clone(),
        by: vec!["plan".to_owned()],
        ..Question::default()
    };
    // Nothing but the store can answer.
    let (there, hidden) = (project.path("events"), project.path("hidden"));
    std::fs::rename(&there, &hidden).unwrap();
    let reports = [
        Question::default(),
        question(Window::Month, Counting::Exact),
        question(Window::Trailing(7), Counting::Exact),
        question(Window::Week, Counting::Approx(12)),
    ];
    let mut answers: Vec<Result<String, String>> = reports
        .iter()
        .map(|question| match ask_at(project.root(), question) {
            Ok(answer) => {
                let report = &answer.report;
                Ok(format!("{:?} {:?} {:?}", report.rows, report.events, answer.summary.last))
            }
            Err(error) => Err(error.to_string()),
        })
        .collect();
    std::fs::rename(&hidden, &there).unwrap();
    let session = session(&Options { threads: Some(2), ..Options::default() }).unwrap();
    let loaded = Arc::new(engine::project::Project::load(project.root()).unwrap());
    register(&session, &CatalogOptions { project: Some(loaded), ..CatalogOptions::default() })
        .unwrap();
    for sql in SQL {
        let rows = runtime.block_on(async { session.sql(sql).await?.collect().await });
        answers.push(match rows {
            Ok(rows) => Ok(arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string()),
            Err(error) => Err(error.to_string()),
        });
    }
    answers
}

#[test]
fn a_flipped_bit_is_no_other_answer() {
    let flips: usize =
        std::env::var("HEADCOUNT_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let runtime = Runtime::new().unwrap();
    let mut state = 11u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut found = 0;
    for compact in [false, true] {
        let project = made(compact);
        let expected = answers(&project, &runtime);
        assert!(expected.iter().all(Result::is_ok), "{expected:?}");
        let mut all: Vec<PathBuf> = Vec::new();
        files(&project.path("store"), &mut all);
        all.retain(|path| path.metadata().unwrap().len() > 0);
        all.sort();
        for flip in 0..flips.div_ceil(2) {
            let path = &all[random(all.len())];
            let bytes = std::fs::read(path).unwrap();
            let (at, bit) = (random(bytes.len()), random(8));
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            std::fs::write(path, &flipped).unwrap();
            for (answer, expected) in answers(&project, &runtime).iter().zip(&expected) {
                match answer {
                    Ok(_) => assert_eq!(answer, expected, "flip {flip}: {}, {at}", path.display()),
                    Err(_) => found += 1,
                }
            }
            std::fs::write(path, &bytes).unwrap();
        }
        assert_eq!(answers(&project, &runtime), expected);
    }
    assert!(found > flips, "only {found} answers were errors");
}
