//! Reads the keys of the store's rows and maps each row to its cell, before any set is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use arrow::array::{AsArray, DictionaryArray};
use arrow::datatypes::Int32Type;
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::cell::Cell;
use super::stored_sets::{NO_CELL, StoredGroup, StoredSets};
use crate::Result;
use crate::calendar::{Day, Window, Zone};
use crate::scan::{Request, TimeGrain};
use crate::store::{DataReader, RowKeys};

/// The cells of all files.
pub(super) struct Loaded {
    pub(super) cells: Vec<Cell>,
    pub(super) events: Vec<u64>,
    pub(super) unmapped: BTreeMap<String, u64>,
    pub(super) users: StoredSets,
}

/// Reads the keys of all rows, and finds the cell of each.
///
/// # Errors
/// When a file is broken.
pub(super) fn load(
    [readers, months]: [Vec<DataReader>; 2],
    dimensions: &[String],
    request: &Request<'_>,
) -> Result<Loaded> {
    let tasks: Vec<(usize, usize)> = readers
        .iter()
        .enumerate()
        .flat_map(|(reader, file)| (0..file.groups()).map(move |at| (reader, at)))
        .filter(|(reader, at)| overlaps(readers[*reader].bounds(*at, "day"), request))
        .collect();
    let groups = tasks.iter().map(|(reader, at)| (&readers[*reader], *at));
    DataReader::fetch_ahead(groups, &RowKeys::columns(dimensions))?;
    let row_group: Result<Vec<RowGroupCells>> = tasks
        .par_iter()
        .map(|(reader, at)| {
            let keys = RowKeys::read(&readers[*reader], *at, dimensions)?;
            Ok(RowGroupCells::new(&keys, request))
        })
        .collect();
    let mut cell_numbers: HashMap<Cell, u32> = HashMap::new();
    let mut loaded = Loaded {
        cells: Vec::new(),
        events: Vec::new(),
        unmapped: BTreeMap::new(),
        users: StoredSets {
            readers,
            groups: Vec::new(),
            buckets: Vec::new(),
            months,
            complete_buckets: BTreeMap::new(),
            grain: request.grain,
        },
    };
    let mut incomplete = BTreeSet::new();
    for ((reader, at), row_group) in tasks.into_iter().zip(row_group?) {
        let numbers: Vec<u32> = row_group
            .cells
            .into_iter()
            .zip(&row_group.events)
            .map(|(mut cell, events)| {
                let class = match request.counted {
                    Some(counted) => counted.get(&cell.event),
                    None => Some(&cell.event),
                };
                let Some(class) = class.cloned() else {
                    incomplete.insert(cell.bucket);
                    *loaded.unmapped.entry(cell.event).or_default() += events;
                    return NO_CELL;
                };
                cell.event = class;
                let next = loaded.cells.len() as u32;
                let number = *cell_numbers.entry(cell).or_insert_with_key(|cell| {
                    loaded.users.buckets.push(cell.bucket);
                    loaded.cells.push(cell.clone());
                    loaded.events.push(0);
                    next
                });
                loaded.events[number as usize] += events;
                number
            })
            .collect();
        let cell = |row: &u32| numbers.get(*row as usize).copied().unwrap_or(NO_CELL);
        let cells: Vec<u32> = row_group.rows.iter().map(cell).collect();
        let present: Vec<u32> = numbers.into_iter().filter(|cell| *cell != NO_CELL).collect();
        if !present.is_empty() {
            let shards = row_group.shards;
            loaded.users.groups.push(StoredGroup { reader, at, cells, present, shards });
        }
    }
    if let TimeGrain::Calendar(window @ (Window::Month | Window::Quarter | Window::Year)) =
        request.grain
    {
        let is_complete = |bucket: Day| {
            let period = window.at(bucket);
            request.range.start <= request.zone.start_of(period.start)
                && request.range.end >= request.zone.end_of(period.end)
                && !incomplete.contains(&bucket)
        };
        for bucket in loaded.users.buckets.iter().filter(|bucket| is_complete(**bucket)) {
            *loaded.users.complete_buckets.entry(*bucket).or_default() += 1;
        }
    }
    Ok(loaded)
}

/// Whether a row group may hold rows of the requested range.
fn overlaps((first, last): (i32, i32), request: &Request<'_>) -> bool {
    let bounds = Day::MIN.number()..=Day::MAX.number();
    if !bounds.contains(&first) || !bounds.contains(&last) {
        return true;
    }
    let start = |day: i32| request.zone.start_of(Day::new(day));
    start(last) >= request.range.start && start(first) < request.range.end
}

/// The rows of one row group, by cells of its own.
struct RowGroupCells {
    cells: Vec<Cell>,
    events: Vec<u64>,
    /// Cell of each row, or [`NO_CELL`].
    rows: Vec<u32>,
    shards: Vec<(u32, Range<usize>)>,
}

impl RowGroupCells {
    fn new(keys: &RowKeys, request: &Request<'_>) -> Self {
        // Behind the source come the event and the dimensions.
        let columns: Vec<&DictionaryArray<Int32Type>> = keys.texts().split_off(1);
        let mut bucketer = DayBucketer::new(request.grain, request.zone, &request.range);
        let mut row_group = Self {
            cells: Vec::new(),
            events: Vec::new(),
            rows: Vec::with_capacity(keys.len()),
            shards: Vec::new(),
        };
        let mut known: HashMap<Vec<i32>, u32> = HashMap::new();
        let (mut key, mut before) = (Vec::new(), (Vec::new(), NO_CELL));
        let (days, shards) = (keys.days(), keys.shards());
        for row in 0..keys.len() {
            match row_group.shards.last_mut() {
                Some((shard, rows)) if *shard == shards[row] as u32 => rows.end = row + 1,
                _ => row_group.shards.push((shards[row] as u32, row..row + 1)),
            }
            let Some(bucket) = bucketer.bucket(days[row]) else {
                row_group.rows.push(NO_CELL);
                continue;
            };
            key.clear();
            key.push(bucket.number());
            key.extend(columns.iter().map(|column| column.key(row).map_or(-1, |at| at as i32)));
            if before.0 != key {
                let next = row_group.cells.len() as u32;
                before.1 = *known.entry(key.clone()).or_insert_with(|| {
                    let mut texts = columns.iter().map(|column| {
                        Some(column.values().as_string::<i32>().value(column.key(row)?).to_owned())
                    });
                    let event = texts.next().flatten().unwrap_or_default();
                    row_group.cells.push(Cell { bucket, event, dimensions: texts.collect() });
                    row_group.events.push(0);
                    next
                });
                before.0.clone_from(&key);
            }
            row_group.rows.push(before.1);
            row_group.events[before.1 as usize] += keys.events(row);
        }
        row_group
    }
}

/// Computes the bucket of a day, if it has one and is in the range.
struct DayBucketer<'a> {
    grain: TimeGrain,
    zone: &'a Zone,
    range: &'a Range<i64>,
    /// Cached results, by day modulo [`CACHED_DAYS`].
    known: [(Option<i32>, Option<Day>); CACHED_DAYS],
}

/// Entries of the cache: more than the days of a month, which repeat.
const CACHED_DAYS: usize = 32;

impl<'a> DayBucketer<'a> {
    fn new(grain: TimeGrain, zone: &'a Zone, range: &'a Range<i64>) -> Self {
        Self { grain, zone, range, known: [(None, None); CACHED_DAYS] }
    }

    fn bucket(&mut self, day: i32) -> Option<Day> {
        let Self { grain, zone, range, known } = self;
        let cached = &mut known[day.rem_euclid(CACHED_DAYS as i32) as usize];
        if cached.0 != Some(day) {
            *cached = (Some(day), bucket(Day::new(day), *grain, zone, range));
        }
        cached.1
    }
}

/// First day of the bucket of a day in a range of instants that starts and ends with days.
pub(super) fn bucket(day: Day, grain: TimeGrain, zone: &Zone, range: &Range<i64>) -> Option<Day> {
    let inside = range.contains(&zone.start_of(day));
    grain.bucket(day).filter(|_| inside).map(|period| period.start)
}
