//! Exact columns against hash sets, sketches against their theory, words against figures.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::array::RecordBatch;
use arrow::datatypes::UInt64Type;
use counters::{FilledSet, Sample};
use datasets::{Ids, generate};
use engine::active::{Level, Question, answer, members};
use engine::metric::Dictionary;
use engine::project::Project;
use engine::users::Key;
use engine::{JobContext, Result};

use super::advice::{bytes, percent, time};
use super::measurement::SetKind;
use super::trials::Trials;
use super::user_pool::{Random, UserPool};
use super::{
    Counter, Errors, Kind, Measured, Measurement, Node, Settings, measure_project,
    measure_synthetic, write,
};
use crate::output::Format;
use crate::session::{Options, session};

/// Settings with a constant clock.
fn settings(precisions: &[u8], sizes: &[u64], trials: u32) -> Settings<'static> {
    Settings {
        precisions: precisions.to_vec(),
        sizes: sizes.to_vec(),
        trials,
        seed: 1,
        clock: &|| Duration::ZERO,
        progress: &|_: u64, _: u64| (),
    }
}

fn question(levels: &[Level]) -> Question {
    Question { levels: levels.iter().copied().collect(), ..Question::default() }
}

fn fill(counter: Counter, sample: &Sample) -> FilledSet {
    counter.fill(sample, &|| Duration::ZERO).unwrap().0
}

fn merge(one: &FilledSet, other: &FilledSet) -> Result<FilledSet> {
    Ok(one.merge(other, &|| Duration::ZERO)?.0)
}

fn text(measured: &Measured, format: Format) -> String {
    let mut out = Vec::new();
    write(measured, format, &mut out, false).unwrap();
    String::from_utf8(out).unwrap()
}

/// Months, users and events of a small project: every user u is active in month m if u % m == 0.
fn small_project(folder: &Path, scoped: bool) -> BTreeMap<(u32, &'static str), HashSet<String>> {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let user = if scoped { "{column: user, scope: site}" } else { "user" };
    put(
        "headcount.yaml",
        &format!(
            "dictionary: dictionary\nsources:\n  - {{name: events, files: events.csv, time: time, \
             user: {user}, event: event}}\n"
        ),
    );
    let stage =
        |key: &str| format!("  {key}: {{section: all, groups: {{{key}_team: {{name: {key}}}}}}}\n");
    put("dictionary/stages.yml", &format!("stages:\n{}{}", stage("write"), stage("read")));
    let (mut events, mut metrics) = (String::new(), String::new());
    for event in ["write", "read"] {
        events.push_str(&format!(
            "- {{action: {event}, description: They {event}, identifiers: [user]}}\n"
        ));
        metrics.push_str(&format!(
            "- {{key_path: counts.{event}, description: {event}, product_group: {event}_team, \
             time_frame: 28d, events: [{{name: {event}, unique: user.id}}]}}\n"
        ));
    }
    put("dictionary/events/events.yml", &events);
    put("dictionary/metrics/metrics.yml", &metrics);

    let mut rows = String::from("time,user,event,site\n");
    let mut users: BTreeMap<(u32, &str), HashSet<String>> = BTreeMap::new();
    for month in 1..=3 {
        for user in (0..900_u32).filter(|user| user % month == 0) {
            let event = if user % 5 == 0 { "write" } else { "read" };
            // Under three sites a name is that of three people.
            let (id, site) = if scoped { (user / 3, user % 3) } else { (user, 0) };
            let name = if id % 2 == 0 { format!("u-{id}") } else { id.to_string() };
            for day in [1, 1, 9] {
                rows.push_str(&format!("2026-0{month}-0{day},{name},{event},s{site}\n"));
            }
            let person = format!("{name} of {site}");
            users.entry((month, "all")).or_default().insert(person.clone());
            users.entry((month, event)).or_default().insert(person);
        }
    }
    put("events.csv", &rows);
    users
}

#[test]
fn exact_figures_are_those_of_hash_sets() {
    for scoped in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let truth = small_project(folder.path(), scoped);
        let levels = [Level::Total, Level::Stage];
        let settings = settings(&[4, 10], &[1, 7, 300, 100_000], 5);
        let measured = measure_project(folder.path(), &question(&levels), &settings).unwrap();
        let everybody: HashSet<&String> = truth.values().flatten().collect();
        assert_eq!(measured.users, everybody.len() as u64);
        assert!(measured.notes.iter().any(|note| note.contains("100,000")), "{:?}", measured.notes);

        let exact = |part: SetKind| {
            let lines = measured.lines.iter();
            let mut own = lines.filter(|line| line.counter == Counter::EXACT && line.part == part);
            *own.next().unwrap()
        };
        let sets = |total: bool| {
            let own = truth.iter().filter(|((_, event), _)| (*event == "all") == total);
            own.map(|(_, users)| users.len() as u64).collect::<Vec<_>>()
        };
        for (part, sets) in [
            (vec![SetKind::Level(Level::Total)], sets(true)),
            (vec![SetKind::Level(Level::Stage)], sets(false)),
            (vec![SetKind::Report], [sets(true), sets(false)].concat()),
        ] {
            let line = exact(part[0]);
            let mean = (sets.iter().sum::<u64>() as f64 / sets.len() as f64).round() as u64;
            assert_eq!((line.sets, line.users), (sets.len() as u64, mean), "{part:?}");
            assert_eq!(Some(line.largest), sets.iter().copied().max(), "{part:?}");
        }
        for line in measured.lines.iter().filter(|line| line.counter == Counter::EXACT) {
            let none = Errors { inside: Some(1.0), ..Errors::default() };
            assert_eq!(line.errors, none, "{line:?}");
        }
        // The report's own sketches, from cells, agree with those filled from each row's users.
        for precision in [4, 10] {
            let counter = Counter { kind: Kind::Headcount, precision: Some(precision) };
            let own = |test: fn(SetKind) -> bool| {
                let lines = measured.lines.iter();
                let own = lines.filter(|line| line.counter == counter && test(line.part));
                own.map(|line| line.errors.mean * line.sets as f64).sum::<f64>()
            };
            let rows = own(|part| part == SetKind::Report);
            let levels = own(|part| matches!(part, SetKind::Level(_)));
            assert!((rows - levels).abs() < 1e-9, "{precision}: {rows} {levels}");
            assert!(precision != 4 || rows > 0.0, "nothing was estimated");
        }
    }
}

#[test]
fn every_row_has_its_own_users() {
    for (ids, scoped) in
        [(Ids::Dense, false), (Ids::Random64, false), (Ids::Uuid, false), (Ids::Dense, true)]
    {
        let folder = tempfile::tempdir().unwrap();
        let mut made = datasets::Settings::new(folder.path().join("made"));
        (made.events, made.users, made.months) = (30_000, 4_000, 2);
        (made.ids, made.scoped) = (ids, scoped);
        generate(&made, &|_| ()).unwrap();
        let project = Project::load(&made.out).unwrap();
        let dictionary = Dictionary::load(project.dictionary.as_ref().unwrap()).unwrap();
        let question = question(&[Level::Total, Level::Combined, Level::Stage, Level::Action]);
        let mut rows = Vec::new();
        let mut seen = HashSet::new();
        let everybody = members(
            &project,
            &dictionary,
            &question,
            &JobContext::default(),
            &mut |row, people| {
                let numbers: HashSet<u32> = people.iter().map(|person| person.number).collect();
                assert_eq!((numbers.len() as u64, people.len() as u64), (row.users, row.users));
                assert!(people.is_sorted_by(|a, b| a.hash < b.hash));
                if ids == Ids::Dense && !scoped {
                    assert!(people.iter().all(|p| Key::Int(p.number.into()).hash() == p.hash));
                }
                seen.extend(people.iter().copied().map(|person| (person.number, person.hash)));
                rows.push(row.clone());
                Ok(())
            },
        )
        .unwrap();
        let mut report =
            answer(&project, &dictionary, &question, &JobContext::default()).unwrap().report.rows;
        report.retain(|row| row.level != Level::Combined);
        assert_eq!(rows, report, "{ids:?} {scoped}");
        let everybody: HashSet<_> = everybody.iter().map(|p| (p.number, p.hash)).collect();
        assert_eq!(everybody, seen, "{ids:?} {scoped}");
    }
}

#[test]
fn draws_are_sets_of_different_users_that_a_seed_repeats() {
    let sample = |seed: u64| {
        let mut people = UserPool::synthetic(1_000).unwrap();
        let mut random = Random::new(seed);
        let sizes = [1, 10, 999, 1_000, 5_000];
        sizes.map(|size| people.sample(size, &mut random).numbers().to_vec())
    };
    let sets = sample(1);
    assert_eq!(sets.each_ref().map(Vec::len), [1, 10, 999, 1_000, 1_000]);
    for set in &sets {
        let different: HashSet<&u32> = set.iter().collect();
        assert_eq!(different.len(), set.len());
    }
    assert_eq!(sample(1), sets);
    assert_ne!(sample(2)[1], sets[1]);
}

/// Mean errors of 200 seeded sets against sigma * sqrt(2 / pi), within four standard errors.
#[test]
fn errors_match_the_theory() {
    const TRIALS: u32 = 200;
    const SIZE: u64 = 30_000;
    let lines = measure_synthetic(600_000, &settings(&[12], &[SIZE], TRIALS)).unwrap().lines;
    // Standard errors times sqrt(2^p): Heule, Nunkesser, Hall 2013; the others from the
    // DataSketches pages. Theta keeps between k and 2k hashes; estimates of a single stream do
    // better than unions.
    let theory = [
        (Kind::Headcount, 12, [1.04, 1.04], [1.04, 1.04]),
        (Kind::Hll, 12, [0.8326, 0.8326], [1.04, 1.04]),
        (Kind::Theta, 12, [0.7, 1.0], [1.0, 1.0]),
        (Kind::Cpc, 12, [0.589, 0.589], [0.693, 0.693]),
        (Kind::DataFusion, 14, [1.04, 1.04], [1.04, 1.04]),
    ];
    for (kind, precision, single, merged) in theory {
        let line = lines.iter().find(|line| line.counter.kind == kind).unwrap();
        assert_eq!((line.counter.precision, line.sets), (Some(precision), TRIALS.into()));
        for (mean, factors) in [(line.errors.mean, single), (line.merged.unwrap(), merged)] {
            let sigma = |factor: f64| factor / 2_f64.powi(precision.into()).sqrt();
            let half = 4.0 * 0.6028 / f64::from(TRIALS).sqrt();
            let low = sigma(factors[0]) * (0.7979 - half);
            let high = sigma(factors[1]) * (0.7979 + half);
            assert!((low..=high).contains(&mean), "{kind:?}: {mean} not in {low}..{high}");
        }
        assert!(line.errors.mean <= line.errors.p95 && line.errors.p95 <= line.errors.worst);
        let inside = line.errors.inside;
        assert_eq!(inside.is_none(), kind == Kind::DataFusion);
        assert!(inside.is_none_or(|inside| inside > 0.9), "{kind:?}: {inside:?}");
    }
}

#[tokio::test]
async fn datafusion_counts_as_its_sql_does() {
    let counter = Counter { kind: Kind::DataFusion, precision: Some(14) };
    let mut people = UserPool::synthetic(100_000).unwrap();
    for size in [1, 200, 300, 20_000] {
        let sample = people.sample(size, &mut Random::new(size));
        let batches = sample
            .batches()
            .iter()
            .map(|hashes| RecordBatch::try_from_iter([("hash", Arc::clone(hashes))]).unwrap());
        let session = session(&Options::default()).unwrap();
        let table = session.read_batches(batches.collect::<Vec<_>>()).unwrap().into_view();
        session.register_table("drawn", table).unwrap();
        let sql = "SELECT approx_distinct(hash) FROM drawn";
        let answer = session.sql(sql).await.unwrap().collect().await.unwrap();
        let users = answer[0].column(0).as_primitive::<UInt64Type>().value(0);
        let filled = fill(counter, &sample);
        assert_eq!(filled.estimate().unwrap().users, users, "{size}");
        let twice = merge(&filled, &fill(counter, &sample)).unwrap();
        assert_eq!(twice.estimate().unwrap().users, users, "merged {size}");
    }
}

#[test]
fn unions_count_every_user_once() {
    let mut people = UserPool::synthetic(50_000).unwrap();
    let mut random = Random::new(5);
    let (one, other) = (people.sample(4_000, &mut random), people.sample(9_000, &mut random));
    let both: HashSet<u32> = one.numbers().iter().chain(other.numbers()).copied().collect();
    for counter in Counter::all(&[4, 12], &Kind::ALL) {
        let (a, b) = (fill(counter, &one), fill(counter, &other));
        let estimate = merge(&a, &b).unwrap().estimate().unwrap();
        let off = (estimate.users as f64 / both.len() as f64 - 1.0).abs();
        let sigma = 1.04 / 2_f64.powi(counter.precision.unwrap_or(30).into()).sqrt();
        assert!(off <= 4.0 * sigma, "{counter}: {estimate:?} of {}", both.len());
        assert!(a.memory().unwrap() > 0 && a.stored().unwrap() > 0, "{counter}");
        let exact = fill(Counter::EXACT, &one);
        assert_eq!(merge(&a, &exact).is_ok(), matches!(a, FilledSet::Exact(_)), "{counter}");
    }
    let kinds: BTreeSet<(Kind, Option<u8>)> =
        Counter::all(&[4], &Kind::ALL).into_iter().map(|c| (c.kind, c.precision)).collect();
    assert!(!kinds.contains(&(Kind::Theta, Some(4))), "Theta begins with 5");
    assert!(kinds.contains(&(Kind::DataFusion, Some(14))), "DataFusion has no other");
}

#[test]
fn times_come_from_the_clock_and_seeds_repeat_everything_else() {
    let run = |step: u64| {
        let ticks = AtomicU64::new(0);
        let clock = || Duration::from_micros(ticks.fetch_add(step, Ordering::Relaxed));
        let settings = Settings { clock: &clock, ..settings(&[10], &[10, 2_000], 3) };
        measure_synthetic(9_000, &settings).unwrap()
    };
    let (still, ticking) = (run(0), run(5));
    assert!(ticking.lines.iter().all(|line| (line.fill, line.merge) == (5.0, Some(5.0))));
    let mut stopped = ticking;
    for line in &mut stopped.lines {
        (line.fill, line.merge) = (0.0, Some(0.0));
    }
    assert_eq!(stopped.lines, still.lines);
    let mut one = Trials::new(SetKind::Size, Counter::EXACT);
    assert!(one.take_last().is_none() && one.line().is_none());
}

/// A line of drawn sets.
fn line(counter: Counter, users: u64, memory: f64, fill: f64, mean: f64) -> Measurement {
    Measurement {
        part: SetKind::Size,
        counter,
        sets: 100,
        users,
        largest: users,
        errors: Errors { mean, p95: mean * 2.0, worst: mean * 3.0, inside: Some(0.96) },
        merged: Some(mean),
        memory,
        stored: Some(memory),
        fill,
        merge: Some(1.0),
    }
}

fn hll(precision: u8) -> Counter {
    Counter { kind: Kind::Headcount, precision: Some(precision) }
}

/// Exact sets of a byte a user; a sketch of 5,000 bytes that fills in `pace` of the time.
fn figures(pace: f64) -> Measured {
    let mut measured = measure_synthetic(10, &settings(&[], &[], 1)).unwrap();
    for users in [100, 1_000, 10_000, 100_000] {
        let size = users as f64;
        measured.lines.push(line(Counter::EXACT, users, size, size, 0.0));
        measured.lines.push(line(hll(14), users, size.min(5_000.0), size * pace, 0.005));
        measured.lines.push(line(hll(18), users, size * 2.0, size * pace, 0.001));
    }
    measured
}

fn report_line(counter: Counter, seconds: f64, memory: f64) -> Measurement {
    let line = line(counter, 50, memory, seconds * 1e6, 0.01);
    Measurement { part: SetKind::Report, stored: None, merge: None, merged: None, ..line }
}

#[test]
fn the_advice_follows_from_the_figures() {
    let check = |measured: &Measured, expected: &[&str]| {
        let advice = measured.advice().join("\n");
        for part in expected {
            assert!(advice.contains(part), "no {part:?} in\n{advice}");
        }
    };
    let memory_only = ["Count exactly, unless memory is limited: sketches are smaller from 10,000"];
    check(&figures(1.0), &memory_only);
    check(
        &figures(3.0),
        &[
            "Precision 14: smaller than the exact set from 10,000 users on (5.0 KB instead of \
             10.0 KB), smaller in storage from 10,000 users on; filling takes 3.0 times as long \
             at 100,000 users. At 100,000 users the mean error is 0.50 %, the 95th percentile \
             1.00 %, the largest 1.50 %.",
            "Precision 18: not clearly smaller than the exact set at any size (200.0 KB instead \
             of 100.0 KB at 100,000 users)",
            "All 95 % intervals contain the exact count as often as stated",
        ],
    );
    check(
        &figures(0.5),
        &["helps with large sets only: it saves memory from 10,000", "time from 100"],
    );
    let mut large = figures(1.0);
    large.lines.retain(|line| line.counter != hll(14));
    check(&large, &["Count exactly. At every size"]);

    // A project pays for whole reports, whatever sets of other sizes would take.
    let mut project = figures(0.5);
    project.lines.push(report_line(Counter::EXACT, 2.0, 1e6));
    project.lines.push(report_line(hll(14), 2.1, 3e6));
    project.nodes = vec![(hll(14), vec![Node { users: 40, error: 0.0 }; 7])];
    check(
        &project,
        &[
            "Count exactly. The exact report takes 2.0 s and 1.0 MB",
            "0 of the 7 sets in the report have at least 10,000 users",
            "the largest has 40",
        ],
    );
    assert!(project.advice()[0].starts_with("Count exactly."));
    project.lines.push(report_line(hll(18), 0.4, 2e6));
    check(
        &project,
        &["save time, but not memory: the report at precision 18 takes 400 ms and 2.0 MB, the \
           exact report 2.0 s and 1.0 MB. The mean error of a row is 1.00 %"],
    );

    // Where nothing takes long or much, errors are a price for nothing.
    let mut little = figures(0.5);
    little.lines.push(report_line(Counter::EXACT, 0.2, 20e6));
    little.lines.push(report_line(hll(14), 0.05, 1e6));
    check(&little, &["Count exactly. The exact report takes only 200 ms and 20.0 MB"]);

    let mut broken = figures(1.0);
    for line in broken.lines.iter_mut().filter(|line| line.counter == hll(14)) {
        line.errors.inside = Some(0.9);
    }
    check(&broken, &["less often than stated: Headcount HLL 14: 90.0 % of 400 estimates"]);
}

#[test]
fn every_format_has_the_results_and_people_get_the_advice() {
    let folder = tempfile::tempdir().unwrap();
    small_project(folder.path(), false);
    let levels = question(&[Level::Total, Level::Action]);
    let settings = settings(&[5, 14], &[1, 100], 4);
    let measured = measure_project(folder.path(), &levels, &settings).unwrap();
    let csv = text(&measured, Format::Csv);
    assert_eq!(csv.lines().count(), measured.lines.len() + 1);
    for start in ["measured,level,counter", "size,,exact,,4,100", "report,,headcount,14,"] {
        assert!(csv.lines().any(|line| line.starts_with(start)), "no {start} in\n{csv}");
    }
    let json: serde_json::Value = serde_json::from_str(&text(&measured, Format::Json)).unwrap();
    assert_eq!(json.as_array().unwrap().len(), measured.lines.len());
    for format in [Format::Table, Format::Markdown, Format::Html] {
        let page = text(&measured, format).replace("&#39;", "'");
        let words = page.split_whitespace().collect::<Vec<_>>().join(" ").replace('\\', "");
        for line in &measured.lines {
            assert!(words.contains(&line.counter.to_string()) || format == Format::Markdown);
            assert!(words.contains(&percent(line.errors.mean).replace('<', "&lt;")), "{line:?}");
            assert!(words.contains(&bytes(line.memory)), "{format}: {line:?}");
        }
        for sentence in measured.advice() {
            let bare = |text: &str| text.replace([' ', '\n', '*', '`', '~', '\\'], "");
            assert!(bare(&page).contains(&bare(&sentence)), "{format}: no {sentence}");
        }
    }
    let page = text(&measured, Format::Html);
    // Four sorts of pictures and a cloud for each of the two precisions.
    assert_eq!(page.matches("<svg").count(), 4 * 2 + 2);
    let (shown, _) = page.split_once("data:text/csv").unwrap();
    for outside in ["<script", "http://", "https://", "<link", "NaN", "inf"] {
        assert!(!shown.contains(outside), "{outside}");
    }
}

#[test]
fn impossible_measurements_are_refused_or_noted() {
    let folder = tempfile::tempdir().unwrap();
    small_project(folder.path(), false);
    let settings = settings(&[6], &[10], 2);
    let ask = |level| measure_project(folder.path(), &question(&[level]), &settings);
    let error = ask(Level::Combined).unwrap_err().to_string();
    assert!(error.contains("sum of stages"), "{error}");
    let both = "\n- {key_path: counts.both, description: both, product_group: read_team, \
                time_frame: 28d, operator: AND, events: [{name: read, unique: user.id}, \
                {name: write, unique: user.id}]}\n";
    let metrics = folder.path().join("dictionary/metrics/metrics.yml");
    let text = std::fs::read_to_string(&metrics).unwrap();
    std::fs::write(&metrics, text + both).unwrap();
    let measured = ask(Level::Action).unwrap();
    let note = "no approximate reports: `counts.both`";
    assert!(measured.notes.iter().any(|n| n.contains(note)), "{:?}", measured.notes);
    let reports = measured.lines.iter().filter(|line| line.part == SetKind::Report);
    assert_eq!(reports.map(|line| line.counter).collect::<Vec<_>>(), [Counter::EXACT]);
}

#[test]
fn numbers_are_formatted_for_people() {
    assert_eq!(
        [812.4, 999.6, 13_107.0, 1.25e6, 3e9].map(bytes),
        ["812 B", "1.0 KB", "13.1 KB", "1.2 MB", "3.0 GB"]
    );
    let times = ["0.4 µs", "31 µs", "1.5 ms", "31 ms", "5.2 s"];
    assert_eq!([0.4, 31.2, 1_500.0, 31_000.0, 5.2e6].map(time), times);
    let shares = ["0 %", "< 0.01 %", "0.65 %", "12.3 %"];
    assert_eq!([0.0, 0.000_01, 0.0065, 0.1234].map(percent), shares);
}
