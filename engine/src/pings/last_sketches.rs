//! The sketches of the last pings of months. They are much larger than values, so they are not kept with
//! these: whoever needs them reads the files once more.

use std::collections::HashMap;
use std::path::Path;

use super::collection::{Collection, Ping};
use super::inputs::Inputs;
use super::read::read_sketches;
use super::sketches::PingSketches;
use crate::scan::EventFile;
use crate::{JobContext, Result};

/// Takes a ping by its index in [`Collection::pings`], with its sketches.
pub(super) type Each<'a> = dyn Fn(usize, PingSketches) -> Result<()> + Sync + 'a;

/// Calls `each` with the sketches of those last pings of months that are wanted. Reads their files,
/// which must be those of the collection; those that no longer exist are left out.
pub(super) fn each_last(
    inputs: &Inputs,
    collection: &Collection,
    is_wanted: &(dyn Fn(&Ping) -> bool + Sync),
    in_parallel: bool,
    each: &Each<'_>,
    job: &JobContext<'_>,
) -> Result<()> {
    let last = collection.last_pings().filter(|(_, ping)| is_wanted(ping));
    let places: HashMap<&str, usize> = last.map(|(at, ping)| (ping.file.as_str(), at)).collect();
    let file_of = |place: &'_ str| match place.rsplit_once(':') {
        Some((file, line)) if line.bytes().all(|byte| byte.is_ascii_digit()) => file.to_owned(),
        _ => place.to_owned(),
    };
    let mut wanted: Vec<String> = places.keys().map(|place| file_of(place)).collect();
    wanted.extend(places.keys().map(|place| (*place).to_owned()));
    wanted.sort_unstable();
    let files = inputs.pings.iter().filter(|file| wanted.binary_search(&file.name).is_ok());
    let files: HashMap<&Path, (&EventFile, &str)> = files
        .filter_map(|of| Some((of.file.as_ref()?, of.name.as_str())))
        .map(|(file, name)| (file.path.as_path(), (file, name)))
        .collect();
    let mut list: Vec<&EventFile> = files.values().map(|(file, _)| *file).collect();
    list.sort_by(|a, b| a.path.cmp(&b.path));
    let take = |file: &EventFile, line: Option<u64>, sketches: PingSketches| {
        let name = files.get(file.path.as_path()).map_or("", |(_, name)| name);
        let in_line = line.and_then(|line| places.get(format!("{name}:{line}").as_str()));
        match in_line.or_else(|| places.get(name)) {
            Some(ping) => each(*ping, sketches),
            None => Ok(()),
        }
    };
    read_sketches(&list, in_parallel, &take, job)
}

/// Calls `each` with the wanted last pings of months and their sketches, in the order of their files.
///
/// # Errors
/// When a file cannot be read, the job is cancelled, or `each` fails.
pub fn last_sketches<'a>(
    inputs: &Inputs,
    collection: &'a Collection,
    is_wanted: &(dyn Fn(&Ping) -> bool + Sync),
    each: &(dyn Fn(&'a Ping, PingSketches) -> Result<()> + Sync),
    job: &JobContext<'_>,
) -> Result<()> {
    let each = |ping: usize, sketches| each(&collection.pings[ping], sketches);
    each_last(inputs, collection, is_wanted, false, &each, job)
}
