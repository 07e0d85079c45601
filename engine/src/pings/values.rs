//! The values of many pings in columns: 12 bytes for each.

use std::collections::HashMap;
use std::ops::Range;

/// The path of a removed value; paths have codes from 1.
const REMOVED: u32 = 0;

/// What stands at a key path, before it is held against the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// An integer from 0 to 2^63 - 1.
    Integer(i64),
    /// -1: the count took too long.
    Timeout,
    /// -2: the counter failed.
    Error,
    /// -1000: the metric is no longer counted.
    Deprecated,
    /// Any other negative number without a fraction.
    Negative,
    /// An integer of 2^63 or more.
    TooLarge,
    /// A number with a decimal point or an exponent.
    Fraction,
    String,
    Null,
    Boolean,
    Array,
    Object,
}

impl Content {
    /// The content of a number as JSON writes it.
    pub(super) fn of_number(number: &str) -> Self {
        match number.parse::<i64>() {
            Ok(value @ 0..) => Self::Integer(value),
            Ok(-1) => Self::Timeout,
            Ok(-2) => Self::Error,
            Ok(-1000) => Self::Deprecated,
            _ if number.contains(['.', 'e', 'E']) => Self::Fraction,
            _ if number.starts_with('-') => Self::Negative,
            _ => Self::TooLarge,
        }
    }

    /// All but integers, by their code.
    const OTHERS: [Self; 11] = [
        Self::Timeout,
        Self::Error,
        Self::Deprecated,
        Self::Negative,
        Self::TooLarge,
        Self::Fraction,
        Self::String,
        Self::Null,
        Self::Boolean,
        Self::Array,
        Self::Object,
    ];
}

/// Values in columns, those of a ping one after the other.
#[derive(Debug, Default)]
pub(super) struct Values {
    paths: Vec<u32>,
    /// Integers, or the negative code of another content.
    contents: Vec<i64>,
}

impl Values {
    pub(super) fn len(&self) -> usize {
        self.paths.len()
    }

    /// Heap bytes of as many values.
    pub(super) fn bytes(values: usize) -> usize {
        values * (size_of::<u32>() + size_of::<i64>())
    }

    pub(super) fn push(&mut self, path: u32, content: Content) {
        self.paths.push(path);
        self.contents.push(match content {
            Content::Integer(value) => value,
            other => {
                let code = Content::OTHERS.iter().position(|known| *known == other);
                -1 - code.unwrap_or_default() as i64
            }
        });
    }

    /// Paths and contents of some values.
    pub(super) fn range(&self, range: Range<usize>) -> impl Iterator<Item = (u32, Content)> {
        let contents = self.contents[range.clone()].iter().map(|code| match *code {
            value @ 0.. => Content::Integer(value),
            code => Content::OTHERS[(-1 - code) as usize],
        });
        self.paths[range].iter().copied().zip(contents)
    }

    /// Marks values as removed; [`keep_last`](Self::keep_last) then leaves them out.
    pub(super) fn remove(&mut self, range: Range<usize>) {
        self.paths[range].fill(REMOVED);
    }

    /// Leaves only the last value of each path among those from `start` on.
    pub(super) fn keep_last(&mut self, start: usize) {
        let places = self.paths.iter().copied().enumerate().skip(start);
        let last: HashMap<u32, usize> = places.map(|(at, path)| (path, at)).collect();
        let mut end = start;
        for at in start..self.len() {
            let path = self.paths[at];
            if path != REMOVED && last.get(&path) == Some(&at) {
                (self.paths[end], self.contents[end]) = (path, self.contents[at]);
                end += 1;
            }
        }
        self.truncate(end);
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.paths.truncate(length);
        self.contents.truncate(length);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.paths.shrink_to_fit();
        self.contents.shrink_to_fit();
    }
}
