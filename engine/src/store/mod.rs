//! The roll-up on disk: which user did which event on which day.
//!
//! Delta Lake tables in one [`Storage`](crate::storage::Storage), a folder or a prefix in an object store, readable by
//! everything that reads Delta:
//!
//! | table | a row is | columns |
//! |---|---|---|
//! | `activity` | the users of one (day, source, event, dimension values) in one shard | `day, source, event,` one for each dimension`, shard, users, user_count, event_count` |
//! | `users` | a user whose key needs an id | `scope, kind, key, number` |
//! | `months` | the users of any event in a month, in one shard: the union of `activity` | `month, shard, users, user_count` |
//! | `files` | a file that was ingested | `source, name, hash, size, modified_ns, events, rejected, first, last, rejects, settings` |
//! | `ping_uploads` | a document in a file of pings | see [`StoredUpload`] |
//! | `ping_values` | a value of an upload that was not refused | `key_path, upload, value, kind` |
//!
//! `users` is a Roaring bitmap in the portable format. Several rows may have the same keys, if
//! files were ingested one after the other: their union counts. Shards hold disjoint users, so the
//! counts of shards add.
//!
//! **Exactly once.** A version of the store is a version of `activity`. Its commit contains (as Delta
//! application transactions, `headcount.users` and so on) the versions of the other tables
//! that belong to it. These are committed first; the commit of `activity` then makes all
//! of it visible at once: users, ids, pings and ledger. What a killed process has committed or
//! written before that is never read, and the next commit leaves it out. So a file is in the
//! ledger if and only if its events are in `activity`, also after a crash or power loss. The tables
//! of pings are made by the first ingest of pings; without them a store is as it was before there
//! were any.
//!
//! One process writes at a time ([`Lock`]). Where the lock does not reach, as in object stores and
//! on some network file systems, a commit on a version that is no longer the newest fails, and
//! nothing has happened.
//!
//! **What has changed since it was written is an error**, not another answer. The names of data
//! files have the checksums of their footers, these have [those of the other parts](Checksums), and
//! the newest commit has one of everything that the logs of the version say. Each is checked
//! when the part is read. Versions and data files that earlier programs have made have no such
//! checksums; [`Store::compact`] makes them. [`Store::verify`] also compares the digests of whole
//! files.
//!
//! **Older versions** stay readable as long as their data files are there: nothing but
//! [`Store::vacuum`] deletes one.

mod activity;
mod checksums;
mod columns;
mod commit;
mod content;
mod data_file;
mod delta;
mod fault;
mod file;
mod file_status;
mod layout;
mod ledger;
mod lock;
mod maintenance;
mod months;
mod ping_compaction;
mod ping_uploads;
mod ping_values;
mod ping_verify;
mod publication;
mod row_keys;
mod snapshot;
mod state;
mod stored_ids;
mod table;
mod verify;
mod write;

pub use activity::{ActivityRow, Series};
pub use checksums::{Checksums, footer_in, footer_length};
pub use content::Content;
pub use data_file::DataFile;
pub use fault::Fault;
pub use file::DataReader;
pub use file_status::{FileStatus, SourceFile, SourceNames, file_names, file_status, missing};
pub use ledger::{Entry, FirstRow, PING_SETTINGS, Reject, rejects};
pub use lock::Lock;
pub use maintenance::VacuumReport;
pub use months::{MonthRow, months};
pub(crate) use ping_uploads::PingKey;
pub use ping_uploads::{PingHeader, StoredUpload};
pub use ping_values::{SortedValues, ValueFiles, ValueGroup, ValueKeys};
pub use publication::{Publication, PublishedRows, TableFormat};
pub use row_keys::{RowKeys, users};
pub use snapshot::Store;
pub use stored_ids::{StoredIds, UserId};
pub use verify::Verified;
pub use write::WrittenFiles;
