//! A VPN server as RADIUS accounting sees it: requests that are signed, and a look at the answers. Holds no account and
//! no address of its own.

use md5::{Digest, Md5};
use std::net::UdpSocket;

use super::wait::let_pass;
use std::time::Duration;

/// A VPN server that tells of its clients.
pub(crate) struct RadiusClient {
    socket: UdpSocket,
    secret: &'static str,
    number: u8,
}

pub(crate) fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, u8::try_from(value.len() + 2).expect("short")][..], value].concat()
}

impl RadiusClient {
    /// One that speaks through this socket, which is connected.
    pub(crate) fn new(socket: UdpSocket, secret: &'static str) -> Self {
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
        Self { socket, secret, number: 0 }
    }

    /// A signed request of these attributes.
    pub(crate) fn packet(&mut self, attributes: &[Vec<u8>], secret: &str) -> Vec<u8> {
        self.number = self.number.wrapping_add(1);
        let attributes = attributes.concat();
        let length = u16::try_from(20 + attributes.len()).expect("short").to_be_bytes();
        let head = [4, self.number, length[0], length[1]];
        let digest = Md5::digest([&head[..], &[0; 16], &attributes, secret.as_bytes()].concat());
        [&head[..], &digest, &attributes].concat()
    }

    /// Tells of a session, and waits for the answer.
    pub(crate) fn tell(&mut self, status: u8, session: u32, more: &[Vec<u8>]) {
        let session = attribute(44, format!("canary-session-{session}").as_bytes());
        let attributes = [&[attribute(40, &[0, 0, 0, status]), session], more].concat();
        let packet = self.packet(&attributes, self.secret);
        self.socket.send(&packet).expect("the daemon listens");
        let mut answer = [0; 100];
        let length = self.socket.recv(&mut answer).expect("who has the secret is always answered");
        assert_eq!(answer[..2], [5, packet[1]]);
        let signed = [&answer[..4], &packet[4..20], &answer[20..length], self.secret.as_bytes()].concat();
        assert_eq!(answer[4..20], Md5::digest(signed)[..], "the answer is signed");
    }

    /// Sends what is not answered, and gives the daemon time to answer.
    pub(crate) fn send_in_vain(&mut self, packet: &[u8]) {
        self.socket.send(packet).expect("the daemon listens");
        let_pass(Duration::from_millis(100), "a tick of the roster and more");
        self.socket.set_nonblocking(true).expect("a socket");
        assert!(self.socket.recv(&mut [0; 100]).is_err(), "it is not answered");
        self.socket.set_nonblocking(false).expect("a socket");
    }
}
