//! The process towards the kernel: what it may do, where its memory goes, what it tells the service
//! manager, how it speaks netlink.
//!
//! System calls that concern the process itself live here. Nothing of traffic, and nobody's identity.

pub mod allocator;
pub mod capabilities;
pub mod filesystem;
pub mod netlink;
pub mod sandbox;
pub mod service_manager;
