//! What the tap's thread asks of the kernel about interfaces. An answer may take seconds: meanwhile packets are
//! counted, and whoever waits for that is answered.
//!
//! Holds no packet and no address.

use super::attachments::Worker;
use super::commands::{Command, WAIT};
use crate::system::allocator::{PACKET_BYTES, wipe_stack};
use crate::tap::interfaces::{InterfaceEntry, Passed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};

impl Worker {
    /// The interfaces there are; none where the kernel does not list them, or the tap is to end.
    pub(super) fn list(&mut self) -> Option<Vec<InterfaceEntry>> {
        let answer = self.links.list();
        self.await_answer(&answer)?.ok()
    }

    /// What the counters of one interface say; none when it is gone, or the tap is to end.
    pub(super) fn passed(&mut self, index: u32) -> Option<Passed> {
        let answer = self.links.passed(index);
        self.await_answer(&answer)?
    }

    fn await_answer<T>(&mut self, answer: &Receiver<T>) -> Option<T> {
        loop {
            match answer.recv_timeout(WAIT) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let was_silent = self.drain_all();
            self.schedule_counter_read(was_silent);
            // The last packet's addresses, and what the clock said.
            wipe_stack::<PACKET_BYTES>();
            self.hear();
            self.finish_quiescences();
            if self.later.iter().any(|command| matches!(command, Command::Leave | Command::Stop)) {
                return None;
            }
        }
    }

    /// Takes commands; those that may ask of interfaces themselves come later.
    fn hear(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Quiesce(done) if !self.is_another_named() => self.begin_quiescence(done),
                command => self.later.push_back(command),
            }
        }
    }
}
