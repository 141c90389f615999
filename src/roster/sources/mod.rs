//! What VPN servers say of whose address is whose: each server's words in, prefixes and accounts out,
//! everything else dropped before a value is built.
//!
//! `feed.rs` joins what the parts of one source say (a WireGuard device each, say), keeps what was said last
//! where one falls silent, and has patience before an address is taken away. Nothing here changes the
//! roster, and nothing here is logged.

mod feed;
mod kept;
#[cfg(test)]
#[path = "../../../tests/support/mutated.rs"]
pub(crate) mod mutated;
pub mod openvpn;
mod passed;
pub mod radius;
pub mod strongswan;
mod unread;
pub mod wireguard;

pub use feed::{Feed, Map, News};
pub use passed::Passed;
pub use unread::{Said, Unread};
