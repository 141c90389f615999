//! The process and the system it runs on: what it may do, where its memory goes, what it tells the
//! service manager, how it talks netlink.
//!
//! System calls that concern the process itself belong here. Nothing about traffic or identities.

pub mod access_list;
pub mod allocator;
pub mod arguments;
pub mod capabilities;
pub mod child;
pub mod descriptors;
pub mod filesystem;
pub mod netlink;
pub mod processors;
pub mod sandbox;
pub mod service_manager;
pub mod users;
