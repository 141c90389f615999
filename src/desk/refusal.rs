//! What is said instead of an answer: what happened, and what to do.
//!
//! Repeats nothing of the request.

use super::dates;
use super::guard::Refusal;
use super::layout::Page;
use super::words::{Words, fill};
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use maud::html;

/// What a browser shows to whoever gives up logging in; the same for every wrong log-in.
pub(super) const LOG_IN: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
content=\"width=device-width, initial-scale=1\"><title>Log in</title></head><body><h1>Log in</h1><p>This desk needs \
your log-in. Load the page again to be asked for it; the operator resets passwords.</p><p lang=\"fr\">Ce guichet \
demande votre identifiant. Rechargez la page pour qu'il vous soit demandé ; l'exploitant réinitialise les mots de \
passe.</p></body></html>\n";

impl Refusal {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Role | Self::OtherSite | Self::SamePerson(_) => StatusCode::FORBIDDEN,
            Self::Nowhere | Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoLength => StatusCode::LENGTH_REQUIRED,
            Self::Large => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Wrong(_) => StatusCode::BAD_REQUEST,
            Self::Limit(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Waits(_) => StatusCode::ACCEPTED,
            Self::Failed(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What happened, and what to do.
    pub(super) const fn words(&self, words: &Words) -> (&'static str, &'static str) {
        let refusals = &words.refusals;
        match self {
            Self::Role => refusals.role,
            Self::Nowhere => refusals.nowhere,
            Self::Method(_) => refusals.method,
            Self::OtherSite => refusals.other_site,
            Self::Type | Self::NoLength => refusals.kind,
            Self::Large => refusals.large,
            Self::Slow => refusals.slow,
            Self::Wrong(_) => refusals.wrong,
            Self::SamePerson(_) => refusals.same_person,
            Self::Missing(_) => refusals.missing,
            Self::Limit(_) => refusals.limit,
            Self::Waits(_) => refusals.waits,
            Self::Failed(_) => refusals.failed,
        }
    }

    /// The daemon's own line.
    pub(super) fn line(&self) -> Option<&str> {
        match self {
            Self::Wrong(line)
            | Self::SamePerson(line)
            | Self::Missing(line)
            | Self::Limit(line)
            | Self::Failed(line) => Some(line),
            _ => None,
        }
    }

    /// A word for programs.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Nowhere | Self::Missing(_) => "not_found",
            Self::Method(_) => "method",
            Self::OtherSite => "other_site",
            Self::Type => "type",
            Self::NoLength => "length",
            Self::Large => "too_large",
            Self::Slow => "too_slow",
            Self::Wrong(_) => "invalid",
            Self::SamePerson(_) => "same_person",
            Self::Limit(_) => "limit",
            Self::Waits(_) => "waits",
            Self::Failed(_) => "unavailable",
        }
    }

    /// Headers that go with it.
    pub(super) fn allow(&self, response: &mut Response) {
        if let Self::Method(allowed) = self {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
    }
}

/// The page of a refusal.
pub(super) fn page(page: &Page, refusal: Refusal) -> Response {
    let words = page.words();
    let (heading, text) = refusal.words(words);
    let content = html! {
        p { (text) }
        @if let Refusal::Waits(waiting) = &refusal {
            @let (number, ends) = (waiting.id.to_string(), dates::reported(&waiting.ends, words));
            p { strong { (fill(words.refusals.waits_until, &[("id", &number), ("ends", &ends)])) } }
        }
        @if let Some(line) = refusal.line() {
            p.note { (words.refusals.node_says) " " span lang="en" { (line) } }
        }
    };
    let mut response = page.response(refusal.status(), heading, &content);
    refusal.allow(&mut response);
    response
}
