//! The process towards the kernel: who asks, what this process may do, where it runs.
//!
//! System calls that concern privileges and namespaces live here; nothing of traffic does.

pub mod capabilities;
pub mod doctor;
pub mod filesystem;
pub mod heap;
pub mod inventory;
pub mod peer;
pub mod playground;
pub mod sandbox;
pub mod service;
