//! Makes the versions of a store: the first, empty one, and those after it.

use super::activity::{LEADING_COLUMNS, TRAILING_COLUMNS};
use super::data_file::{Files, by_name};
use super::delta::{self, Table};
use super::layout::{
    ACTIVITY, FILES, FIRST_PING_TABLE, FORMAT_KEY, SIDE_TABLES, USERS, create_table, format,
    side_tables, tables,
};
use super::ledger::{self, Entry};
use super::snapshot::Store;
use super::state::{STATE_KEY, State};
use super::stored_ids::StoredIds;
use super::write::{FAST_LEVEL, WrittenFiles};
use crate::storage::Storage;
use crate::{Error, Result};

impl Store {
    /// Makes the folder of a store, if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn create_folder(storage: &Storage) -> Result<()> {
        storage.create_folder()
    }

    /// Opens the store, or makes an empty one. `dimensions` only matter to a new one.
    ///
    /// # Errors
    /// When the storage cannot be written, or a dimension has the name of another column.
    pub fn create(storage: &Storage, dimensions: &[String]) -> Result<Self> {
        let taken = LEADING_COLUMNS.iter().chain(&TRAILING_COLUMNS);
        if let Some(name) = taken.into_iter().find(|name| dimensions.iter().any(|d| d == *name)) {
            return Err(Error::input(format!("the store cannot have a dimension named `{name}`"))
                .with(
                    "help",
                    "the name is that of another column of the store; rename the dimension",
                ));
        }
        // `activity` comes last: a store is there when it is.
        for (name, _) in &SIDE_TABLES[..FIRST_PING_TABLE] {
            create_table(storage, name, dimensions)?;
        }
        create_table(storage, ACTIVITY, dimensions)?;
        let opened = Self::open(storage, None)?
            .ok_or_else(|| Error::internal("the store that was just created is missing"))?;
        opened.skip_used_numbers()?;
        Ok(opened)
    }

    /// Makes the next version: these data files more, the ids that were assigned since, and
    /// these entries of the ledger, of which there must be one. All of it is there afterwards, or nothing.
    ///
    /// # Errors
    /// When the disk refuses, or another process has made a version meanwhile.
    pub fn commit(
        &mut self,
        written: WrittenFiles,
        ids: &mut StoredIds,
        entries: Vec<Entry>,
    ) -> Result<u64> {
        let mut activity = self.activity.clone();
        activity.extend(by_name(written.activity));
        let mut months = self.months.clone();
        months.extend(by_name(written.months));
        let mut users = self.users.clone();
        let fresh = ids.unsaved()?;
        if !fresh.is_empty() {
            let file = self.write_batches(
                USERS,
                &fresh,
                &self.users_number(self.assigned_ids()),
                FAST_LEVEL,
            )?;
            users.insert(file.name.clone(), file);
        }
        let mut files = self.files.clone();
        let batch = [ledger::write(&entries)?];
        let file = self.write_batches(FILES, &batch, &self.next_number(), FAST_LEVEL)?;
        files.insert(file.name.clone(), file);
        let mut ping_uploads = self.ping_uploads.clone();
        ping_uploads.extend(by_name(written.ping_uploads));
        let mut ping_values = self.ping_values.clone();
        ping_values.extend(by_name(written.ping_values));
        self.publish(activity, [users, files, months, ping_uploads, ping_values], false)?;
        ids.mark_saved();
        for entry in entries {
            let is_of_pings = entry.is_of_pings();
            if is_of_pings { &mut self.ping_ledger } else { &mut self.ledger }.push(entry);
        }
        Ok(self.version)
    }

    /// The commits, `activity` last: it makes the others visible. `same_rows` if these are the same
    /// rows in other files.
    pub(super) fn publish(
        &mut self,
        activity: Files,
        sides: [Files; 5],
        same_rows: bool,
    ) -> Result<()> {
        let mut txn_versions = self.txn_versions;
        let has_pings = self.has_pings() || !sides[FIRST_PING_TABLE].is_empty();
        for (at, ((name, _), wanted)) in SIDE_TABLES.into_iter().zip(&sides).enumerate() {
            if wanted != self.sides()[at] {
                let mut table = Table::load(&self.storage.child(name), None)?;
                txn_versions[at] = table.commit(wanted, &[], same_rows, &[], None)?;
            }
        }
        let mut table = Table::load(&self.storage.child(ACTIVITY), None)?;
        if table.version() != self.version {
            return Err(delta::conflict(&self.storage));
        }
        let notes = SIDE_TABLES.iter().map(|(_, note)| *note).zip(txn_versions);
        let notes: Vec<(&str, u64)> = notes.take(side_tables(has_pings)).collect();
        let state = State {
            version: self.version + 1,
            has_pings,
            dimensions: &self.dimensions,
            space: &self.space,
            txn_versions: &txn_versions,
            tables: tables(&activity, sides.each_ref(), has_pings),
        };
        let properties =
            [(FORMAT_KEY, format(has_pings).to_owned()), (STATE_KEY, state.to_string())];
        self.version = table.commit(&activity, &notes, same_rows, &properties, None)?;
        (self.activity, self.txn_versions) = (activity, txn_versions);
        [self.users, self.files, self.months, self.ping_uploads, self.ping_values] = sides;
        Ok(())
    }
}
