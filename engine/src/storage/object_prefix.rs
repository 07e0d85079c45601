//! A prefix in a bucket of S3, Google Cloud Storage or Azure, or of a compatible service.
//!
//! An object appears completely or not at all, and a commit fails if its version exists already
//! (`If-None-Match`), so nothing has to be renamed, synced or locked. A failed request is repeated
//! as `object_store` does it: up to ten times within three minutes.

use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path as LocalPath;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    ObjectStore, ObjectStoreExt, ObjectStoreScheme, PutMode, PutPayload, parse_url_opts,
};
use url::Url;

use super::Item;
use super::block_on::block_on;
use super::digest::{CHUNK, Digest};
use super::object::Object;
use super::object_reader::ObjectReader;
use crate::{Error, Kind, Result};

/// Objects that are read at the same time.
const MAX_PARALLEL_FETCHES: usize = 32;

/// How long one request may take, unless a variable such as `AWS_TIMEOUT` says otherwise: enough
/// for a large data file on a slow line.
const TIMEOUT: (&str, &str) = ("timeout", "120 seconds");
/// Longest part of a server's message in an error, in characters.
const MAX_ERROR_CHARS: usize = 600;
/// Prefixes of the environment variables that clients use.
const VARIABLE_PREFIXES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];
/// Supported URL schemes, and the variables of their clients.
const SCHEMES: [(&str, &str); 5] = [
    ("s3", "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"),
    ("s3a", "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"),
    ("gs", "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS"),
    ("az", "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
    ("abfss", "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
];

static CLIENT_VARIABLES: OnceLock<Vec<(String, String)>> = OnceLock::new();

/// Gives the clients of object stores the variables of the environment: credentials, region,
/// endpoint. The program does this once; the engine itself looks into no environment.
pub fn use_variables(variables: impl IntoIterator<Item = (String, String)>) {
    let known = |name: &str| VARIABLE_PREFIXES.iter().any(|start| name.starts_with(start));
    let known = variables.into_iter().filter(|(name, _)| known(name));
    // Only the first call counts: clients that are there already would not learn of another.
    let _ = CLIENT_VARIABLES
        .set(known.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect());
}

/// A prefix in an object store.
#[derive(Clone)]
pub struct ObjectPrefix {
    /// Without a slash at its end.
    url: String,
    prefix: Path,
    /// Made when it is first needed, and common to all parts of a store.
    client: Arc<OnceLock<Arc<dyn ObjectStore>>>,
}

impl ObjectPrefix {
    /// Parses an address.
    ///
    /// # Errors
    /// When it is none, or of a kind that is not known.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| {
            Error::input(what).with("file", text).with(
                "help",
                "use a local folder, s3://bucket/path, gs://bucket/path, az://container/path or \
                 abfss://container@account.dfs.core.windows.net/path",
            )
        };
        let no_address =
            |cause: &dyn fmt::Display| wrong(format!("not a URL of an object store: {cause}"));
        let url = Url::parse(text).map_err(|cause| no_address(&cause))?;
        if SCHEMES.iter().all(|(scheme, _)| *scheme != url.scheme()) {
            return Err(wrong(format!("`{}` URLs are not supported", url.scheme())));
        }
        let (_, prefix) = ObjectStoreScheme::parse(&url).map_err(|cause| no_address(&cause))?;
        Ok(Self { url: text.trim_end_matches('/').to_owned(), prefix, client: Arc::default() })
    }

    /// The whole bucket of an address, and what the address says behind it.
    ///
    /// # Errors
    /// When it is none, or of a kind that is not known.
    pub(crate) fn bucket_of(text: &str) -> Result<(Self, &str)> {
        let start = text.find("://").map_or(0, |at| at + "://".len());
        let end = text[start..].find('/').map_or(text.len(), |at| start + at);
        Ok((Self::parse(&text[..end])?, text[end..].trim_start_matches('/')))
    }

    /// The object of this name, as it is now.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Object>> {
        let path = self.parsed_path(name)?;
        match block_on(self.client()?.head(&path))? {
            Ok(response) => Ok(Some(Object::new(self, response))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(self.failed(name, cause)),
        }
    }

    /// All objects below a folder, at any depth.
    pub(crate) fn objects(&self, folder: &str) -> Result<Vec<Object>> {
        let path = self.parsed_path(folder)?;
        let response =
            self.client()?.list(Some(&path)).map_ok(|response| Object::new(self, response));
        block_on(response.try_collect())?.map_err(|cause| self.failed(folder, cause))
    }

    /// The path of an object whose name others have chosen: it is taken as it is.
    fn parsed_path(&self, name: &str) -> Result<Path> {
        Path::parse(name).map_err(|cause| {
            Error::input(format!("invalid object name: {cause}")).with("file", self.address(name))
        })
    }

    /// The address of something in it.
    pub(super) fn address(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    /// A prefix below this one.
    pub(super) fn child(&self, name: &str) -> Self {
        let client = Arc::clone(&self.client);
        Self { url: self.address(name), prefix: self.path(name), client }
    }

    /// The client, and the address of what it is a client of.
    pub(crate) fn bucket(&self) -> Result<(String, Arc<dyn ObjectStore>)> {
        let url = self.parsed()?;
        let bucket = format!("{}://{}", url.scheme(), url.authority());
        Ok((bucket, Arc::clone(self.client()?)))
    }

    /// The log of the table at this prefix.
    pub(crate) fn log(&self) -> Result<LogStoreRef> {
        let client = Arc::clone(self.client()?);
        let table = Arc::new(PrefixStore::new(Arc::clone(&client), self.prefix.clone()));
        Ok(default_logstore(table, client, &self.parsed()?, &StorageConfig::default()))
    }

    /// Whether the bucket can be reached.
    pub(super) fn check(&self) -> Result<()> {
        self.list().map(drop)
    }

    pub(super) fn head(&self, name: &str) -> Result<Option<Item>> {
        let (client, path) = (self.client()?, self.path(name));
        match block_on(client.head(&path))? {
            Ok(response) => Ok(Some(item(name, &response))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(self.failed(name, cause)),
        }
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<Bytes>> {
        let (client, path) = (self.client()?, self.path(name));
        match block_on(async { client.get(&path).await?.bytes().await })? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(self.failed(name, cause)),
        }
    }

    pub(super) fn read_ranges(&self, name: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (client, path) = (self.client()?, self.path(name));
        block_on(client.get_ranges(&path, ranges))?.map_err(|cause| self.failed(name, cause))
    }

    /// Ranges of several things, fetched at the same time.
    pub(super) fn read_many(&self, wanted: &[(&str, &[Range<u64>])]) -> Result<Vec<Vec<Bytes>>> {
        let client = self.client()?;
        let requests: Vec<_> = wanted
            .iter()
            .enumerate()
            .map(|(at, (name, ranges))| {
                let (client, path, ranges) = (client.clone(), self.path(name), ranges.to_vec());
                async move { client.get_ranges(&path, &ranges).await.map_err(|cause| (at, cause)) }
            })
            .collect();
        let all = stream::iter(requests).buffered(MAX_PARALLEL_FETCHES).try_collect();
        block_on(all)?.map_err(|(at, cause)| self.failed(wanted[at].0, cause))
    }

    pub(super) fn write(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let (client, path) = (self.client()?, self.path(name));
        let written = block_on(client.put(&path, PutPayload::from(bytes)))?;
        written.map(drop).map_err(|cause| self.failed(name, cause))
    }

    /// Tests that the object store supports conditional writes.
    pub(crate) fn try_to_overwrite(&self, name: &str) -> Result<()> {
        let (client, path) = (self.client()?, self.path(name));
        // The first one may succeed, but not the second.
        for _ in 0..2 {
            let text = PutPayload::from_static(
                b"Written to test that objects here are not overwritten.\n",
            );
            match block_on(client.put_opts(&path, text, PutMode::Create.into()))? {
                Ok(_) => {}
                Err(object_store::Error::AlreadyExists { .. }) => return Ok(()),
                Err(cause) => return Err(self.failed(name, cause)),
            }
        }
        Err(Error::input("the object store overwrote an object in spite of `If-None-Match`")
            .with("file", self.address(name))
            .with(
                "help",
                "two concurrent writers could lose events; use an object store that supports \
                 conditional writes",
            ))
    }

    /// The objects directly below the prefix.
    pub(super) fn list(&self) -> Result<Vec<Item>> {
        let client = self.client()?;
        let listed = block_on(client.list_with_delimiter(Some(&self.prefix)))?;
        let listed = listed.map_err(|cause| self.failed("", cause))?;
        let name = |path: &Path| path.filename().unwrap_or_default().to_owned();
        Ok(listed
            .objects
            .iter()
            .map(|response| item(&name(&response.location), response))
            .collect())
    }

    pub(super) fn delete(&self, name: &str) -> Result<()> {
        let (client, path) = (self.client()?, self.path(name));
        block_on(client.delete(&path))?.map_err(|cause| self.failed(name, cause))
    }

    /// Digest and size; `None` if there is nothing.
    pub(super) fn digest(&self, name: &str) -> Result<Option<(Digest, u64)>> {
        let Some(reader) = self.open(name)? else { return Ok(None) };
        let digest = Digest::of_reader(reader).map_err(|cause| self.interrupted(name, cause))?;
        Ok(Some(digest))
    }

    /// Copies an object into a file of this machine.
    pub(super) fn copy_out(&self, name: &str, to: &LocalPath) -> Result<u64> {
        let failed = |cause| Error::io(to, cause);
        let mut reader = self.open(name)?.ok_or_else(|| self.not_found(name))?;
        let mut file = File::create(to).map_err(failed)?;
        let (mut chunk, mut size) = (vec![0; CHUNK], 0);
        loop {
            match reader.read(&mut chunk).map_err(|cause| self.interrupted(name, cause))? {
                0 => return Ok(size),
                read => {
                    file.write_all(&chunk[..read]).map_err(failed)?;
                    size += read as u64;
                }
            }
        }
    }

    /// The error for a missing object.
    pub(super) fn not_found(&self, name: &str) -> Error {
        Error::input("no such object").with("file", self.address(name))
    }

    /// All of an object; `None` if there is none.
    fn open(&self, name: &str) -> Result<Option<ObjectReader>> {
        let (client, path) = (self.client()?, self.path(name));
        match block_on(client.get(&path))? {
            Ok(response) => Ok(Some(ObjectReader::new(response))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(cause) => Err(self.failed(name, cause)),
        }
    }

    /// The error for an object that was not read to its end.
    pub(super) fn interrupted(&self, name: &str, cause: std::io::Error) -> Error {
        match cause.downcast() {
            Ok(cause) => self.failed(name, cause),
            Err(cause) => Error::new(Kind::Io, cause.to_string())
                .with("file", self.address(name))
                .with("help", self.help())
                .caused_by(cause),
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    pub(super) fn parsed(&self) -> Result<Url> {
        Url::parse(&format!("{}/", self.url))
            .map_err(|cause| Error::internal(format!("{} is not a URL: {cause}", self.url)))
    }

    pub(super) fn client(&self) -> Result<&Arc<dyn ObjectStore>> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let variables = CLIENT_VARIABLES.get().into_iter().flatten();
        let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
        let (client, _) = parse_url_opts(&self.parsed()?, [TIMEOUT].into_iter().chain(variables))
            .map_err(|cause| self.failed("", cause))?;
        Ok(self.client.get_or_init(|| Arc::from(client)))
    }

    /// The error for a failed request.
    pub(super) fn failed(&self, name: &str, cause: object_store::Error) -> Error {
        let what = match &cause {
            object_store::Error::NotFound { .. } => "no such bucket or object",
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => "the object store denied access",
            object_store::Error::Precondition { .. } => {
                "the object changed while it was being read"
            }
            _ => "a request to the object store failed",
        };
        // Servers respond with pages of XML.
        let message = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let message: String = message.chars().take(MAX_ERROR_CHARS).collect();
        let address = if name.is_empty() { self.url.clone() } else { self.address(name) };
        Error::new(Kind::Io, format!("{what}: {message}"))
            .with("file", address)
            .with("help", self.help())
            .caused_by(cause)
    }

    /// What to do when it cannot be used.
    pub(crate) fn help(&self) -> String {
        let scheme = self.url.split(':').next().unwrap_or_default();
        let known = SCHEMES.iter().find(|(name, _)| *name == scheme);
        format!(
            "nothing was lost or counted twice; check the URL, the network and the variables {}, \
             then run the command again",
            known.map_or("", |(_, variables)| variables)
        )
    }
}

fn item(name: &str, response: &object_store::ObjectMeta) -> Item {
    let modified = response.last_modified.timestamp_millis();
    Item { name: name.to_owned(), size: response.size, modified }
}

/// Two are the same if they have the same address.
impl PartialEq for ObjectPrefix {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url
    }
}

impl Eq for ObjectPrefix {}

impl Hash for ObjectPrefix {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.url.hash(state);
    }
}

impl fmt::Display for ObjectPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Debug for ObjectPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectPrefix").field(&self.url).finish()
    }
}
