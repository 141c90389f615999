//! The desk for support and for the rights of account holders, as staff and strangers meet it: every page and its
//! role, log-ins, languages, headers, limits, requests of other sites, abuse, and the description of its API.

#[path = "desk/abuse.rs"]
mod abuse;
#[path = "desk/certificates.rs"]
mod certificates;
#[path = "desk/configuration.rs"]
mod configuration;
mod daemon;
#[path = "desk/description.rs"]
mod description;
#[path = "desk/fixture.rs"]
mod fixture;
#[path = "desk/guard.rs"]
mod guard;
#[path = "desk/pages.rs"]
mod pages;
mod support;
#[path = "desk/words.rs"]
mod words;
