//! The columns of several files as those of one table.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use engine::{Error, Result};

/// The union of the columns of several files, in the order of first occurrence.
#[derive(Debug, Default)]
pub(super) struct MergedColumns {
    fields: Vec<Field>,
    files: Vec<PathBuf>,
}

impl MergedColumns {
    /// Adds the columns of a file.
    ///
    /// # Errors
    /// When a column has a different type in an earlier file, other than an object with other keys.
    pub(super) fn add(&mut self, path: &Path, schema: &Schema) -> Result<()> {
        for field in schema.fields() {
            let Some(at) = self.fields.iter().position(|known| known.name() == field.name()) else {
                self.fields.push(field.as_ref().clone());
                self.files.push(path.to_owned());
                continue;
            };
            let known = &mut self.fields[at];
            if let Some(merged) = merged(known.data_type(), field.data_type()) {
                known.set_data_type(merged);
            } else if known.data_type() != field.data_type() {
                let other = self.files[at].display();
                return Err(Error::input(format!(
                    "this column has type {} here and {} in {other}",
                    field.data_type(),
                    known.data_type()
                ))
                .with("file", path.display())
                .with("column", field.name())
                .with("help", "query the files separately, by their paths, and cast"));
            }
        }
        Ok(())
    }

    /// The union of the columns; NULL where a file lacks one.
    pub(super) fn schema(self) -> SchemaRef {
        // Nullable, because a file may lack the column.
        let fields = self.fields.into_iter().map(|field| field.with_nullable(true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// An object with the keys of two; `None` if they are no objects, or a key has two types.
fn merged(one: &DataType, other: &DataType) -> Option<DataType> {
    let (DataType::Struct(one), DataType::Struct(other)) = (one, other) else { return None };
    let mut fields: Vec<Arc<Field>> = one.iter().cloned().collect();
    for field in other {
        let Some(known) = fields.iter_mut().find(|known| known.name() == field.name()) else {
            fields.push(Arc::clone(field));
            continue;
        };
        if known.data_type() != field.data_type() {
            let data_type = merged(known.data_type(), field.data_type())?;
            *known = Arc::new(known.as_ref().clone().with_data_type(data_type));
        }
    }
    Some(DataType::Struct(fields.into()))
}
