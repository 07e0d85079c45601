//! Common parts of all responses: errors as JSON, and security headers.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::{Error, Kind};
use serde_json::json;

/// Keeps responses out of shared caches and other sites' pages.
const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "private, no-cache"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Adds the security headers that a response does not set itself.
pub(super) async fn add_security_headers(mut response: Response) -> Response {
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// An error with its HTTP status.
#[derive(Debug)]
pub(super) struct ErrorResponse(pub(super) StatusCode, pub(super) Error);

impl From<Error> for ErrorResponse {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::Input => StatusCode::BAD_REQUEST,
            Kind::Limit => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error)
    }
}

impl IntoResponse for ErrorResponse {
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

/// The response to a missing or wrong login.
pub(super) fn unauthorized() -> Response {
    let error = Error::input("missing or wrong name or password");
    let response = ErrorResponse(StatusCode::UNAUTHORIZED, error);
    let scheme = "Basic realm=\"headcount\", charset=\"UTF-8\"";
    ([(header::WWW_AUTHENTICATE, scheme)], response).into_response()
}
