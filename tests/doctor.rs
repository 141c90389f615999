//! `doctor` finds the twelve things that would void the privacy claim, is not red on a host that is
//! well kept, and says what it cannot know.
//!
//! `injected` plants all twelve in a folder that stands for a host, `namespaces` plants them for real
//! before the program itself, and `live` sets it beside real captures, a real node_exporter and the
//! daemon's own sockets.

mod daemon;
mod netns;

#[path = "doctor/injected.rs"]
mod injected;
#[path = "doctor/live.rs"]
mod live;
#[path = "doctor/namespaces.rs"]
mod namespaces;
#[path = "doctor/report.rs"]
mod report;
mod support;
