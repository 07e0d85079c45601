//! The values of many pings in columns: 12 bytes for each.

use std::collections::HashMap;
use std::ops::Range;

use crate::store::Content;

/// The path of a removed value; paths have codes from 1.
const REMOVED: u32 = 0;

/// Values in columns, those of a ping one after the other.
#[derive(Debug, Default)]
pub(super) struct Values {
    paths: Vec<u32>,
    /// The [codes](Content::code) of contents.
    codes: Vec<i64>,
}

impl Values {
    pub(super) fn len(&self) -> usize {
        self.paths.len()
    }

    /// Heap bytes of as many values.
    pub(super) fn bytes(values: usize) -> usize {
        values * (size_of::<u32>() + size_of::<i64>())
    }

    /// So many values, each to be [set](Self::set).
    pub(super) fn of_size(length: usize) -> Self {
        Self { paths: vec![REMOVED; length], codes: vec![0; length] }
    }

    pub(super) fn set(&mut self, at: usize, path: u32, code: i64) {
        (self.paths[at], self.codes[at]) = (path, code);
    }

    pub(super) fn push(&mut self, path: u32, content: Content) {
        self.paths.push(path);
        self.codes.push(content.code());
    }

    /// Paths and contents of some values.
    pub(super) fn range(&self, range: Range<usize>) -> impl Iterator<Item = (u32, Content)> {
        self.codes(range).map(|(path, code)| (path, Content::of_code(code)))
    }

    /// Paths and codes of contents of some values.
    pub(super) fn codes(&self, range: Range<usize>) -> impl Iterator<Item = (u32, i64)> {
        self.paths[range.clone()].iter().copied().zip(self.codes[range].iter().copied())
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
                (self.paths[end], self.codes[end]) = (path, self.codes[at]);
                end += 1;
            }
        }
        self.truncate(end);
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.paths.truncate(length);
        self.codes.truncate(length);
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.paths.shrink_to_fit();
        self.codes.shrink_to_fit();
    }
}
