//! An account over the whole fleet: one range, its flags with on how many nodes they are, and how many nodes have not
//! sent this week; never which.

use super::account::kind_of_name;
use super::band::{bar, range, used};
use super::layout::Page;
use super::words::{Words, fill};
use crate::control::advice;
use crate::control::fleet_reports::{FleetFlag, FleetView};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

/// One account of the fleet.
pub(super) fn page(page: &Page, view: &FleetView) -> Response {
    let words = page.words();
    let content = html! {
        p.note { (words.fleet.what) }
        section aria-label=(words.look_up.label) {
            p.used { (used(&view.band, words)) " " strong.band { (range(&view.band, words)) } }
            (bar(&view.band, words))
            p.note { (nodes(view, words)) }
        }
        section.flags {
            h2 { (words.fleet.flags) }
            @if view.flags.is_empty() { p { (words.fleet.no_flag) } }
            dl { @for flag in &view.flags { (line(flag, page)) } }
        }
        p { strong { (words.account.nobody_sees) } " " (words.fleet.nobody_sees_what) }
    };
    page.response(StatusCode::OK, &view.account, &content)
}

fn nodes(view: &FleetView, words: &Words) -> String {
    let text = match view.nodes {
        0 => words.fleet.no_node,
        _ if view.stale_nodes == 0 => words.fleet.nodes,
        _ => words.fleet.stale,
    };
    fill(text, &[("nodes", &view.nodes.to_string()), ("stale", &view.stale_nodes.to_string())])
}

fn line(FleetFlag { flag, nodes }: &FleetFlag, page: &Page) -> Markup {
    let words = page.words();
    html! {
        @if let Some(kind) = kind_of_name(&flag.kind) {
            div.raised {
                dt { ((words.flags)(kind).question) }
                dd {
                    strong { (words.yes) } " (" (fill(words.fleet.on, &[("nodes", &nodes.to_string())])) ")"
                    p { (words.account.to_do) (words.colon) (advice::advice(kind, page.language)) }
                }
            }
        }
    }
}
