//! The desk: pages and an API for support and for the rights of account holders.
//!
//! A request here is a request of the control socket, answered by the same handler under the same limits; the peer
//! is a log-in instead of a Unix user. A name of an account comes in the body of a POST, goes back in its answer,
//! and is wiped with the connection. No cookie, no session, no script; nothing about a request is logged or counted.

mod account;
mod answer;
mod api;
mod band;
mod dates;
mod export;
mod flagged;
mod fleet;
mod guard;
mod headers;
mod layout;
mod node;
mod receipts;
mod refusal;
mod rights;
mod route;
mod staff;
mod state;
mod words;

pub use answer::{Desk, OpenDesk, Settings};

use crate::environment::Environment;
use crate::publish::web::{ActiveWebConfig, require_login};
use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use guard::{Form, Refusal};
use layout::Page;
use route::{Method as Way, Route};
use staff::Caller;
use std::sync::Arc;

impl<E: Environment> Desk<E> {
    /// Every path, behind what the web configuration asks of a client.
    pub fn router(self: &Arc<Self>, web: &Arc<ActiveWebConfig>) -> Router {
        let desk = Arc::clone(self);
        let pages = Router::new().fallback(move |request: Request| {
            let desk = Arc::clone(&desk);
            // Boxed, so that its memory is cleared when it is done.
            async move { Box::pin(desk.answer(request)).await }
        });
        headers::with_headers(require_login(web, pages))
    }

    async fn answer(&self, request: Request) -> Response {
        let settings = self.settings.load_full();
        let language = guard::language(&request, settings.language);
        let path = request.uri().path().to_owned();
        let mut page = Page { language, node_name: settings.node_name.clone(), caller: None, here: None };
        let is_api = path.starts_with("/api/");
        let refused = |page: &Page, refusal: Refusal| {
            if is_api { api::refused(refusal) } else { refusal::page(page, refusal) }
        };
        if Route::at(&path) == Some(Route::Style) {
            return layout::style();
        }
        let Some(caller) =
            Caller::of(&self.handler, request.extensions(), settings.open.as_ref().map(|open| open.log_in))
        else {
            return refused(&page, Refusal::Role);
        };
        page.caller = Some(caller);
        let Some(route) = Route::at(&path) else { return refused(&page, Refusal::Nowhere) };
        page.here = Some(route);
        if !route.is_open_to(&caller) {
            return refused(&page, Refusal::Role);
        }
        let form = match (route.method(), request.method()) {
            (Way::Get, &Method::GET | &Method::HEAD) => Form::default(),
            (Way::Post, &Method::POST) => match guard::form(request, is_api).await {
                Ok(form) => form,
                Err(refusal) => return refused(&page, refusal),
            },
            (way, _) => return refused(&page, Refusal::Method(way.allowed())),
        };
        // The form of a page says which language it was written in.
        page.language = form.language().unwrap_or(language);
        let caller = caller.answered_in(page.language);
        match self.serve(&page, route, &caller, &form).await {
            Ok(response) => response,
            Err(refusal) => refused(&page, refusal),
        }
    }

    async fn serve(
        &self,
        page: &Page,
        route: Route,
        caller: &Caller,
        form: &Form,
    ) -> Result<Response, Refusal> {
        Ok(match route {
            Route::Style => layout::style(),
            Route::Home if caller.is_support() => account::look_up(page),
            Route::Home => layout::see_other("/rights", page.language),
            Route::Account => account::page(page, &self.account(caller, form).await?),
            Route::Fleet => fleet::page(page, &self.fleet(caller, form).await?),
            Route::Flagged => flagged::page(page, &self.flagged(caller).await?),
            Route::Node => node::page(page, &self.node(caller).await?),
            Route::Rights => rights::page(page, &self.pending(caller).await?),
            Route::Export => self.export_page(page, caller, form).await?,
            Route::Correct => receipts::corrected(page, &self.correct(caller, form).await?),
            Route::Erase => receipts::erased(page, &self.erase(caller, form).await?),
            Route::Approve => rights::page(page, &self.approve(caller, form).await?),
            Route::Audit => receipts::audit(page, &self.audit(caller).await?),
            Route::ApiAccount => api::json(&self.view(caller, form).await?),
            Route::ApiFleet => api::json(&self.fleet(caller, form).await?),
            Route::ApiFlagged => api::json(&self.flagged(caller).await?),
            Route::ApiNode => api::json(&self.node(caller).await?.status),
            Route::ApiExport => self.export_api(caller, form).await?,
            Route::ApiCorrect => api::json(&self.correct(caller, form).await?),
            Route::ApiErase => api::json(&self.erase(caller, form).await?),
            Route::ApiPending => api::json(&self.pending(caller).await?),
            Route::ApiApprove => api::json(&self.approve(caller, form).await?),
            Route::ApiAudit => api::json(&self.audit(caller).await?),
            Route::Description => api::description(),
        })
    }
}
