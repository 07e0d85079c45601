//! Sketches of a ping, of salted hashes of keys that identify users in all installations.

use std::collections::BTreeMap;

use super::passes::in_passes;
use super::values::PingValue;
use crate::metric::Dictionary;
use crate::project::{PROJECT_FILE, Project};
use crate::scan::Value;
use crate::users::{Salt, Sketch};
use crate::{Error, JobContext, Result};

/// The sketches of a ping.
#[derive(Debug)]
pub struct OutgoingSketches {
    /// The salt's [fingerprint](Salt::fingerprint).
    pub salt: String,
    /// By key path.
    pub by_key_path: BTreeMap<String, Sketch>,
    /// Name of the column that identifies users.
    pub user: String,
    /// Rows without a value there; they are in no sketch.
    pub without_user: u64,
}

/// The project's salt.
///
/// # Errors
/// When it has none, or none that is long enough.
pub(super) fn salt(project: &Project) -> Result<Salt> {
    let settings = project.installation.as_ref().and_then(|own| own.sketches.as_ref());
    let Some(settings) = settings else {
        return Err(Error::input("sketches need a salt, and the project has none")
            .with("file", project.root.join(PROJECT_FILE).display())
            .with(
                "help",
                "without one anybody could look for a user in a sketch. Write a secret that all \
                 installations share to a file, and add `sketches: {salt_file: FILE, user: COLUMN}` \
                 to `installation`; COLUMN identifies a user in all of them, such as an e-mail address",
            ));
    };
    let file = project.root.join(&settings.salt_file);
    let secret = std::fs::read(&file).map_err(|cause| Error::io(&file, cause))?;
    Salt::new(&secret).map_err(|error| error.with("file", file.display()))
}

/// Makes sketches of values.
///
/// # Errors
/// When the events cannot be read, or a source does not have the column of users.
pub(super) fn sketches(
    project: &Project,
    metrics: &Dictionary,
    values: &BTreeMap<&str, &PingValue>,
    salt: &Salt,
    job: &JobContext<'_>,
) -> Result<OutgoingSketches> {
    let settings = project.installation.as_ref().and_then(|own| own.sketches.as_ref());
    let settings = settings.ok_or_else(|| Error::internal("sketches without settings"))?;
    let mut shared = project.clone();
    for source in &mut shared.sources {
        // Keys are no longer those of one installation.
        source.user = Value::Column(settings.user.clone());
        source.scope = None;
    }
    let list: Vec<&PingValue> = values.values().copied().collect();
    let mut without_user = 0;
    let made = in_passes(&shared, metrics, &list, |spans| {
        let made = spans.sketch(salt, job)?;
        without_user = made.without_user;
        Ok(made.sketches.into_iter().map(Some).collect())
    })?;
    let named = values.keys().zip(made);
    let by_key_path =
        named.filter_map(|(key_path, sketch)| Some(((*key_path).to_owned(), sketch?))).collect();
    let (salt, user) = (salt.fingerprint().to_owned(), settings.user.clone());
    Ok(OutgoingSketches { salt, by_key_path, user, without_user })
}
