//! Names and passwords in the head of a request, for HTTP and for what goes over it.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Shared;

/// With padding, or without: the clients of Flight in Go leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Most bytes of a name with its password: more is not worth hashing.
const LONGEST: usize = 1024;

/// Whom the value of a header `Authorization: Basic ...` names, if the password is right.
pub(super) async fn basic(shared: &Arc<Shared>, header: &str) -> Option<String> {
    let (name, password) = parts(header)?;
    let shared = Arc::clone(shared);
    // Hashing takes milliseconds, which belong to no other connection.
    let admitted =
        tokio::task::spawn_blocking(move || shared.access.admits(&name, &password).then_some(name));
    admitted.await.ok().flatten()
}

fn parts(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > LONGEST {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_header_names_somebody_or_nobody() {
        let found = parts("Basic YWRhOmNvcnJlY3Q6aG9yc2U=").unwrap();
        assert_eq!(found, ("ada".to_owned(), "correct:horse".to_owned()));
        assert!(parts("basic YWRhOg==").is_some() && parts("Basic YWRhOg").is_some());
        for wrong in ["", "Basic", "Basic ", "Basic YWRh", "Basic %%%", "Bearer YWRhOg=="] {
            assert!(parts(wrong).is_none(), "{wrong}");
        }
        assert!(parts(&format!("Basic {}", "YWRh".repeat(1000))).is_none());
    }
}
