//! `doctor` finds the twelve things that would void the privacy claim, is not red on a host that is
//! well kept, and says what it cannot know: in a folder that stands for a host.

#[path = "doctor/injected.rs"]
mod injected;
