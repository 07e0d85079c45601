//! Random CSV files with random damage: a report gives the numbers of a slow, strict reader, or an
//! error if that reader finds one; never fewer rows.
//!
//! `HEADCOUNT_DAMAGE` is the number of files (default 300).

use std::collections::{BTreeMap, BTreeSet};

use engine::active::{Level, Question};
use engine::calendar::{Zone, parse_instant};

use crate::project::Project;

/// The events of the dictionary.
const EVENTS: [&str; 3] = ["page_viewed", "searched", "post_written"];

/// A linear congruential generator; the seed is the number of the file.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// A good file: some fields are quoted, some of these hold delimiters, quotes and line ends.
fn file(random: &mut Random) -> Vec<u8> {
    let end = random.of(&["\n", "\r\n"]);
    let mut text = format!("at,user,event,plan{end}");
    for _ in 0..1 + random.below(20) {
        let at = format!("2026-0{}-1{}", 1 + random.below(3), random.below(10));
        let user = random.below(8).to_string();
        let plan =
            random.of(&["", "free", "a,b", "\"", "line\nend", "5\" pipe", "é", "x\r\n\"y\""]);
        let fields = [at.as_str(), user.as_str(), random.of(&EVENTS[..2]), plan];
        let fields = fields.map(|field| {
            let is_special = field.contains([',', '"', '\n', '\r']);
            match is_special || random.below(3) == 0 {
                true => format!("\"{}\"", field.replace('"', "\"\"")),
                false => field.to_owned(),
            }
        });
        text += &(fields.join(",") + end);
    }
    text.into_bytes()
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len());
    let new = b"\"\"\",\n\r x1\xff\0"[random.below(11)];
    match random.below(3) {
        0 => bytes.insert(at, new),
        1 => bytes[at] = new,
        _ => drop(bytes.remove(at)),
    }
}

/// The rows of a file with this header, or `None` if it is broken.
fn strict(bytes: &[u8]) -> Option<Vec<Vec<String>>> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.lines().next()?.trim().is_empty() || text.starts_with('\r') {
        return None;
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut characters = text.chars().peekable();
    while characters.peek().is_some() {
        let (mut field, mut quoted) = (String::new(), false);
        if characters.next_if_eq(&'"').is_some() {
            quoted = true;
            loop {
                match characters.next()? {
                    '"' if characters.next_if_eq(&'"').is_some() => field.push('"'),
                    '"' => break,
                    other => field.push(other),
                }
            }
        } else {
            while let Some(other) = characters.next_if(|c| !",\r\n".contains(*c)) {
                field.push(other);
            }
        }
        let is_empty = field.is_empty() && !quoted && row.is_empty();
        match characters.next() {
            Some(',') => {
                row.push(field);
                if characters.peek().is_some() {
                    continue;
                }
                row.push(String::new());
            }
            Some('\r' | '\n') | None if is_empty => continue,
            Some('\r' | '\n') | None => row.push(field),
            Some(_) => return None,
        }
        rows.push(std::mem::take(&mut row));
    }
    let header = rows.remove(0);
    let header: Vec<&str> = header.iter().map(|name| name.trim()).collect();
    let places: Option<Vec<usize>> = ["at", "user", "event", "plan"]
        .iter()
        .map(|wanted| header.iter().position(|name| name == wanted))
        .collect();
    let (places, names) = (places?, header.iter().collect::<BTreeSet<_>>());
    if names.len() < header.len() || rows.iter().any(|row| row.len() != header.len()) {
        return None;
    }
    Some(rows.iter().map(|row| places.iter().map(|at| row[*at].clone()).collect()).collect())
}

/// The output of a report for some rows.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    /// Users of each month, and of each month and plan.
    users: BTreeMap<(String, Option<String>), u64>,
    /// Counted events, events that are not in the dictionary, and rejected rows.
    events: u64,
    unknown: BTreeMap<String, u64>,
    rejected: u64,
}

fn count(rows: &[Vec<String>]) -> Counts {
    let mut users: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    let mut counts = Counts::default();
    let end = parse_instant("2027-01-01", &Zone::utc()).unwrap();
    for row in rows {
        let time = parse_instant(&row[0], &Zone::utc()).filter(|time| (0..end).contains(time));
        let Some(time) = time.filter(|_| !row[1].is_empty() && !row[2].is_empty()) else {
            counts.rejected += 1;
            continue;
        };
        if !EVENTS.contains(&row[2].as_str()) {
            *counts.unknown.entry(row[2].clone()).or_default() += 1;
            continue;
        }
        counts.events += 1;
        let month = Zone::utc().day_of(time).to_string()[..7].to_owned();
        let plan = if row[3].is_empty() { "(none)" } else { row[3].as_str() };
        for plan in [None, Some(plan.to_owned())] {
            users.entry((month.clone(), plan)).or_default().insert(&row[1]);
        }
    }
    counts.users = users.into_iter().map(|(key, users)| (key, users.len() as u64)).collect();
    counts
}

#[test]
fn damaged_csv_never_has_silently_fewer_rows() {
    let files: u64 =
        std::env::var("HEADCOUNT_DAMAGE").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let project = Project::good();
    project.write(
        "headcount.yaml",
        "no_events_after: 2026-12-31\n\
         sources:\n  - {name: events, files: events.csv, time: at, user: user, event: event, \
         dimensions: [plan]}\n",
    );
    let question = Question {
        levels: [Level::Total].into(),
        by: vec!["plan".to_owned()],
        ..Question::default()
    };
    let (mut broken, mut whole) = (0, 0);
    for seed in 0..files {
        let mut random = Random(seed);
        let mut bytes = file(&mut random);
        for _ in 0..random.below(4) {
            damage(&mut random, &mut bytes);
        }
        project.write("events.csv", &bytes);
        let shown = || format!("file {seed}: {:?}", String::from_utf8_lossy(&bytes));
        match (strict(&bytes), project.try_ask(&question)) {
            (None, Err(error)) => {
                assert!(error.to_string().contains("events.csv"), "{}: {error}", shown());
                broken += 1;
            }
            (None, Ok(_)) => panic!("{}: no error", shown()),
            (Some(_), Err(error)) => panic!("{}: {error}", shown()),
            (Some(rows), Ok(answer)) => {
                let report = answer.report;
                let users = report.rows.iter().filter(|row| row.users > 0).map(|row| {
                    ((row.period.start.to_string()[..7].to_owned(), row.by[0].clone()), row.users)
                });
                let found = Counts {
                    users: users.collect(),
                    events: report.events,
                    unknown: answer.summary.unmapped,
                    rejected: answer.summary.rejects.total(),
                };
                assert_eq!(found, count(&rows), "{}", shown());
                whole += 1;
            }
        }
    }
    assert!(broken > files / 10 && whole > files / 10, "{broken} broken, {whole} whole");
}
