//! One event for every number: when, who, what and where.

use std::ops::Range;

use crate::calendar::{DAY, HOUR};
use crate::population::Population;
use crate::product::Habits;
use crate::random::{RandomStream, below, key, unit};
use crate::schedule::Schedule;
use crate::settings::Settings;
use crate::tenants::{Tenant, Tenants};

/// The longest delay of a late event, in microseconds. Not longer than the shortest month, so
/// that a file has rows of two months at most.
const MAX_DELAY: i64 = 72 * HOUR;

/// One event.
pub(crate) struct Event {
    /// Microseconds from 1970-01-01 UTC.
    pub(crate) time: i64,
    /// Position of the month of `time`.
    pub(crate) month: usize,
    /// Who: the true identity, `0..users`.
    pub(crate) person: u64,
    /// The number of the account that stands for the person in the data.
    pub(crate) account: u64,
    /// What: the position of the event in the product.
    pub(crate) action: u8,
    /// Where.
    pub(crate) tenant: Tenant,
}

/// All events of one data set.
pub(crate) struct Model {
    pub(crate) schedule: Schedule,
    population: Population,
    tenants: Tenants,
    habits: Habits,
    late: f64,
    key: u64,
}

impl Model {
    /// The events that the settings describe.
    pub(crate) fn new(settings: &Settings) -> Self {
        let schedule = Schedule::new(settings.first_month(), settings.months, settings.events);
        let days = schedule.days() as u64;
        Self {
            schedule,
            population: Population::new(settings.users, days, settings.seed),
            tenants: Tenants::new(settings.users, days, settings.scoped, settings.seed),
            habits: Habits::new(),
            late: settings.late,
            key: key(settings.seed, 8),
        }
    }

    /// Hands each event of a range to `each`, in order of their numbers.
    pub(crate) fn events(&self, range: Range<u64>, mut each: impl FnMut(Event)) {
        let start = self.schedule.start();
        let mut clock = self.schedule.clock(range.start);
        for number in range {
            let mut random = RandomStream::at(self.key, number);
            let mut time = clock.time(number, random.next());
            if self.late > 0.0 && unit(random.next()) < self.late {
                let happened = time - 1 - below(random.next(), MAX_DELAY as u64) as i64;
                time = if happened < start { time } else { happened };
            }
            let day = (time - start) / DAY;
            let month = self.schedule.month_of_day(day as usize);
            let person = self.population.draw(&mut random, day as u64, month as u64);
            let traits = self.population.traits(person);
            let action = self.habits.action(traits >> 24, random.next());
            each(Event {
                time,
                month,
                person,
                account: self.tenants.account(person),
                action,
                tenant: self.tenants.tenant(person, traits, day as u64, random.next()),
            });
        }
    }
}
