//! Uploads and values that are in the store.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::inputs::{Inputs, Origin};
use super::paths::KeyPaths;
use super::upload::Reason;
use super::values::Values;
use crate::storage::Digest;
use crate::store::{PingHeader, Store, StoredUpload, ValueGroup};
use crate::{Error, JobContext, Result};

/// Heap bytes of an upload, about.
const UPLOAD_BYTES: usize = size_of::<StoredUpload>() + 256;
/// No ping, as an index of pings.
const NONE: u32 = u32::MAX;

/// An upload: its number, its line, and what it says or why it was refused.
type Stored = (u64, Option<u64>, std::result::Result<PingHeader, Reason>);

/// The uploads of the files that are in the store, by digest, in the order of their lines.
///
/// # Errors
/// When the store is broken, or the job has no more memory.
pub(super) fn read_uploads(
    inputs: &Inputs,
    job: &JobContext<'_>,
) -> Result<HashMap<Digest, Vec<Stored>>> {
    let mut stored: HashMap<Digest, Vec<Stored>> = HashMap::new();
    let Some(store) = &inputs.store else { return Ok(stored) };
    let wanted = inputs.pings.iter().filter_map(|file| match &file.origin {
        Origin::Store(digest) => Some(*digest),
        Origin::File(_) => None,
    });
    let wanted: HashSet<Digest> = wanted.collect();
    store.0.each_ping_upload(|StoredUpload { upload, file, line, outcome }| {
        if wanted.contains(&file) {
            job.reserve(UPLOAD_BYTES)?;
            let outcome = match outcome {
                Ok(header) => Ok(header),
                Err(text) => Err(Reason::parse(&text).ok_or_else(|| {
                    Error::input(format!("the store has an upload with the reason `{text}`"))
                })?),
            };
            stored.entry(file).or_default().push((upload, line, outcome));
        }
        Ok(())
    })?;
    for uploads in stored.values_mut() {
        uploads.sort_by_key(|(_, line, _)| *line);
    }
    Ok(stored)
}

/// The values of uploads, each with the number in the store, and where those of each are; with
/// `key_paths` only these.
///
/// # Errors
/// When the store is broken, or the job is cancelled or has no more memory.
pub(super) fn read_values(
    store: &Store,
    uploads: &[(u64, usize)],
    paths: &KeyPaths<'_>,
    key_paths: Option<&BTreeSet<String>>,
    job: &JobContext<'_>,
) -> Result<(Values, Vec<Range<usize>>)> {
    let empty = || (Values::default(), vec![0..0; uploads.len()]);
    if uploads.is_empty() || key_paths.is_some_and(BTreeSet::is_empty) {
        return Ok(empty());
    }
    // The index of each upload, by its number.
    let size = usize::try_from(store.ping_uploads()).unwrap_or(usize::MAX);
    job.reserve(size.saturating_mul(size_of::<u32>()))?;
    let mut indexes = vec![NONE; size];
    for (at, (number, _)) in (0..).zip(uploads) {
        let place = usize::try_from(*number).ok().and_then(|number| indexes.get_mut(number));
        *place.ok_or_else(|| wrong_number(*number))? = at;
    }
    let index = |upload: u64| -> Result<u32> {
        let index = usize::try_from(upload).ok().and_then(|upload| indexes.get(upload).copied());
        index.ok_or_else(|| wrong_number(upload))
    };
    let files = store.ping_values()?;
    let groups = files.groups(key_paths);
    let threads = rayon::current_num_threads().max(1);
    // How many values each upload has.
    let mut ends = vec![0_usize; uploads.len()];
    for chunk in groups.chunks(threads) {
        job.advance(0)?;
        let keys = chunk.par_iter().map(|at| {
            let keys = files.keys(*at)?;
            let is_wanted: Vec<bool> =
                keys.paths().map(|path| paths.code(path).is_some()).collect();
            let rows = keys.rows().filter(|(path, _)| is_wanted[*path]);
            let indexes = rows.map(|(_, upload)| index(upload));
            indexes
                .filter(|index| *index.as_ref().unwrap_or(&0) != NONE)
                .collect::<Result<Vec<u32>>>()
        });
        for index in keys.collect::<Result<Vec<_>>>()?.into_iter().flatten() {
            ends[index as usize] += 1;
        }
    }
    let mut total = 0;
    for end in &mut ends {
        let count = std::mem::replace(end, total);
        total += count;
    }
    job.reserve(Values::bytes(total))?;
    let mut values = Values::of_size(total);
    for chunk in groups.chunks(threads) {
        job.advance(0)?;
        files.fetch_ahead(chunk)?;
        let read = |at: &usize| -> Result<(ValueGroup, Vec<Option<u32>>)> {
            let group = files.read(*at)?;
            let codes = group.keys.paths().map(|path| paths.code(path)).collect();
            Ok((group, codes))
        };
        let read = chunk.par_iter().map(read).collect::<Result<Vec<_>>>()?;
        for (group, codes) in read {
            for ((path, upload), code) in group.keys.rows().zip(group.codes) {
                let Some(path) = codes[path] else { continue };
                let index = index(upload)?;
                if index != NONE {
                    let place = &mut ends[index as usize];
                    values.set(*place, path, code);
                    *place += 1;
                }
            }
        }
    }
    let mut start = 0;
    let ranges = ends.into_iter().map(|end| std::mem::replace(&mut start, end)..end);
    Ok((values, ranges.collect()))
}

fn wrong_number(number: u64) -> Error {
    Error::input(format!("the store has values of the upload {number}, which it does not have"))
        .with("help", "run `headcount store verify` to list everything that is corrupt")
}
