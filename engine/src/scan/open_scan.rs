//! Opens the files of sources and checks their columns.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray};
use arrow::datatypes::{DataType, Field};

use super::files::{EventFile, Format};
use super::parquet::ParquetFile;
use super::text;
use super::{Source, UserKeys, Value};
use crate::{Error, Result};

/// The opened files of all sources, ready to be read.
#[derive(Debug)]
pub struct Scan {
    pub(super) sources: Vec<Source>,
    pub(crate) dimensions: Vec<String>,
    pub(super) parquet: Vec<(usize, ParquetFile)>,
    pub(super) text: Vec<(usize, EventFile)>,
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
            let found = EventFile::find(base, &source.files);
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
            let name = |error: Error| error.with("source", &source.name);
            let columns = scan.columns(source, true);
            let labels: Vec<&str> = columns[2..].iter().map(String::as_str).collect();
            if file.format == Format::Parquet {
                let opened = ParquetFile::of_source(&file, source, &labels).map_err(name)?;
                let schema = opened.schema();
                let names: Vec<String> =
                    schema.fields().iter().map(|field| field.name().clone()).collect();
                check_columns(&file, &columns, &names).map_err(name)?;
                let user = schema.field_with_name(&source.user)?.data_type();
                if UserKeys::form(user).is_none() {
                    return Err(Error::input(format!(
                        "a column of type {user} cannot hold user keys"
                    ))
                    .with("file", file.path.display())
                    .with("column", &source.user)
                    .with("source", &source.name)
                    .with("help", "use integers, text or 16-byte binary"));
                }
                scan.parquet.push((at, opened));
            } else {
                let names = text::columns(&file, &columns).map_err(name)?;
                check_columns(&file, &columns, &names).map_err(name)?;
                scan.text.push((at, file));
            }
        }
        Ok(scan)
    }

    /// Rows of all Parquet files; the rows of text files are not known before they are read.
    pub fn known_rows(&self) -> u64 {
        self.parquet.iter().map(|(_, file)| file.rows(0..file.row_groups().len())).sum()
    }

    /// Files that will be read.
    pub(super) fn files(&self) -> impl Iterator<Item = &EventFile> {
        let parquet = self.parquet.iter().map(|(_, opened)| &opened.file);
        parquet.chain(self.text.iter().map(|(_, file)| file))
    }

    /// Rows of all files; 0 if text files are among them, whose rows are not known.
    pub fn total_rows(&self) -> u64 {
        if self.text.is_empty() { self.known_rows() } else { 0 }
    }

    /// Whether every user key is an integer, and none belongs to a scope.
    pub fn has_integer_keys(&self) -> bool {
        let is_integer = |(source, file): &(usize, ParquetFile)| {
            let field = file.schema().field_with_name(&self.sources[*source].user);
            field.is_ok_and(|user| UserKeys::form(user.data_type()) == Some(DataType::Int64))
        };
        self.text.is_empty() && !self.is_scoped() && self.parquet.iter().all(is_integer)
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

    /// Columns to read of a source: time (unless it is known already) and user first.
    pub(super) fn columns(&self, source: &Source, with_time: bool) -> Vec<String> {
        let mut columns = if with_time { vec![source.time.clone()] } else { Vec::new() };
        columns.push(source.user.clone());
        let dimensions = self.dimensions.iter().filter_map(|name| source.dimension(name));
        let values = std::iter::once(source.event.clone()).chain(dimensions);
        let names = values.filter_map(|value| match value {
            Value::Column(name) => Some(name),
            Value::Const(_) => None,
        });
        for name in names.chain(source.scope.clone()) {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
        columns
    }
}

fn check_columns(file: &EventFile, wanted: &[String], names: &[String]) -> Result<()> {
    match wanted.iter().find(|column| !names.contains(column)) {
        Some(column) => Err(file.missing_column(column, names)),
        None => Ok(()),
    }
}
