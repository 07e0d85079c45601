//! A CSV reader, independent of that of the program.

use std::collections::BTreeMap;

/// Rows of a CSV text with a header. An empty field is an empty text, quoted or not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a CSV text.
    pub(crate) fn of_csv(text: &str) -> Self {
        let mut records = records(text);
        assert!(!records.is_empty(), "no header in {text:?}");
        let header = records.remove(0);
        for row in &records {
            assert_eq!(row.len(), header.len(), "{row:?}");
        }
        Self { header, rows: records }
    }

    /// The index of a column.
    pub(crate) fn column(&self, name: &str) -> usize {
        let at = self.header.iter().position(|column| column == name);
        at.unwrap_or_else(|| panic!("no column {name} in {:?}", self.header))
    }

    /// Some columns of all rows, joined by a space.
    pub(crate) fn lines(&self, columns: &[&str]) -> Vec<String> {
        let places: Vec<usize> = columns.iter().map(|name| self.column(name)).collect();
        let line = |row: &Vec<String>| {
            places.iter().map(|at| row[*at].as_str()).collect::<Vec<_>>().join(" ")
        };
        self.rows.iter().map(line).collect()
    }

    /// A number of each row by the texts of some columns, which must identify the rows.
    pub(crate) fn numbers(&self, keys: &[&str], number: &str) -> BTreeMap<Vec<String>, u64> {
        let places: Vec<usize> = keys.iter().map(|name| self.column(name)).collect();
        let number = self.column(number);
        let mut numbers = BTreeMap::new();
        for row in &self.rows {
            let key: Vec<String> = places.iter().map(|at| row[*at].clone()).collect();
            let twice = numbers.insert(key.clone(), row[number].parse().unwrap());
            assert_eq!(twice, None, "two rows of {key:?}");
        }
        numbers
    }
}

fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let (mut record, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            _ => field.push(letter),
        }
    }
    assert!(record.is_empty() && field.is_empty() && !quoted, "the last line has no end");
    records
}
