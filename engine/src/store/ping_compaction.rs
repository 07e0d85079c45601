//! Merges the tables of pings into few files, each with key paths that no other has.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::data_file::{Files, by_name};
use super::layout::PING_VALUES;
use super::ping_uploads::{PingHeader, PingKey, StoredUpload};
use super::ping_values::{FILE_ROWS, SortedValues, ValueFiles};
use super::snapshot::Store;
use crate::{Error, Result};

impl Store {
    /// The same rows of `ping_uploads` and `ping_values` in new data files, with other numbers of
    /// uploads: by installation and time.
    pub(super) fn merge_pings(&self, level: i32) -> Result<[Files; 2]> {
        if self.ping_uploads.is_empty() {
            return Ok([Files::new(), Files::new()]);
        }
        let mut uploads = Vec::new();
        self.each_ping_upload(|upload| {
            uploads.push(upload);
            Ok(())
        })?;
        uploads.sort_by(|a, b| order(a).cmp(&order(b)));
        let too_many = |_| Error::limit("more than 4,294,967,295 uploads of pings");
        let mut numbers = vec![0_u32; uploads.len()];
        for (new, upload) in (0..).zip(&mut uploads) {
            let old = usize::try_from(upload.upload).ok().and_then(|old| numbers.get_mut(old));
            *old.ok_or_else(|| wrong_number(upload.upload))? =
                u32::try_from(new).map_err(too_many)?;
            upload.upload = new;
        }
        let written = by_name(vec![self.write_uploads(level, &uploads)?]);
        drop(uploads);
        // What has changed since it was written is not handed on.
        let storage = self.storage.child(PING_VALUES);
        let files: Vec<_> = self.ping_values.values().collect();
        files.par_iter().try_for_each(|file| file.verified_bytes(&storage).map(drop))?;
        let files = self.ping_values()?;
        let write = |paths: BTreeMap<String, usize>| {
            self.write_values(level, &merge_values(&files, &numbers, paths)?)
        };
        let values = parts(&files)?.into_par_iter().map(write).collect::<Result<Vec<_>>>()?;
        Ok([written, by_name(values.into_iter().flatten().collect())])
    }
}

/// By installation and time, refused ones first.
fn order(upload: &StoredUpload) -> (Option<PingKey<'_>>, u64) {
    (upload.outcome.as_ref().ok().map(PingHeader::key), upload.upload)
}

/// All key paths with their numbers of rows, split into those of a data file each.
fn parts(files: &ValueFiles) -> Result<Vec<BTreeMap<String, usize>>> {
    let count = |group: &usize| -> Result<BTreeMap<String, usize>> {
        let keys = files.keys(*group)?;
        let mut counts = vec![0; keys.paths().count()];
        keys.rows().for_each(|(path, _)| counts[path] += 1);
        Ok(keys.paths().map(str::to_owned).zip(counts).filter(|(_, count)| *count > 0).collect())
    };
    let counts = files.groups(None).par_iter().map(count).collect::<Result<Vec<_>>>()?;
    let mut paths: BTreeMap<String, usize> = BTreeMap::new();
    for (path, count) in counts.into_iter().flatten() {
        *paths.entry(path).or_default() += count;
    }
    let (mut parts, mut rows) = (vec![BTreeMap::new()], 0);
    for (path, count) in paths {
        if rows > 0 && rows + count > FILE_ROWS {
            parts.push(BTreeMap::new());
            rows = 0;
        }
        rows += count;
        let last = parts.len() - 1;
        parts[last].insert(path, count);
    }
    Ok(parts)
}

/// The rows of some key paths, with the new numbers of their uploads.
fn merge_values(
    files: &ValueFiles,
    numbers: &[u32],
    paths: BTreeMap<String, usize>,
) -> Result<SortedValues> {
    let key_paths: BTreeSet<String> = paths.keys().cloned().collect();
    let mut rows: BTreeMap<&str, Vec<(u32, i64)>> =
        paths.iter().map(|(path, count)| (path.as_str(), Vec::with_capacity(*count))).collect();
    for group in files.groups(Some(&key_paths)) {
        let group = files.read(group)?;
        let names: Vec<&str> = group.keys.paths().collect();
        let mut rows_of_group = group.keys.rows().zip(&group.codes).peekable();
        while let Some(((path, upload), code)) = rows_of_group.next() {
            let Some(rows) = rows.get_mut(names[path]) else { continue };
            let number = |upload: u64| {
                let number = usize::try_from(upload).ok().and_then(|old| numbers.get(old));
                number.copied().ok_or_else(|| wrong_number(upload))
            };
            rows.push((number(upload)?, *code));
            // The rows of a key path come one after the other.
            while let Some(((_, upload), code)) =
                rows_of_group.next_if(|((next, _), _)| *next == path)
            {
                rows.push((number(upload)?, *code));
            }
        }
    }
    let mut sorted = SortedValues::default();
    for (path, mut rows) in rows {
        rows.sort_unstable();
        sorted.uploads.extend(rows.iter().map(|(upload, _)| *upload));
        sorted.codes.extend(rows.iter().map(|(_, code)| *code));
        sorted.paths.push((path.to_owned(), sorted.codes.len()));
    }
    Ok(sorted)
}

fn wrong_number(upload: u64) -> Error {
    Error::input(format!("the upload {upload} of the store is missing or has a wrong number"))
        .with("help", "run `headcount store verify` to list everything that is corrupt")
}
