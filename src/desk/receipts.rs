//! Receipts of corrections and erasures, for the account holder, and what staff did, for privacy officers.

use super::dates;
use super::layout::Page;
use super::rights::{reason_in_words, what};
use crate::control::rights::{AuditReport, Correction, Erasure, Remainder};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

/// The receipt of a correction.
pub(super) fn corrected(page: &Page, receipt: &Correction) -> Response {
    let words = page.words();
    let rows = [(words.export.sent, receipt.up_bytes), (words.export.received, receipt.down_bytes)];
    let content = html! {
        (head(page, &receipt.account, &receipt.day))
        p { (words.rights.reason) (words.colon) (reason_in_words(&receipt.reason, page)) }
        table {
            thead { tr { td {} th scope="col" { (words.export.bytes) } } }
            tbody { @for (name, bytes) in rows { tr { th scope="row" { (name) } td { (dates::whole(bytes, words)) } } } }
        }
        p.note { (words.rights.corrected_note) }
        (remains(page, &receipt.remains))
    };
    page.response(StatusCode::OK, words.rights.corrected, &content)
}

/// The receipt of an erasure.
pub(super) fn erased(page: &Page, receipt: &Erasure) -> Response {
    let words = page.words();
    let content = html! {
        (head(page, &receipt.account, &receipt.day))
        h2 { (words.rights.was_erased) }
        ul { @for erased in &receipt.erased { li { (erased) } } }
        (remains(page, &receipt.remains))
    };
    page.response(StatusCode::OK, words.rights.erased, &content)
}

fn head(page: &Page, account: &str, day: &str) -> Markup {
    let words = page.words();
    html! {
        p { (words.look_up.label) (words.colon) strong { (account) } }
        p { (words.rights.day) (words.colon) (dates::reported(day, words)) }
    }
}

fn remains(page: &Page, remains: &[Remainder]) -> Markup {
    let words = page.words();
    html! {
        @if !remains.is_empty() {
            h2 { (words.rights.remains) }
            dl.meanings {
                @for Remainder { place, what, until } in remains {
                    dt { (place) }
                    dd { (what) " – " (words.rights.until) " " (dates::reported(until, words)) }
                }
            }
        }
        p.again { a href=(page.link("/rights")) { (words.rights.back) } }
    }
}

/// What staff did, by day.
pub(super) fn audit(page: &Page, report: &AuditReport) -> Response {
    let words = page.words();
    let content = html! {
        p.note { (words.rights.audit_note) }
        table {
            thead {
                tr {
                    th.text scope="col" { (words.rights.day) }
                    th.text scope="col" { (words.rights.who) }
                    th.text scope="col" { (words.rights.did) }
                    th scope="col" { (words.rights.count) }
                }
            }
            tbody {
                @for row in &report.entries {
                    tr {
                        th scope="row" { (dates::reported(&row.day, words)) }
                        td.text { (row.who) }
                        td.text {
                            (what(&row.what, page))
                            @if let Some(reason) = &row.reason { " (" (reason_in_words(reason, page)) ")" }
                        }
                        td { (dates::whole(row.count, words)) }
                    }
                }
            }
        }
        p { a href=(page.link("/rights")) { (words.rights.back) } }
    };
    page.response(StatusCode::OK, words.rights.audit, &content)
}
