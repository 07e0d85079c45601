//! Checks the rows of the tables of pings.

use std::collections::HashMap;

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use super::data_file::DataFile;
use super::fault::{Fault, what_is_wrong};
use super::file::DataReader;
use super::layout::PING_VALUES;
use super::ping_values::ValueGroup;
use super::snapshot::Store;
use crate::Result;
use crate::storage::Digest;

impl Store {
    /// Reads every upload and every value, whose files are as they were written.
    pub(super) fn check_pings(&self, faults: &mut Vec<Fault>) -> Result<()> {
        // For each number, whether its upload was accepted; `None` if there is none.
        let mut uploads: Vec<Option<bool>> = vec![None; self.ping_uploads() as usize];
        let mut counts: HashMap<Digest, (u64, u64)> = HashMap::new();
        let mut wrong = Vec::new();
        let read = self.each_ping_upload(|upload| {
            let is_accepted = upload.outcome.is_ok();
            let (accepted, refused) = counts.entry(upload.file).or_default();
            *if is_accepted { accepted } else { refused } += 1;
            match uploads.get_mut(upload.upload as usize) {
                Some(place @ None) => *place = Some(is_accepted),
                _ => wrong.push(format!("the upload {} is there twice or too high", upload.upload)),
            }
            Ok(())
        });
        if let Err(error) = read {
            wrong.push(what_is_wrong(error)?);
        }
        for entry in &self.ping_ledger {
            let found = counts.remove(&entry.digest).unwrap_or_default();
            if found != (entry.events, entry.refused) {
                wrong.push(format!(
                    "{}: {} pings and {} refused uploads in the ledger, but {} and {} in \
                     `ping_uploads`",
                    entry.name, entry.events, entry.refused, found.0, found.1
                ));
            }
        }
        if !counts.is_empty() {
            wrong.push(format!("uploads of {} files that are not in the ledger", counts.len()));
        }
        faults.extend(wrong.into_iter().map(|what| Fault { file: None, what }));
        let files: Vec<&DataFile> = self.ping_values.values().collect();
        let check = |file: &&DataFile| {
            let what = match self.check_values(file, &uploads) {
                Ok(None) => return Ok(None),
                Ok(Some(what)) => what,
                Err(error) => what_is_wrong(error)?,
            };
            let file = self.storage.child(PING_VALUES).address(&file.name);
            Ok(Some(Fault { file: Some(file), what }))
        };
        let found = files.par_iter().map(check).collect::<Result<Vec<_>>>()?;
        faults.extend(found.into_iter().flatten());
        Ok(())
    }

    /// What is wrong with the rows of a data file, if anything is.
    fn check_values(&self, file: &DataFile, uploads: &[Option<bool>]) -> Result<Option<String>> {
        let reader = DataReader::open(&self.storage.child(PING_VALUES), file)?;
        let mut last: Option<(String, u64)> = None;
        let mut rows = 0;
        for group in 0..reader.groups() {
            let group = ValueGroup::read(&reader, group)?;
            let paths: Vec<&str> = group.keys.paths().collect();
            rows += group.codes.len() as u64;
            let mut before = last.as_ref().map(|(path, upload)| (path.as_str(), *upload));
            for (path, upload) in group.keys.rows() {
                let row = Some((paths[path], upload));
                if before >= row {
                    let what = format!("`{}` of the upload {upload} is not in order", paths[path]);
                    return Ok(Some(what));
                }
                before = row;
                if uploads.get(upload as usize) != Some(&Some(true)) {
                    let what = format!("values of the upload {upload}, which was not accepted");
                    return Ok(Some(what));
                }
            }
            last = before.map(|(path, upload)| (path.to_owned(), upload));
        }
        let wrong = format!("{rows} rows, but {} in the log", file.rows);
        Ok((rows != file.rows).then_some(wrong))
    }
}
