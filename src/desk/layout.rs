//! What every page is in: head, sections, languages.
//!
//! Holds no account: a page's content is handed in.

use super::route::Route;
use super::staff::Caller;
use super::words::Words;
use crate::config::Language;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

const HTML: &str = "text/html; charset=utf-8";

/// What is around a page's content.
pub(super) struct Page {
    pub(super) language: Language,
    pub(super) node_name: String,
    /// Who asks; none without a role.
    pub(super) caller: Option<Caller>,
    /// Where the page is; none where nothing is.
    pub(super) here: Option<Route>,
}

impl Page {
    pub(super) const fn words(&self) -> &'static Words {
        Words::of(self.language)
    }

    /// A link of this desk, in the page's language.
    pub(super) fn link(&self, path: &str) -> String {
        format!("{path}?lang={}", self.language.code())
    }

    /// The page with this content.
    pub(super) fn response(&self, status: StatusCode, heading: &str, content: &Markup) -> Response {
        let body = self.html(heading, content).into_string();
        (status, [(CONTENT_TYPE, HTML)], body).into_response()
    }

    fn html(&self, heading: &str, content: &Markup) -> Markup {
        let words = self.words();
        html! {
            (DOCTYPE)
            html lang=(words.code) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (heading) " – " (words.title) " " (self.node_name) }
                    link rel="stylesheet" href="/style.css";
                }
                body {
                    a.skip href="#content" { (words.skip) }
                    header {
                        p.title { strong { (words.title) } " " span { (self.node_name) } }
                        @if let Some(caller) = &self.caller { (self.sections(caller)) }
                        (self.languages())
                    }
                    main #content tabindex="-1" {
                        h1 { (heading) }
                        (content)
                    }
                }
            }
        }
    }

    fn sections(&self, caller: &Caller) -> Markup {
        let nav = &self.words().nav;
        let sections = [
            ("/", nav.look_up, Route::Home, caller.is_support()),
            ("/flagged", nav.flagged, Route::Flagged, caller.is_support()),
            ("/node", nav.node, Route::Node, true),
            ("/rights", nav.rights, Route::Rights, caller.is_privacy()),
        ];
        let is_here = |route: Route| self.here == Some(route);
        html! {
            nav aria-label=(self.words().sections) {
                @for (path, name, route, is_open) in sections {
                    @if is_open {
                        a href=(self.link(path)) aria-current=[is_here(route).then_some("page")] { (name) }
                    }
                }
            }
        }
    }

    /// The page in another language; after a POST, the form that led there: an account's name is in no address.
    fn languages(&self) -> Markup {
        let path = match self.here {
            Some(Route::Flagged) => "/flagged",
            Some(Route::Node) => "/node",
            Some(Route::Audit) => "/rights/audit",
            Some(Route::Rights | Route::Export | Route::Correct | Route::Erase | Route::Approve) => "/rights",
            _ => "/",
        };
        html! {
            nav.languages aria-label=(self.words().languages) {
                @for (language, name) in Language::ALL.into_iter().zip(["English", "Français"]) {
                    @let code = language.code();
                    a href={ (path) "?lang=" (code) } lang=(code) hreflang=(code)
                        aria-current=[(language == self.language).then_some("true")] { (name) }
                }
            }
        }
    }
}

/// A hidden field that keeps the language of a form's answer.
pub(super) fn language_field(page: &Page) -> Markup {
    html! { input type="hidden" name="lang" value=(page.language.code()); }
}

/// The style sheet of all pages.
pub(super) fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css")).into_response()
}

/// Sends a browser to another page of the desk.
pub(super) fn see_other(path: &str, language: Language) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = format!("{path}?lang={}", language.code());
    if let Ok(to) = HeaderValue::try_from(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}
