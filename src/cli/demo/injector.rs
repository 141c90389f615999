//! Where the demo's packets go: into the device of a private namespace, or straight to the tap.

use super::namespace::{Device, PrivateNamespace};
use crate::engine::Engine;
use crate::environment::System;
use crate::meter::slot::Direction;
use crate::tap::frame::LinkType;
use crate::tap::{self, Attribution};
use std::fs::File;
use std::io::{self, Read, Write};

/// Longest packet read from the TUN, only to keep its queue empty.
const PACKET_BYTES: usize = 2048;

/// Injects packets into whatever counts them.
pub(super) enum Injector {
    /// A TUN: `up` is written to it, `down` is sent on the device.
    Tun {
        /// The clients' end.
        up: File,
        /// The node's end.
        down: File,
    },
    /// A veth pair: a frame is sent on either end.
    Veth {
        /// The clients' end.
        up: File,
        /// The node's end.
        down: File,
        /// The frame being built, Ethernet header first.
        frame: Vec<u8>,
    },
    /// No device: the packet is passed straight to the tap's code.
    InProcess(Attribution),
}

impl Injector {
    /// Opens the device of a namespace, and keeps a TUN's queue empty from then on.
    ///
    /// # Errors
    /// When a socket cannot be opened.
    pub(super) fn open(namespace: PrivateNamespace) -> io::Result<Self> {
        let down = tap::sender(namespace.index)?;
        match namespace.device {
            Device::Tun(up) => {
                let mut out = up.try_clone()?;
                // Ends with the process: it holds nothing but what it just read.
                std::thread::Builder::new().name("clients".into()).spawn(move || {
                    let mut packet = [0; PACKET_BYTES];
                    while out.read(&mut packet).is_ok() {}
                })?;
                Ok(Self::Tun { up, down })
            }
            Device::Veth { clients } => Ok(Self::Veth { up: tap::sender(clients)?, down, frame: Vec::new() }),
        }
    }

    /// Injects straight into the engine's code.
    pub(super) fn in_process(engine: &Engine<System>) -> Self {
        Self::InProcess(engine.attribution.clone())
    }

    /// Sends one IP packet.
    ///
    /// # Errors
    /// Those of the device.
    pub(super) fn send(&mut self, packet: &[u8], direction: Direction) -> io::Result<()> {
        match self {
            Self::Tun { up, down } => {
                let file = if direction == Direction::Up { up } else { down };
                whole(file.write(packet)?, packet.len())
            }
            Self::Veth { up, down, frame } => {
                let file = if direction == Direction::Up { up } else { down };
                let ethertype = if packet[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
                frame.clear();
                // Locally administered addresses that no device has: the frame goes no further.
                frame.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
                frame.extend(ethertype);
                frame.extend(packet);
                whole(file.write(frame)?, frame.len())
            }
            Self::InProcess(attribution) => {
                let length = packet.len() as u64;
                attribution.count(LinkType::RawIp, packet, length, direction, None);
                Ok(())
            }
        }
    }
}

fn whole(written: usize, length: usize) -> io::Result<()> {
    if written == length { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}
