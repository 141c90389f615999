//! Headers of every answer: no script, no frame, no cache, no referrer, one request a connection.

use super::refusal::LOG_IN;
use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::Response;

/// Headers of every answer, whatever it is.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (CACHE_CONTROL, "no-store"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

/// Puts the headers on every answer, and words into the one that asks for a log-in.
pub(super) fn with_headers(router: Router) -> Router {
    router.layer(map_response(|mut response: Response| async move {
        if response.status() == StatusCode::UNAUTHORIZED {
            *response.body_mut() = Body::from(LOG_IN);
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, html);
        }
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        // The connection ends with the answer, whoever asked it to stay.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }))
}
