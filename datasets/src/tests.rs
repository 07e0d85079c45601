//! The data set as others see it: read back from the files, against the truth beside them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::statistics::Statistics;

use crate::calendar::{DAY, YearMonth};
use crate::product::{STAGES, events, selections};
use crate::{Error, Ids, Settings, Summary, generate};

fn make(out: &Path, change: impl Fn(&mut Settings)) -> Summary {
    let mut settings = Settings::new(out);
    (settings.events, settings.users, settings.months) = (40_000, 3_000, 3);
    settings.rows_per_group = 5_000;
    change(&mut settings);
    generate(&settings, &|_| ()).unwrap()
}

/// All files below a folder, with their bytes.
pub(crate) fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

/// One row as it stands in a file.
struct Row {
    time: i64,
    user: String,
    event: String,
    stage: String,
    plan: String,
    deployment: String,
    installation: i64,
    namespace: i64,
}

fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let text = |name: &str, row| {
        batch.column_by_name(name).unwrap().as_string::<i32>().value(row).to_owned()
    };
    let number = |name: &str, row| {
        batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().value(row)
    };
    let times = batch.column_by_name("ts").unwrap().as_primitive::<TimestampMicrosecondType>();
    let user = |row| match batch.column_by_name("user_id").unwrap().data_type() {
        DataType::Int64 => number("user_id", row).to_string(),
        _ => text("user_id", row),
    };
    (0..batch.num_rows())
        .map(|row| Row {
            time: times.value(row),
            user: user(row),
            event: text("event", row),
            stage: text("stage", row),
            plan: text("plan", row),
            deployment: text("deployment", row),
            installation: number("installation", row),
            namespace: number("namespace", row),
        })
        .collect()
}

/// The event files in order of name, each with its rows.
fn read(out: &Path) -> Vec<(String, Vec<Row>)> {
    let mut names: Vec<PathBuf> =
        fs::read_dir(out.join("events")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort_unstable();
    let rows = |path: &PathBuf| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        reader.build().unwrap().flat_map(|batch| rows_of(&batch.unwrap())).collect()
    };
    names
        .iter()
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), rows(path)))
        .collect()
}

/// The truth, found once more from the files: a hash set of users for every row of it.
fn recount(files: &[(String, Vec<Row>)], settings: &Settings) -> BTreeMap<String, (usize, u64)> {
    let start = YearMonth { year: settings.start.0, month: settings.start.1 };
    let mut found: BTreeMap<String, (HashSet<String>, u64)> = BTreeMap::new();
    for month in 0..settings.months {
        for selection in selections() {
            for plan in ["", "free", "premium", "ultimate"] {
                let date = start.plus(month).first_date();
                let key = format!("{date},{},{},{plan}", selection.level, selection.key);
                found.insert(key, (HashSet::new(), 0));
            }
        }
    }
    let mut keys: HashMap<&str, Vec<String>> = HashMap::new();
    for (position, (name, _)) in events().enumerate() {
        let own = selections().into_iter().filter(|s| s.events & (1 << position) != 0);
        keys.insert(name, own.map(|s| format!("{},{}", s.level, s.key)).collect());
    }
    for row in files.iter().flat_map(|(_, rows)| rows) {
        let day = row.time.div_euclid(DAY) as i32;
        let month = (0..settings.months).map(|n| start.plus(n)).rfind(|m| m.first_day() <= day);
        let date = month.unwrap().first_date();
        let user = match settings.scoped {
            true => format!("{}/{}", row.installation, row.user),
            false => row.user.clone(),
        };
        for key in &keys[row.event.as_str()] {
            for plan in ["", row.plan.as_str()] {
                let (users, events) = found.get_mut(&format!("{date},{key},{plan}")).unwrap();
                users.insert(user.clone());
                *events += 1;
            }
        }
    }
    found.into_iter().map(|(key, (users, events))| (key, (users.len(), events))).collect()
}

fn truth(out: &Path) -> BTreeMap<String, (usize, u64)> {
    let text = fs::read_to_string(out.join("truth/truth.csv")).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("period_start,level,key,plan,users,events"));
    let row = |line: &str| {
        let mut fields = line.rsplitn(3, ',');
        let events = fields.next().unwrap().parse().unwrap();
        let users = fields.next().unwrap().parse().unwrap();
        (fields.next().unwrap().to_owned(), (users, events))
    };
    lines.map(row).collect()
}

#[test]
fn the_truth_is_what_the_files_hold() {
    let check = |change: fn(&mut Settings)| {
        let home = tempfile::tempdir().unwrap();
        let mut settings = Settings::new(home.path());
        (settings.events, settings.users, settings.months) = (40_000, 3_000, 3);
        change(&mut settings);
        let summary = generate(&settings, &|_| ()).unwrap();
        let files = read(home.path());
        let rows: usize = files.iter().map(|(_, rows)| rows.len()).sum();
        assert_eq!(rows as u64, settings.events);
        assert_eq!(files.len(), summary.files);
        let truth = truth(home.path());
        assert_eq!(recount(&files, &settings), truth, "{settings:?}");
        for month in &summary.months {
            let row = truth[&format!("{},total,,", month.period_start)];
            assert_eq!((row.0 as u64, row.1), (month.users, month.events));
        }
    };
    check(|_| ());
    check(|s| s.ids = Ids::Random64);
    check(|s| s.ids = Ids::Uuid);
    check(|s| s.late = 0.1);
    check(|s| s.scoped = true);
    check(|s| (s.scoped, s.ids, s.users) = (true, Ids::Uuid, 150_000));
    check(|s| (s.events, s.users, s.months) = (1, 1, 1));
    check(|s| (s.events, s.users, s.months, s.files_per_month) = (50, 2, 14, 3));
}

#[test]
fn the_truth_as_parquet_is_the_truth_as_csv() {
    let home = tempfile::tempdir().unwrap();
    make(home.path(), |_| ());
    let file = File::open(home.path().join("truth/truth.parquet")).unwrap();
    let mut found = BTreeMap::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let text = |name: &str, row: usize| {
            let column = batch.column_by_name(name).unwrap().as_string::<i32>();
            if column.is_valid(row) { column.value(row).to_owned() } else { String::new() }
        };
        let number = |name: &str, row: usize| {
            batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().value(row)
        };
        let days = batch.column_by_name("period_start").unwrap();
        let days = days.as_primitive::<arrow::datatypes::Date32Type>();
        for row in 0..batch.num_rows() {
            let mut months = (0..3).map(|n| YearMonth { year: 2025, month: 1 }.plus(n));
            let date = months.rfind(|m| m.first_day() <= days.value(row)).unwrap().first_date();
            let (level, key, plan) = (text("level", row), text("key", row), text("plan", row));
            let counts = (number("users", row) as usize, number("events", row) as u64);
            found.insert(format!("{date},{level},{key},{plan}"), counts);
        }
    }
    assert_eq!(found, truth(home.path()));
}

#[test]
fn the_bytes_do_not_depend_on_the_threads() {
    let check = |change: fn(&mut Settings)| {
        let mut made = Vec::new();
        for threads in [1, 3] {
            let home = tempfile::tempdir().unwrap();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| make(home.path(), change));
            made.push(bytes(home.path()));
        }
        assert_eq!(made[0].keys().collect::<Vec<_>>(), made[1].keys().collect::<Vec<_>>());
        assert!(made[0] == made[1], "same names, other bytes");
    };
    check(|_| ());
    check(|s| (s.ids, s.files_per_month, s.late) = (Ids::Uuid, 2, 0.05));
}

#[test]
fn another_seed_is_another_data_set() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    make(homes[0].path(), |s| s.seed = 1);
    make(homes[1].path(), |s| s.seed = 2);
    assert_ne!(truth(homes[0].path()), truth(homes[1].path()));
}

#[test]
fn rows_stand_in_the_file_of_their_month_in_time_order() {
    let home = tempfile::tempdir().unwrap();
    let summary = make(home.path(), |s| s.files_per_month = 2);
    let files = read(home.path());
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names[..2], ["2025-01-001.parquet", "2025-01-002.parquet"]);
    assert_eq!((names.len(), summary.files), (6, 6));
    for pair in files.chunks(2) {
        let month: u32 = pair[0].0[5..7].parse().unwrap();
        let month = YearMonth { year: 2025, month };
        let times: Vec<i64> = pair.iter().flat_map(|(_, rows)| rows).map(|row| row.time).collect();
        let span = i64::from(month.first_day()) * DAY..i64::from(month.plus(1).first_day()) * DAY;
        assert!(times.is_sorted());
        assert!(times.iter().all(|time| span.contains(time)));
    }
}

#[test]
fn late_events_lie_in_the_file_of_their_arrival() {
    let home = tempfile::tempdir().unwrap();
    make(home.path(), |s| s.late = 0.2);
    let files = read(home.path());
    let february = i64::from(YearMonth { year: 2025, month: 2 }.first_day()) * DAY;
    let early = files[1].1.iter().filter(|row| row.time < february).count();
    assert!((50..2_000).contains(&early), "{early} of {} rows", files[1].1.len());
    assert!(files[0].1.iter().all(|row| row.time < february));
    assert!(files[1].1.iter().all(|row| row.time >= february - 3 * DAY));
    assert!(!files[1].1.is_sorted_by_key(|row| row.time));
}

#[test]
fn files_are_ordinary_parquet() {
    let home = tempfile::tempdir().unwrap();
    make(home.path(), |_| ());
    let file = File::open(home.path().join("events/2025-03.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let types: Vec<String> = reader
        .schema()
        .fields()
        .iter()
        .map(|f| format!("{} {}", f.name(), f.data_type()))
        .collect();
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let expected = [
        format!("ts {time}"),
        "user_id Int64".to_owned(),
        "event Utf8".to_owned(),
        "stage Utf8".to_owned(),
        "plan Utf8".to_owned(),
        "deployment Utf8".to_owned(),
        "installation Int64".to_owned(),
        "namespace Int64".to_owned(),
    ];
    assert_eq!(types, expected);
    let metadata = reader.metadata();
    assert!(metadata.file_metadata().key_value_metadata().is_none());
    assert_eq!(metadata.num_row_groups(), 3);
    let mut last = i64::MIN;
    for group in metadata.row_groups() {
        assert!(group.num_rows() <= 5_000);
        assert!(group.column(2).dictionary_page_offset().is_some());
        let Some(Statistics::Int64(times)) = group.column(0).statistics() else {
            panic!("no statistics of ts");
        };
        assert!(last <= *times.min_opt().unwrap());
        last = *times.max_opt().unwrap();
    }
}

#[test]
fn keys_have_their_form() {
    let check = |ids: Ids, form: fn(&str) -> bool| {
        let home = tempfile::tempdir().unwrap();
        make(home.path(), |s| s.ids = ids);
        for row in read(home.path()).iter().flat_map(|(_, rows)| rows) {
            assert!(form(&row.user), "{ids}: {}", row.user);
        }
    };
    check(Ids::Dense, |user| (1..=3_000).contains(&user.parse::<i64>().unwrap()));
    check(Ids::Random64, |user| user.parse::<i64>().unwrap().unsigned_abs() > 1 << 32);
    check(Ids::Uuid, |user| {
        let dashes = user.char_indices().filter(|(_, c)| *c == '-').map(|(at, _)| at);
        user.len() == 36 && user == user.to_lowercase() && dashes.eq([8, 13, 18, 23])
    });
}

#[test]
fn the_form_of_the_keys_changes_nothing_else() {
    let mut truths = Vec::new();
    for ids in Ids::ALL {
        let home = tempfile::tempdir().unwrap();
        make(home.path(), |s| s.ids = ids);
        truths.push(fs::read_to_string(home.path().join("truth/truth.csv")).unwrap());
    }
    assert!(truths.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn population_and_tenants_look_like_a_product() {
    let home = tempfile::tempdir().unwrap();
    let summary = make(home.path(), |s| (s.events, s.users, s.months) = (200_000, 10_000, 12));
    let stages: HashMap<&str, &str> = STAGES
        .iter()
        .flat_map(|s| s.groups.iter().flat_map(|g| g.events).map(|(name, _)| (*name, s.key)))
        .collect();
    let mut owners = HashMap::new();
    let mut used: HashMap<String, HashSet<String>> = HashMap::new();
    let mut plans: HashMap<String, HashSet<String>> = HashMap::new();
    let mut count: HashMap<String, u32> = HashMap::new();
    for row in read(home.path()).into_iter().flat_map(|(_, rows)| rows) {
        assert_eq!(stages[row.event.as_str()], row.stage);
        assert_eq!(row.installation == 1, row.deployment == "saas");
        assert!(row.deployment != "dedicated" || row.plan != "free");
        assert_eq!(*owners.entry(row.namespace).or_insert(row.installation), row.installation);
        used.entry(row.user.clone()).or_default().insert(row.stage);
        plans.entry(row.user.clone()).or_default().insert(row.plan);
        *count.entry(row.user).or_default() += 1;
    }
    let mut counts: Vec<u32> = count.into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let tenth: u32 = counts[..counts.len() / 10].iter().sum();
    assert!(tenth > 200_000 * 3 / 10, "the busiest tenth has {tenth} of 200,000 events");
    let median = counts[counts.len() / 2];
    assert!((3..25).contains(&median), "the median is {median} events a year");
    let few = used.values().filter(|stages| stages.len() <= 4).count();
    assert!(few * 2 > used.len(), "{few} of {} people use at most 4 stages", used.len());
    let several = plans.values().filter(|plans| plans.len() > 1).count();
    assert!(several > 100, "{several} people have events under several plans");
    assert!(summary.months[10].users > summary.months[1].users, "{:?}", summary.months);
    assert!(summary.months[11].users < summary.months[10].users, "{:?}", summary.months);
}

#[test]
fn progress_adds_up() {
    let home = tempfile::tempdir().unwrap();
    let sum = AtomicU64::new(0);
    let mut settings = Settings::new(home.path());
    (settings.events, settings.users, settings.months) = (12_345, 100, 2);
    let add = |rows| {
        sum.fetch_add(rows, Ordering::Relaxed);
    };
    generate(&settings, &add).unwrap();
    assert_eq!(sum.into_inner(), 12_345);
}

#[test]
fn a_run_that_is_cut_short_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let settings = Settings::new(&out);
    let stop = |_| {
        assert!(out.join(".partial/events/2025-01.parquet").exists());
        assert!(!out.join("events").exists() && !out.join("headcount.yaml").exists());
        panic!("stop here");
    };
    let stopped = std::panic::catch_unwind(|| generate(&settings, &stop));
    let reason = stopped.unwrap_err();
    assert_eq!(reason.downcast_ref::<&str>(), Some(&"stop here"));
    assert!(!out.exists());
}

#[test]
fn settings_out_of_range_are_refused() {
    let check = |change: fn(&mut Settings), expected: &str| {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("out");
        let mut settings = Settings::new(&out);
        change(&mut settings);
        let error = generate(&settings, &|_| ()).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }));
        assert_eq!(error.to_string(), expected);
        assert!(!out.exists());
    };
    check(|s| s.events = 0, "events is 0, expected 1 to 2^50");
    check(|s| s.users = 0, "users is 0, expected 1 to 2^32");
    check(|s| s.months = 1201, "months is 1201, expected 1 to 1200");
    check(|s| s.start = (2025, 13), "start month is 13, expected 1 to 12");
    check(|s| s.start = (1969, 12), "start year is 1969, expected 1970 to 2200");
    check(|s| s.files_per_month = 0, "files_per_month is 0, expected 1 to 1000");
    check(|s| s.rows_per_group = 10, "rows_per_group is 10, expected 1,000 to 100,000,000");
    check(|s| s.late = f64::NAN, "late is NaN, expected 0 to 0.5");
}

#[test]
fn an_earlier_data_set_is_replaced_only_when_allowed() {
    let home = tempfile::tempdir().unwrap();
    make(home.path(), |_| ());
    let before = bytes(home.path());
    let mut settings = Settings::new(home.path());
    (settings.events, settings.users, settings.months, settings.seed) = (10, 10, 1, 2);
    assert!(matches!(generate(&settings, &|_| ()), Err(Error::Folder { .. })));
    assert!(bytes(home.path()) == before, "a refused run changes nothing");
    settings.overwrite = true;
    generate(&settings, &|_| ()).unwrap();
    let files = read(home.path());
    assert_eq!((files.len(), files[0].1.len()), (1, 10));
}
