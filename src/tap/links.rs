//! Questions to the kernel about interfaces, asked by a thread of their own: each waits for the one lock that the
//! kernel has on the interfaces of the whole host, and others may hold that for seconds. Packets do not wait.
//!
//! Holds what `interfaces` holds: indices, names and counters; no packet and no address.
//!
//! # Source
//! net/core/rtnetlink.c (`rtnl_mutex`, `rtnl_dumpit`, `rtnl_getlink`).

use super::interfaces::{self, InterfaceEntry, Passed};
use netlink_sys::Socket;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

/// The thread that asks; it ends with the last copy of this value, once it has its last answer.
#[derive(Clone)]
pub struct Links {
    questions: Sender<Question>,
}

enum Question {
    List(SyncSender<io::Result<Vec<InterfaceEntry>>>),
    Passed(u32, SyncSender<Option<Passed>>),
}

impl Links {
    /// Starts the thread in the network namespace of the calling one.
    ///
    /// # Errors
    /// When there is no thread or no socket to be had.
    pub fn start() -> io::Result<Self> {
        // Held open: later there may be no descriptor left.
        let mut socket = Some(interfaces::asking()?);
        let (questions, asked) = channel();
        std::thread::Builder::new().name("links".into()).spawn(move || {
            while let Ok(question) = asked.recv() {
                // Whoever asked may have given up waiting.
                let _ = match question {
                    Question::List(answer) => answer.send(list(&mut socket)).is_ok(),
                    Question::Passed(index, answer) => answer.send(interfaces::passed(index)).is_ok(),
                };
            }
        })?;
        Ok(Self { questions })
    }

    /// Asks for the interfaces of this network namespace.
    pub(super) fn list(&self) -> Receiver<io::Result<Vec<InterfaceEntry>>> {
        self.ask(Question::List)
    }

    /// Asks what the counters of one interface say; none when it is gone.
    pub(super) fn passed(&self, index: u32) -> Receiver<Option<Passed>> {
        self.ask(|answer| Question::Passed(index, answer))
    }

    fn ask<T>(&self, question: impl FnOnce(SyncSender<T>) -> Question) -> Receiver<T> {
        let (answer, answered) = sync_channel(1);
        // A thread that is gone hangs up on whoever asked.
        let _ = self.questions.send(question(answer));
        answered
    }
}

/// The interfaces, by a socket that is none after an error: what was left of an answer goes with it.
fn list(socket: &mut Option<Socket>) -> io::Result<Vec<InterfaceEntry>> {
    let asking = socket.take().map_or_else(interfaces::asking, Ok)?;
    let entries = interfaces::list_by(&asking)?;
    *socket = Some(asking);
    Ok(entries)
}
