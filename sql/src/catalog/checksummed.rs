//! Object store wrapper that verifies the checksums of the parts of the store's data files that a
//! query reads. Files without checksums are passed through.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::object_store::path::Path;
use datafusion::object_store::{
    self, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result,
};
use engine::Error;
use engine::store::{Checksums, footer_length};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};

/// Scheme prefix of URLs whose files are verified.
pub(crate) const SCHEME: &str = "store+";
/// Bytes of the first read at the end of a file; most footers are shorter.
const FOOTER_BYTES: u64 = 64 << 10;
/// Most files whose checksums are cached.
const MAX_CACHED: usize = 4096;

/// A read-only object store that verifies the checksums of data files.
#[derive(Debug)]
pub(super) struct ChecksummedStore {
    inner: Arc<dyn ObjectStore>,
    /// Sizes and checksums by path; data files are never modified.
    known: Mutex<HashMap<Path, (u64, Arc<Checksums>)>>,
}

impl ChecksummedStore {
    pub(super) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, known: Mutex::default() }
    }

    /// The size and the checksums of a file; `None` if it has none.
    async fn checksums(&self, path: &Path) -> Result<Option<(u64, Arc<Checksums>)>> {
        let name = path.filename().unwrap_or_default();
        if Checksums::of_footer(name).is_none() {
            return Ok(None);
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(path) {
            return Ok(Some(known.clone()));
        }
        let size = self.inner.head(path).await?.size;
        let mut end = self.inner.get_range(path, size.saturating_sub(FOOTER_BYTES)..size).await?;
        let cut_off = || broken(path, "it is truncated");
        let length = footer_length(&end).filter(|length| *length as u64 <= size);
        let length = length.ok_or_else(cut_off)?;
        if length > end.len() {
            end = self.inner.get_range(path, size - length as u64..size).await?;
        }
        let footer = end.slice(end.len().checked_sub(length).ok_or_else(cut_off)?..);
        let checksums = Checksums::read(name, size, &footer);
        let checksums = Arc::new(checksums.map_err(|cause| broken(path, &cause.to_string()))?);
        let mut known = known();
        if known.len() >= MAX_CACHED {
            known.clear();
        }
        known.insert(path.clone(), (size, Arc::clone(&checksums)));
        Ok(Some((size, checksums)))
    }
}

/// A range of bytes that were read from `start` on and around it.
fn cut(path: &Path, start: u64, bytes: &Bytes, range: &Range<u64>) -> Result<Bytes> {
    let offset = |at: u64| usize::try_from(at.checked_sub(start)?).ok();
    let place = offset(range.start).zip(offset(range.end));
    let place = place.filter(|(from, to)| from <= to && *to <= bytes.len());
    place.map(|(from, to)| bytes.slice(from..to)).ok_or_else(|| broken(path, "it is truncated"))
}

fn broken(path: &Path, what: &str) -> object_store::Error {
    let error = Error::input(format!("corrupt data file: {what}")).with("file", path).with(
        "help",
        "run `headcount store verify` to list everything that is corrupt, and ingest into a new \
         store",
    );
    object_store::Error::Generic { store: "store", source: Box::new(error) }
}

#[async_trait]
impl ObjectStore for ChecksummedStore {
    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        if options.head {
            return self.inner.get_opts(path, options).await;
        }
        let Some((size, checksums)) = self.checksums(path).await? else {
            return self.inner.get_opts(path, options).await;
        };
        let range = options.range.as_ref().map_or(Ok(0..size), |range| range.as_range(size));
        let range = range.map_err(|cause| broken(path, &cause.to_string()))?;
        let around = checksums.around(&range);
        let options = GetOptions { range: Some(GetRange::Bounded(around.clone())), ..options };
        let found = self.inner.get_opts(path, options).await?;
        let (meta, attributes) = (found.meta.clone(), found.attributes.clone());
        let bytes = found.bytes().await?;
        checksums.check(around.start, &bytes).map_err(|e| broken(path, &e.to_string()))?;
        let bytes = cut(path, around.start, &bytes, &range)?;
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes })
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let Some((_, checksums)) = self.checksums(path).await? else {
            return self.inner.get_ranges(path, ranges).await;
        };
        let around: Vec<Range<u64>> = ranges.iter().map(|range| checksums.around(range)).collect();
        let found = self.inner.get_ranges(path, &around).await?;
        let parts = around.iter().zip(&found).zip(ranges);
        parts
            .map(|((around, bytes), range)| {
                let checksummed = checksums.check(around.start, bytes);
                checksummed.map_err(|cause| broken(path, &cause.to_string()))?;
                cut(path, around.start, bytes, range)
            })
            .collect()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(read_only("put_opts"))
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(read_only("put_multipart_opts"))
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::once(async { Err(read_only("delete_stream")) }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(read_only("copy_opts"))
    }
}

fn read_only(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: "a store that is only read".to_owned(),
    }
}

impl fmt::Display for ChecksummedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with checksums", self.inner)
    }
}
