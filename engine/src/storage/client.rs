//! The clients of object stores: S3, Google Cloud Storage, Azure, services that are compatible with
//! them, and `file://` for local folders.
//!
//! A failed request is repeated as `object_store` does it: up to ten times within three minutes.

use std::fmt;
use std::sync::{Arc, OnceLock};

use object_store::{ObjectStore, ObjectStoreScheme, parse_url_opts};
use url::Url;

use crate::{Error, Kind, Result};

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

/// Whether a text is an address in an object store, not a path.
pub fn is_address(text: &str) -> bool {
    text.contains("://")
}

/// Checks an address.
///
/// # Errors
/// When it is none, or of a kind that is not known.
pub(super) fn check_address(text: &str) -> Result<()> {
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
    ObjectStoreScheme::parse(&url).map(drop).map_err(|cause| no_address(&cause))
}

/// A client for a URL.
pub(super) fn client(url: &Url) -> object_store::Result<Arc<dyn ObjectStore>> {
    let variables = CLIENT_VARIABLES.get().into_iter().flatten();
    let variables = variables.map(|(name, value)| (name.as_str(), value.as_str()));
    let (client, _) = parse_url_opts(url, [TIMEOUT].into_iter().chain(variables))?;
    Ok(Arc::from(client))
}

/// The error for a failed request to this address.
pub(super) fn failed(address: &str, cause: object_store::Error) -> Error {
    let what = match &cause {
        object_store::Error::NotFound { .. } => "no such bucket or object",
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => "the object store denied access",
        object_store::Error::Precondition { .. } => "the object changed while it was being read",
        _ => "a request to the object store failed",
    };
    // Servers respond with pages of XML.
    let message = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let message: String = message.chars().take(MAX_ERROR_CHARS).collect();
    Error::new(Kind::Io, format!("{what}: {message}"))
        .with("file", address)
        .with("help", help(address))
        .caused_by(cause)
}

/// What to do when an address cannot be used.
pub(super) fn help(address: &str) -> String {
    let scheme = address.split(':').next().unwrap_or_default();
    let known = SCHEMES.iter().find(|(name, _)| *name == scheme);
    format!(
        "nothing was lost or counted twice; check the URL, the network and the variables {}, then \
         run the command again",
        known.map_or("", |(_, variables)| variables)
    )
}
