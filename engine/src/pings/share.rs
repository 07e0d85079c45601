//! Shares of a population, and numbers raised by them. A number above 2^63 - 1 is unknown: `None`.

use std::ops::AddAssign;

/// Subscriptions and their seats.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) subscriptions: i64,
    /// A sum of numbers below 2^63, so it cannot overflow.
    pub(super) seats: u128,
}

impl Count {
    /// One subscription.
    pub(super) fn of(seats: i64) -> Self {
        Self { subscriptions: 1, seats: u128::from(seats.unsigned_abs()) }
    }

    /// How many subscriptions of `all` these are, and how many seats.
    pub(super) fn shares_of(self, all: Self) -> [Share; 2] {
        let number = |sum: u128| i64::try_from(sum).ok();
        let seats = match (number(self.seats), number(all.seats)) {
            (Some(numerator), Some(denominator)) => Share::Part { numerator, denominator },
            _ => Share::TooLarge,
        };
        let (numerator, denominator) = (self.subscriptions, all.subscriptions);
        [Share::Part { numerator, denominator }, seats]
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.subscriptions += other.subscriptions;
        self.seats += other.seats;
    }
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Everything: the SaaS installation stands for itself.
    Whole,
    /// So many of so many, both from 0 to 2^63 - 1.
    Part {
        /// How many of them.
        numerator: i64,
        /// How many there are.
        denominator: i64,
    },
    /// One of both is above 2^63 - 1.
    TooLarge,
}

impl Share {
    /// How many of them.
    pub fn numerator(self) -> Option<i64> {
        if let Self::Part { numerator, .. } = self { Some(numerator) } else { None }
    }

    /// How many there are.
    pub fn denominator(self) -> Option<i64> {
        if let Self::Part { denominator, .. } = self { Some(denominator) } else { None }
    }

    /// The share as a number; 0 of nothing.
    pub fn p(self) -> Option<f64> {
        match self {
            Self::Whole => Some(1.0),
            Self::Part { denominator: 0, .. } => Some(0.0),
            Self::Part { numerator, denominator } => Some(numerator as f64 / denominator as f64),
            Self::TooLarge => None,
        }
    }

    /// Whether the share is 0, so that no number can be divided by it.
    pub(crate) fn is_zero(self) -> bool {
        matches!(self, Self::Part { numerator: 0, .. })
    }

    /// A number divided by the share, exactly, rounded half up; `None` if the share is 0 or unknown, or
    /// the result is above 2^63 - 1.
    pub(super) fn raise(self, number: i64) -> Option<i64> {
        let (numerator, denominator) = match self {
            Self::Whole => return Some(number),
            Self::Part { numerator: 0, .. } | Self::TooLarge => return None,
            Self::Part { numerator, denominator } => (numerator, denominator),
        };
        let exact = |number: i64| u128::from(number.unsigned_abs());
        let (number, numerator, denominator) =
            (exact(number), exact(numerator), exact(denominator));
        // Below 2^127, since all three are below 2^63.
        i64::try_from((2 * number * denominator + numerator) / (2 * numerator)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Count, Share};

    #[test]
    fn numbers_are_raised_exactly_and_rounded_half_up() {
        let part = |numerator, denominator| Share::Part { numerator, denominator };
        for (share, number, raised) in [
            (part(2, 3), 1, Some(2)), // 1.5
            (part(3, 4), 1, Some(1)), // 1.33
            (part(2, 5), 3, Some(8)), // 7.5
            (part(7, 7), 7, Some(7)),
            (part(1, 9), 0, Some(0)),
            (part(0, 9), 5, None),
            (part(0, 0), 5, None),
            // Above 2^53, where a float has no halves: * 3 / 2 = ...86.5
            (part(2, 3), 6_004_799_503_160_991, Some(9_007_199_254_741_487)),
            (part(i64::MAX, i64::MAX), i64::MAX, Some(i64::MAX)),
            (part(i64::MAX - 1, i64::MAX), i64::MAX, None),
            (part(1, 2), i64::MAX, None),
            (Share::Whole, i64::MAX, Some(i64::MAX)),
            (Share::TooLarge, 1, None),
        ] {
            assert_eq!(share.raise(number), raised, "{number} / {share:?}");
        }
    }

    #[test]
    fn sums_of_seats_may_be_too_large() {
        let (mut some, mut all) = (Count::of(1), Count::of(i64::MAX));
        some += Count::of(2);
        assert_eq!(all.shares_of(all)[1].p(), Some(1.0));
        all += some;
        let [subscriptions, seats] = some.shares_of(all);
        assert_eq!(subscriptions, Share::Part { numerator: 2, denominator: 3 });
        assert_eq!((seats, seats.p()), (Share::TooLarge, None));
    }
}
