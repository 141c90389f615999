//! The same answers for programs: JSON, as the control socket gives it, and errors alike.

use super::guard::Refusal;
use super::words::Words;
use crate::config::Language;
use crate::control::reports::SCHEMA_VERSION;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const JSON: &str = "application/json";

/// The description of the API, as it is committed.
const DESCRIPTION: &str = include_str!("../../docs/openapi.json");

#[derive(Serialize)]
struct ErrorReport<'a> {
    schema_version: u32,
    error: ErrorWords<'a>,
}

#[derive(Serialize)]
struct ErrorWords<'a> {
    code: &'static str,
    message: &'a str,
}

/// An answer.
pub(super) fn json(report: &impl Serialize) -> Response {
    let mut text = serde_json::to_vec(report).unwrap_or_default();
    text.push(b'\n');
    ([(CONTENT_TYPE, JSON)], text).into_response()
}

/// An answer that a browser saves; the name of the file names nobody.
pub(super) fn download(report: &impl Serialize) -> Response {
    let mut response = json(report);
    let name = HeaderValue::from_static("attachment; filename=\"export.json\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    response
}

/// What is said instead of an answer.
pub(super) fn refused(refusal: Refusal) -> Response {
    if let Refusal::Waits(waiting) = &refusal {
        let mut response = json(waiting);
        *response.status_mut() = refusal.status();
        return response;
    }
    let (_, words) = refusal.words(Words::of(Language::English));
    let message = refusal.line().unwrap_or(words);
    let error = ErrorWords { code: refusal.code(), message };
    let mut response = json(&ErrorReport { schema_version: SCHEMA_VERSION, error });
    *response.status_mut() = refusal.status();
    refusal.allow(&mut response);
    response
}

/// What can be asked, and how.
pub(super) fn description() -> Response {
    (StatusCode::OK, [(CONTENT_TYPE, JSON)], DESCRIPTION).into_response()
}
