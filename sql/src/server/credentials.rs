//! HTTP basic authentication, for the HTTP and Flight SQL servers.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::ServerContext;

/// Padding is optional: Flight's Go client omits it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Most bytes of an encoded name and password.
const MAX_ENCODED: usize = 1024;

/// The user of a header `Authorization: Basic ...`, if the password is right.
pub(super) async fn authenticate_basic(
    server: &Arc<ServerContext>,
    header: &str,
) -> Option<String> {
    let (name, password) = parse_basic(header)?;
    let server = Arc::clone(server);
    // Hashing takes milliseconds and would block other connections on this thread.
    let verified =
        tokio::task::spawn_blocking(move || server.access.verify(&name, &password).then_some(name));
    verified.await.ok().flatten()
}

fn parse_basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAX_ENCODED {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::parse_basic;

    #[test]
    fn basic_headers_are_parsed() {
        let found = parse_basic("Basic YWRhOmNvcnJlY3Q6aG9yc2U=").unwrap();
        assert_eq!(found, ("ada".to_owned(), "correct:horse".to_owned()));
        assert!(parse_basic("basic YWRhOg==").is_some() && parse_basic("Basic YWRhOg").is_some());
        for wrong in ["", "Basic", "Basic ", "Basic YWRh", "Basic %%%", "Bearer YWRhOg=="] {
            assert!(parse_basic(wrong).is_none(), "{wrong}");
        }
        assert!(parse_basic(&format!("Basic {}", "YWRh".repeat(1000))).is_none());
    }
}
