//! Opens the files of sources and checks their columns.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::file_columns::FileColumns;
use super::files::{EventFile, Format};
use super::parquet::ParquetFile;
use super::text;
use super::{Source, UserKeys, Value};
use crate::calendar::TimeFormat;
use crate::{Error, Result};

/// The opened files of all sources, ready to be read.
#[derive(Debug)]
pub struct Scan {
    pub(super) sources: Vec<Source>,
    pub(crate) dimensions: Vec<String>,
    pub(super) parquet: Vec<OpenParquet>,
    pub(super) text: Vec<OpenText>,
}

/// An opened Parquet file of the source with this index.
#[derive(Debug)]
pub(super) struct OpenParquet {
    pub(super) source: usize,
    pub(super) file: ParquetFile,
    pub(super) columns: FileColumns,
}

/// A text file of the source with this index.
#[derive(Debug)]
pub(super) struct OpenText {
    pub(super) source: usize,
    pub(super) file: EventFile,
    pub(super) columns: FileColumns,
    /// What is read of it.
    pub(super) schema: SchemaRef,
}

impl Scan {
    /// Opens all files and checks that each has the columns it must have. Relative paths start at
    /// `base`; `dimensions` are those to be read (a source without one has no value there).
    ///
    /// # Errors
    /// When files are missing or broken, or a column is missing or of a type that cannot serve.
    pub fn open(base: &Path, sources: &[Source], dimensions: &[String]) -> Result<Self> {
        let mut files = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            let found = source.find_files(base, true);
            let found = found.map_err(|error| error.with("source", &source.name))?;
            files.extend(found.into_iter().map(|file| (at, file)));
        }
        Self::of_files(sources, files, dimensions)
    }

    /// As [`open`](Self::open), of these files, each with the index of its source.
    ///
    /// # Errors
    /// When a file is broken, or a column is missing or of a type that cannot serve.
    pub fn of_files(
        sources: &[Source],
        files: Vec<(usize, EventFile)>,
        dimensions: &[String],
    ) -> Result<Self> {
        let mut scan = Self {
            sources: sources.to_vec(),
            dimensions: dimensions.to_vec(),
            parquet: Vec::new(),
            text: Vec::new(),
        };
        for (at, file) in files {
            let source = &sources[at];
            let named = |error: Error| error.with("source", &source.name);
            let labels = scan.labels(source);
            let values = [vec![&source.time, &source.user], labels.clone()].concat();
            if file.format == Format::Parquet {
                let opened = ParquetFile::of_source(&file, source, &labels).map_err(named)?;
                let mut columns = FileColumns::new(source, &values, &file, opened.schema())?;
                check_user(source, &columns, &file)?;
                if source.time_format == TimeFormat::Auto {
                    let paths = columns.paths(None);
                    let wanted = |leaf: &[String]| paths.iter().any(|path| leaf.starts_with(path));
                    let groups = 0..opened.row_groups().len();
                    let batches = groups.flat_map(|group| match opened.read(group, &wanted) {
                        Ok(batches) => Box::new(batches) as text::Batches<'_>,
                        Err(error) => Box::new(std::iter::once(Err(error))),
                    });
                    let format = columns.recognise_times(source, batches);
                    columns.time_format = format.map_err(|error| located(error, source, &file))?;
                }
                scan.parquet.push(OpenParquet { source: at, file: opened, columns });
            } else {
                let of = |schema: &Schema| FileColumns::new(source, &values, &file, schema);
                let schema = text::schema(&file, &|schema| of(schema).is_ok()).map_err(named)?;
                let mut columns = of(&schema)?;
                check_user(source, &columns, &file)?;
                let schema = columns.read_schema(&schema);
                if source.time_format == TimeFormat::Auto {
                    let format = columns.recognise_times(source, text::read(&file, &schema)?);
                    columns.time_format = format.map_err(|error| located(error, source, &file))?;
                }
                scan.text.push(OpenText { source: at, file, columns, schema });
            }
        }
        Ok(scan)
    }

    /// The parts of a source that are names: event, dimensions, scope.
    fn labels<'a>(&self, source: &'a Source) -> Vec<&'a Value> {
        let dimensions = self.dimensions.iter().filter_map(|name| source.dimension(name));
        std::iter::once(&source.event).chain(dimensions).chain(&source.scope).collect()
    }

    /// Rows of all Parquet files; the rows of text files are not known before they are read.
    pub fn known_rows(&self) -> u64 {
        self.parquet.iter().map(|open| open.file.rows(0..open.file.row_groups().len())).sum()
    }

    /// Files that will be read.
    pub(super) fn files(&self) -> impl Iterator<Item = &EventFile> {
        let parquet = self.parquet.iter().map(|open| &open.file.file);
        parquet.chain(self.text.iter().map(|open| &open.file))
    }

    /// Rows of all files; 0 if text files are among them, whose rows are not known.
    pub fn total_rows(&self) -> u64 {
        if self.text.is_empty() { self.known_rows() } else { 0 }
    }

    /// Whether every user key is an integer, and none belongs to a scope.
    pub fn has_integer_keys(&self) -> bool {
        let parquet = self.parquet.iter().map(|open| (open.source, &open.columns));
        let mut files = parquet.chain(self.text.iter().map(|open| (open.source, &open.columns)));
        let is_integer = |(source, columns): (usize, &FileColumns)| {
            let user = columns.data_type(&self.sources[source].user);
            user.is_ok_and(|user| UserKeys::form(user) == Some(DataType::Int64))
        };
        !self.is_scoped() && files.all(is_integer)
    }

    fn is_scoped(&self) -> bool {
        self.sources.iter().any(|source| source.scope.is_some())
    }

    /// User keys together with their scopes, if any source has scopes.
    pub(super) fn scoped(&self, keys: ArrayRef, scopes: ArrayRef) -> Result<ArrayRef> {
        if !self.is_scoped() {
            return Ok(keys);
        }
        let columns = [("scope", scopes), ("key", keys)];
        let fields = columns.map(|(name, values)| {
            (Arc::new(Field::new(name, values.data_type().clone(), true)), values)
        });
        Ok(Arc::new(StructArray::from(fields.to_vec())))
    }
}

fn located(error: Error, source: &Source, file: &EventFile) -> Error {
    let error = error.with("file", file.path.display()).with("column", source.time.text());
    error.with("source", &source.name)
}

/// Checks that the type of the user can hold keys.
fn check_user(source: &Source, columns: &FileColumns, file: &EventFile) -> Result<()> {
    let user = columns.data_type(&source.user)?;
    if UserKeys::form(user).is_some() {
        return Ok(());
    }
    Err(Error::input(format!("a column of type {user} cannot hold user keys"))
        .with("file", file.path.display())
        .with("column", source.user.text())
        .with("source", &source.name)
        .with("help", "use integers, text or 16-byte binary"))
}
