//! The users: a person is a number `0..users`, in order of sign-up.
//!
//! Nothing about a person is stored: every trait is a hash of the number, so memory does not grow
//! with the number of people.

use crate::random::{RandomStream, Shuffle, below, key, mix, unit};

/// How uneven activity is. The busiest person acts some thousand times as often as the average
/// one, the quietest a quarter as often.
const TAIL_OFFSET: f64 = 0.04;
/// Length of the longest life of an account that does end, in days.
const MAX_LIFETIME_DAYS: u64 = 730;
/// One person in this many is away for a whole calendar month.
const AWAY_ONE_IN: u64 = 8;
/// How often a person is drawn again because the one drawn is not there on that day.
const MAX_DRAWS: u32 = 64;

/// All people.
pub(crate) struct Population {
    users: u64,
    /// People below this number signed up before the first day.
    founders: u64,
    days: u64,
    order: Shuffle,
    traits: u64,
    calendar: u64,
}

impl Population {
    /// `users` people, half of them there from the first day, the others signing up evenly over
    /// `days` days.
    pub(crate) fn new(users: u64, days: u64, seed: u64) -> Self {
        Self {
            users,
            founders: users.div_ceil(2),
            days,
            order: Shuffle::new(users, key(seed, 1)),
            traits: key(seed, 2),
            calendar: key(seed, 3),
        }
    }

    /// The random bits that all traits of a person come from.
    pub(crate) const fn traits(&self, person: u64) -> u64 {
        mix(person ^ self.traits)
    }

    /// Someone who is active on this day of this month (both counted from the start), heavy users
    /// more often than others.
    pub(crate) fn draw(&self, random: &mut RandomStream, day: u64, month: u64) -> u64 {
        let signed_up = self.signed_up_by(day);
        for _ in 0..MAX_DRAWS {
            let person = self.order.position(self.rank(random.next()));
            if person < signed_up && self.active(person, day, month) {
                return person;
            }
        }
        // With very few people nobody may be active; then a founder is.
        below(random.next(), self.founders)
    }

    /// The inverse of a distribution with a long tail: low ranks are drawn most often.
    fn rank(&self, bits: u64) -> u64 {
        let fourth = |x: f64| (x * x) * (x * x);
        let floor = fourth(TAIL_OFFSET);
        let share =
            (fourth(unit(bits) + TAIL_OFFSET) - floor) / (fourth(1.0 + TAIL_OFFSET) - floor);
        ((share * self.users as f64) as u64).min(self.users - 1)
    }

    /// How many people have signed up at the end of this day.
    fn signed_up_by(&self, day: u64) -> u64 {
        let later = self.users - self.founders;
        self.founders + ((day + 1) * later).div_ceil(self.days).min(later)
    }

    /// The day of sign-up, counted from the start; founders count from the first day.
    fn sign_up_day(&self, person: u64) -> u64 {
        match person.checked_sub(self.founders) {
            None => 0,
            Some(later) => later * self.days / (self.users - self.founders),
        }
    }

    /// Whether someone who has signed up is still there, and not away for the month.
    fn active(&self, person: u64, day: u64, month: u64) -> bool {
        let traits = self.traits(person);
        let lifetime_class = traits & 0xFF;
        let length = (traits >> 8) & 0xFFFF;
        let founder = person < self.founders;
        let lifetime = match (founder, lifetime_class) {
            (true, 0..51) => return false,
            (false, 0..64) => 1 + ((length * 30) >> 16),
            (true, 51..140) => 1 + ((length * MAX_LIFETIME_DAYS) >> 16),
            (false, 64..166) => 30 + ((length * (MAX_LIFETIME_DAYS - 30)) >> 16),
            _ => u64::MAX,
        };
        if lifetime != u64::MAX && day - self.sign_up_day(person) >= lifetime {
            return false;
        }
        !mix(traits ^ self.calendar ^ month).is_multiple_of(AWAY_ONE_IN)
    }
}

#[cfg(test)]
mod tests {
    use super::{Population, RandomStream};

    #[test]
    fn no_user_acts_before_signing_up() {
        let people = Population::new(10_000, 365, 1);
        for day in 0..365 {
            let mut random = RandomStream::at(1, day);
            for _ in 0..50 {
                let person = people.draw(&mut random, day, day / 31);
                assert!(people.sign_up_day(person) <= day, "{person} on day {day}");
            }
        }
        assert_eq!(people.sign_up_day(9_999), 364);
    }

    #[test]
    fn a_few_people_do_much_of_the_work_wherever_their_numbers_lie() {
        let people = Population::new(10_000, 30, 1);
        let mut count = vec![0_u32; 10_000];
        let mut random = RandomStream::at(1, 0);
        for _ in 0..100_000 {
            count[people.draw(&mut random, 29, 0) as usize] += 1;
        }
        let heavy: Vec<usize> = (0..10_000).filter(|i| count[*i] >= 200).collect();
        let low = heavy.iter().filter(|i| **i < 5_000).count();
        assert!((10..100).contains(&heavy.len()), "{} heavy users", heavy.len());
        assert!(low * 4 > heavy.len() && (heavy.len() - low) * 4 > heavy.len(), "{heavy:?}");
    }

    #[test]
    fn even_a_single_person_is_enough() {
        let people = Population::new(1, 31, 5);
        assert_eq!(people.draw(&mut RandomStream::at(1, 1), 30, 0), 0);
    }
}
