//! The true numbers of an installation in a week, whether or not its ping is sent.
//!
//! Users of an event are a part of the active users, users of a stage those of any of its events,
//! and everybody signs in. Counters rise by about the same each week.

use crate::product::{EVENTS, STAGE_EVENTS, STAGES};
use crate::random::{RandomStream, below, key, mix, unit};

use super::installations::Installation;
use super::paths::Count;

/// Active users grow by this much in a year, in parts of all.
const YEARLY_GROWTH: f64 = 0.15;

/// Users of one installation in the 28 days before its ping of a week.
pub(crate) struct Numbers<'a> {
    of: &'a Installation,
    week: u32,
    events: [u64; EVENTS],
    stages: [u64; STAGES.len()],
}

impl<'a> Numbers<'a> {
    pub(crate) fn new(of: &'a Installation, week: u32) -> Self {
        let mut traits = RandomStream::at(key(of.key, 1), 0);
        let mut noise = RandomStream::at(key(of.key, 2), u64::from(week));
        let growth = 1.0 + YEARLY_GROWTH * f64::from(week) / 52.0;
        let usual = of.users as f64 * (0.4 + 0.45 * unit(traits.next())) * growth;
        let active = (usual * (0.95 + 0.1 * unit(noise.next()))) as u64;
        let (mut events, mut stages) = ([0; EVENTS], [0; STAGES.len()]);
        for (stage, users) in stages.iter_mut().enumerate() {
            // Some installations do not use a stage at all.
            let adoption = unit(traits.next());
            let adoption = if adoption < 0.2 { 0.0 } else { adoption };
            let (mut nobody, mut most, mut sum) = (1.0, 0, 0);
            for position in 0..STAGE_EVENTS {
                let usual = adoption * unit(traits.next()) / (1 + position) as f64;
                let share = usual * (0.9 + 0.1 * unit(noise.next()));
                let event = (active as f64 * share) as u64;
                events[stage * STAGE_EVENTS + position] = event;
                nobody *= 1.0 - share;
                most = event.max(most);
                sum += event;
            }
            *users = ((active as f64 * (1.0 - nobody)) as u64).clamp(most, sum);
        }
        // The first event is signing in, and its stage stands for the whole product.
        (events[0], stages[0]) = (active, active);
        Self { of, week, events, stages }
    }

    /// Users who are active at all.
    pub(crate) fn active(&self) -> u64 {
        self.stages[0]
    }

    /// The true number.
    pub(crate) fn of(&self, count: Count) -> u64 {
        let week = i64::from(self.week);
        match count {
            Count::Event(event) => self.events[event],
            Count::Stage(stage) => self.stages[stage],
            Count::StageWeek(stage) => self.stages[stage] * 3 / 5,
            Count::Counter(counter) => total(self.of, counter, week),
            Count::Increase { counter, weeks } => {
                total(self.of, counter, week) - total(self.of, counter, week - weeks)
            }
        }
    }

    /// What the installation knows: its counters may have started again.
    pub(crate) fn known(&self, count: Count) -> u64 {
        let number = self.of(count);
        match (count, self.of.reset) {
            (Count::Counter(counter), Some(reset)) if reset <= self.week => {
                number - total(self.of, counter, i64::from(reset) - 1)
            }
            _ => number,
        }
    }
}

/// All that a counter has ever counted at the end of a week, from week -10 on. It never falls.
pub(crate) fn total(of: &Installation, counter: u64, week: i64) -> u64 {
    let key = mix(of.key ^ mix(counter));
    let rate = 1 + below(key, of.users);
    let before = rate * (10 + below(mix(key), 500));
    let weeks = (week + 10) as u64;
    before + rate * weeks + below(mix(key ^ weeks), rate)
}

#[cfg(test)]
mod tests {
    use super::{Numbers, total};
    use crate::calendar::YearMonth;
    use crate::fleet::installations::installations;
    use crate::fleet::paths::Count;
    use crate::fleet::settings::FleetSettings;
    use crate::fleet::weeks::Weeks;
    use crate::product::{STAGE_EVENTS, STAGES};

    #[test]
    fn numbers_are_possible() {
        let settings = FleetSettings::new("");
        let weeks = Weeks::new(YearMonth { year: 2025, month: 1 }, 3);
        for installation in installations(&settings, &weeks).iter().take(200) {
            for week in 0..weeks.count {
                let numbers = Numbers::new(installation, week);
                assert!(numbers.active() <= installation.users * 2);
                for stage in 0..STAGES.len() {
                    let events = stage * STAGE_EVENTS..(stage + 1) * STAGE_EVENTS;
                    let events: Vec<u64> = events.map(|e| numbers.of(Count::Event(e))).collect();
                    let users = numbers.of(Count::Stage(stage));
                    assert!(
                        users <= numbers.active() && numbers.of(Count::StageWeek(stage)) <= users
                    );
                    assert!(events.iter().all(|event| *event <= users));
                    assert!(users <= events.iter().sum());
                }
                let totals = [-1, 0].map(|since| total(installation, 3, i64::from(week) + since));
                assert!(totals[0] <= totals[1] && numbers.known(Count::Counter(3)) <= totals[1]);
            }
        }
    }
}
