//! Days for many instants: what a zone says, remembered.

use super::zone::{MICROS_PER_DAY, day_of_local};
use super::{Day, Zone};

/// Days that are remembered, a power of two: eleven years, 96 KiB.
const SLOTS: usize = 4096;

/// The instants of one day, from `start` up to but not including `end`.
#[derive(Clone, Copy)]
struct Stretch {
    day: Day,
    start: i64,
    end: i64,
}

/// Contains no instant and is no day's stretch.
const NOTHING: Stretch = Stretch { day: Day::MIN, start: i64::MAX, end: i64::MIN };

/// Gives the same days as [`Zone::day_of`], faster.
///
/// An instant of the same day as the one before costs two comparisons; one in any order costs a
/// division and a look into a table (only the division in a zone with a fixed offset). Memory is
/// constant. Make one for each thread.
#[derive(Clone)]
pub struct DayClock {
    zone: Zone,
    recent: Stretch,
    /// The stretch of a day stands at its number modulo `SLOTS`; empty until first needed.
    slots: Vec<Stretch>,
    /// The zone's offset at the last miss: good enough to guess the day, give or take one.
    offset: i64,
}

impl DayClock {
    /// A clock of `zone` that remembers nothing yet.
    #[must_use]
    pub fn new(zone: &Zone) -> Self {
        let offset = zone.fixed().unwrap_or(0);
        Self { zone: zone.clone(), recent: NOTHING, slots: Vec::new(), offset }
    }

    /// The day that contains the instant `micros` (microseconds since the epoch); the same as
    /// [`Zone::day_of`].
    #[inline]
    pub fn day_of(&mut self, micros: i64) -> Day {
        if self.recent.start <= micros && micros < self.recent.end {
            return self.recent.day;
        }
        let guess = day_of_local(micros.saturating_add(self.offset));
        if self.zone.fixed().is_some() {
            let (start, end) = self.bounds(guess);
            self.recent = Stretch { day: guess, start, end };
            return guess;
        }
        for day in [guess, guess.plus(1), guess.plus(-1)] {
            let Some(&stretch) = self.slots.get(slot(day)) else { break };
            if stretch.start <= micros && micros < stretch.end {
                self.recent = stretch;
                return stretch.day;
            }
        }
        self.miss(micros)
    }

    /// The instants of `day`: microseconds since the epoch, from the first up to but not including
    /// the second. Both are equal for a day that the zone skipped.
    ///
    /// What lies before [`Day::MIN`] counts as that day and what lies after [`Day::MAX`] as that
    /// one, so their bounds are the ends of `i64`.
    #[inline]
    pub fn bounds(&mut self, day: Day) -> (i64, i64) {
        if let Some(offset) = self.zone.fixed() {
            let start = i64::from(day.number()) * MICROS_PER_DAY - offset;
            return open_ended(day, start, start + MICROS_PER_DAY);
        }
        let known = self.slots.get(slot(day));
        if let Some(known) = known.filter(|known| known.day == day && known.start <= known.end) {
            return (known.start, known.end);
        }
        let stretch = self.remember(day);
        (stretch.start, stretch.end)
    }

    #[cold]
    fn miss(&mut self, micros: i64) -> Day {
        let day = self.zone.day_of(micros);
        self.offset = self.zone.offset(micros);
        self.recent = self.remember(day);
        day
    }

    fn remember(&mut self, day: Day) -> Stretch {
        if self.slots.is_empty() {
            self.slots = vec![NOTHING; SLOTS];
        }
        let next = self.zone.start_of(day.plus(1));
        let (start, end) = open_ended(day, self.zone.start_of(day), next);
        let stretch = Stretch { day, start, end };
        self.slots[slot(day)] = stretch;
        stretch
    }
}

fn slot(day: Day) -> usize {
    day.number().rem_euclid(SLOTS as i32) as usize
}

fn open_ended(day: Day, start: i64, end: i64) -> (i64, i64) {
    let start = if day == Day::MIN { i64::MIN } else { start };
    let end = if day == Day::MAX { i64::MAX } else { end };
    (start, end)
}
