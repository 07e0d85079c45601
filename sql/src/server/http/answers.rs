//! What all answers have in common: errors as JSON, and the headers that browsers heed.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::{Error, Kind};
use serde_json::json;

/// Numbers of one customer are nobody else's, and a page has no business to be made of them.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "private, no-cache"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Sets the headers that the answer does not set itself.
pub(super) async fn guarded(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// An error with the status that tells who has to act.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) StatusCode, pub(super) Error);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::Input => StatusCode::BAD_REQUEST,
            Kind::Limit => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        let (text, help) = (error.to_string(), error.context("help"));
        let body = match help {
            Some(help) => {
                let end = format!("; {help}");
                json!({ "error": text.strip_suffix(&end).unwrap_or(&text), "help": help })
            }
            None => json!({ "error": text }),
        };
        (status, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
    }
}

/// Asks for a name and a password.
pub(super) fn who_are_you() -> Response {
    let error = Error::input("missing or wrong name or password");
    let refusal = Refusal(StatusCode::UNAUTHORIZED, error);
    let scheme = "Basic realm=\"headcount\", charset=\"UTF-8\"";
    ([(header::WWW_AUTHENTICATE, scheme)], refusal).into_response()
}
