//! What the rows of the store's files are about: the cell of each, before any set is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use arrow::array::{AsArray, DictionaryArray};
use arrow::datatypes::Int32Type;
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::cell::{Cell, NO_CELL};
use super::stored::{Group, Stored};
use crate::Result;
use crate::calendar::{Day, Window, Zone};
use crate::events::{Request, TimeGrain};
use crate::store::{About, DataReader};

/// What the rows of all files are about.
pub(super) struct Loaded {
    pub(super) cells: Vec<Cell>,
    pub(super) events: Vec<u64>,
    pub(super) unmapped: BTreeMap<String, u64>,
    pub(super) users: Stored,
}

/// Reads what rows are about, and finds the cell of each.
///
/// # Errors
/// When a file is broken.
pub(super) fn load(
    [readers, months]: [Vec<DataReader>; 2],
    dimensions: &[String],
    request: &Request<'_>,
    counted: &BTreeSet<String>,
) -> Result<Loaded> {
    let tasks: Vec<(usize, usize)> = readers
        .iter()
        .enumerate()
        .flat_map(|(reader, file)| (0..file.groups()).map(move |at| (reader, at)))
        .filter(|(reader, at)| touches(readers[*reader].bounds(*at, "day"), request))
        .collect();
    let groups = tasks.iter().map(|(reader, at)| (&readers[*reader], *at));
    DataReader::fetch_ahead(groups, &About::columns(dimensions))?;
    let local: Result<Vec<Local>> = tasks
        .par_iter()
        .map(|(reader, at)| {
            let about = About::read(&readers[*reader], *at, dimensions)?;
            Ok(Local::new(&about, request))
        })
        .collect();
    let mut register: HashMap<Cell, u32> = HashMap::new();
    let mut loaded = Loaded {
        cells: Vec::new(),
        events: Vec::new(),
        unmapped: BTreeMap::new(),
        users: Stored {
            readers,
            groups: Vec::new(),
            buckets: Vec::new(),
            months,
            whole: BTreeMap::new(),
            grain: request.grain,
        },
    };
    let mut partial = BTreeSet::new();
    for ((reader, at), local) in tasks.into_iter().zip(local?) {
        let numbers: Vec<u32> = local
            .cells
            .into_iter()
            .zip(&local.events)
            .map(|(cell, events)| {
                if !counted.contains(&cell.event) {
                    partial.insert(cell.bucket);
                    *loaded.unmapped.entry(cell.event).or_default() += events;
                    return NO_CELL;
                }
                let next = loaded.cells.len() as u32;
                let number = *register.entry(cell).or_insert_with_key(|cell| {
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
        let cells: Vec<u32> = local.rows.iter().map(cell).collect();
        let present: Vec<u32> = numbers.into_iter().filter(|cell| *cell != NO_CELL).collect();
        if !present.is_empty() {
            let shards = local.shards;
            loaded.users.groups.push(Group { reader, at, cells, present, shards });
        }
    }
    if let TimeGrain::Calendar(window @ (Window::Month | Window::Quarter | Window::Year)) =
        request.grain
    {
        let is_whole = |bucket: Day| {
            let period = window.at(bucket);
            request.range.start <= request.zone.start_of(period.start)
                && request.range.end >= request.zone.end_of(period.end)
                && !partial.contains(&bucket)
        };
        for bucket in loaded.users.buckets.iter().filter(|bucket| is_whole(**bucket)) {
            *loaded.users.whole.entry(*bucket).or_default() += 1;
        }
    }
    Ok(loaded)
}

/// Whether a row group may hold rows of the range asked for.
fn touches((first, last): (i32, i32), request: &Request<'_>) -> bool {
    let bounds = Day::MIN.number()..=Day::MAX.number();
    if !bounds.contains(&first) || !bounds.contains(&last) {
        return true;
    }
    let start = |day: i32| request.zone.start_of(Day::new(day));
    start(last) >= request.range.start && start(first) < request.range.end
}

/// The rows of one row group, by cells of its own.
struct Local {
    cells: Vec<Cell>,
    events: Vec<u64>,
    /// Cell of each row, or [`NO_CELL`].
    rows: Vec<u32>,
    shards: Vec<(u32, Range<usize>)>,
}

impl Local {
    fn new(about: &About, request: &Request<'_>) -> Self {
        // Behind the source come the event and the dimensions.
        let columns: Vec<&DictionaryArray<Int32Type>> = about.texts().split_off(1);
        let mut clock = DayClock::new(request.grain, request.zone, &request.range);
        let mut local = Self {
            cells: Vec::new(),
            events: Vec::new(),
            rows: Vec::with_capacity(about.len()),
            shards: Vec::new(),
        };
        let mut known: HashMap<Vec<i32>, u32> = HashMap::new();
        let (mut key, mut before) = (Vec::new(), (Vec::new(), NO_CELL));
        let (days, shards) = (about.days(), about.shards());
        for row in 0..about.len() {
            match local.shards.last_mut() {
                Some((shard, rows)) if *shard == shards[row] as u32 => rows.end = row + 1,
                _ => local.shards.push((shards[row] as u32, row..row + 1)),
            }
            let Some(bucket) = clock.bucket(days[row]) else {
                local.rows.push(NO_CELL);
                continue;
            };
            key.clear();
            key.push(bucket.number());
            key.extend(columns.iter().map(|column| column.key(row).map_or(-1, |at| at as i32)));
            if before.0 != key {
                let next = local.cells.len() as u32;
                before.1 = *known.entry(key.clone()).or_insert_with(|| {
                    let mut texts = columns.iter().map(|column| {
                        Some(column.values().as_string::<i32>().value(column.key(row)?).to_owned())
                    });
                    let event = texts.next().flatten().unwrap_or_default();
                    local.cells.push(Cell { bucket, event, dimensions: texts.collect() });
                    local.events.push(0);
                    next
                });
                before.0.clone_from(&key);
            }
            local.rows.push(before.1);
            local.events[before.1 as usize] += about.events(row);
        }
        local
    }
}

/// Tells the bucket of a day, if it has one and lies in the range.
struct DayClock<'a> {
    grain: TimeGrain,
    zone: &'a Zone,
    range: &'a Range<i64>,
    /// What was told last, a place for each rest of a day by [`CLOCK`].
    known: [(Option<i32>, Option<Day>); CLOCK],
}

/// Days of a month, which come again and again, have places of their own.
const CLOCK: usize = 32;

impl<'a> DayClock<'a> {
    fn new(grain: TimeGrain, zone: &'a Zone, range: &'a Range<i64>) -> Self {
        Self { grain, zone, range, known: [(None, None); CLOCK] }
    }

    fn bucket(&mut self, day: i32) -> Option<Day> {
        let Self { grain, zone, range, known } = self;
        let place = &mut known[day.rem_euclid(CLOCK as i32) as usize];
        if place.0 != Some(day) {
            *place = (Some(day), bucket(Day::new(day), *grain, zone, range));
        }
        place.1
    }
}

/// First day of the bucket of a day in a range of instants that starts and ends with days.
pub(super) fn bucket(day: Day, grain: TimeGrain, zone: &Zone, range: &Range<i64>) -> Option<Day> {
    let inside = range.contains(&zone.start_of(day));
    grain.bucket(day).filter(|_| inside).map(|period| period.start)
}
