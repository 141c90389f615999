//! Capture files as a source of frames: pcap and pcapng, read as a stream.
//!
//! Keeps at most [`KEPT_BYTES`] of each packet and skips the rest, so that memory is bounded
//! whatever a file claims. Lax where the corpora are: captured lengths above the original, odd
//! snap lengths and interfaces of unsupported link types are accepted.
//!
//! # Source
//! draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng (IETF).

use super::frame::LinkType;
use crate::roster::place::Place;
use std::io::{self, Read};

/// Enough for the longest link header with four VLAN tags and the fixed IPv6 header.
pub const KEPT_BYTES: usize = 128;

/// Why reading stopped before the end. What was read before it has been handed out.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The first bytes are those of neither format.
    #[error("not a pcap or pcapng file")]
    NotACapture,
    /// The file ends inside a record, or a block does not fit its own length.
    #[error("the file breaks off after {packets} packets; they were counted")]
    BrokenOff {
        /// Packets that were read before.
        packets: u64,
    },
    /// A packet of a link type that is not supported.
    #[error("link type {link_type} is not supported; {packets} packets before it were counted")]
    LinkType {
        /// The number of the link type.
        link_type: u16,
        /// Packets that were read before.
        packets: u64,
    },
    /// The file cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
}

/// One packet of a file, as far as it was kept.
pub struct Record<'a> {
    /// Its link layer.
    pub link_type: LinkType,
    /// The interface that it was captured on, where the file names it.
    pub place: Place,
    /// The first bytes of what was captured.
    pub captured: &'a [u8],
    /// Length on the wire, as the file says.
    pub length: u64,
}

/// Reads a capture of either format and hands out each packet; `place_of` finds the place of an interface by
/// its name, which only pcapng has.
///
/// # Errors
/// The first thing that stops the reading; see [`CaptureError`].
pub fn read(
    input: impl Read,
    place_of: impl Fn(&str) -> Place,
    mut each: impl FnMut(Record<'_>),
) -> Result<(), CaptureError> {
    let mut stream = Stream { input, big_endian: false, packets: 0 };
    let mut magic = [0; 4];
    if !stream.fill(&mut magic)? {
        return Err(CaptureError::NotACapture);
    }
    match magic {
        [0x0a, 0x0d, 0x0d, 0x0a] => stream.pcapng(&place_of, &mut each),
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] => {
            stream.big_endian = true;
            stream.pcap(&mut each)
        }
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => stream.pcap(&mut each),
        _ => Err(CaptureError::NotACapture),
    }
}

struct Stream<R> {
    input: R,
    big_endian: bool,
    packets: u64,
}

/// What a pcapng section says of one of its interfaces.
struct Interface {
    link_type: u16,
    place: Place,
    snap_length: u32,
}

/// The beginning of a pcapng block's body and the body's whole length.
struct Body {
    kept: [u8; 20 + KEPT_BYTES],
    length: usize,
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// if_name, an option of an interface.
const INTERFACE_NAME: u16 = 2;

impl<R: Read> Stream<R> {
    fn pcap(&mut self, each: &mut impl FnMut(Record<'_>)) -> Result<(), CaptureError> {
        let mut header = [0; 20];
        self.require(&mut header)?;
        let link_type = self.low_16(&header, 16);
        loop {
            let mut record = [0; 16];
            match self.fill_some(&mut record)? {
                0 => return Ok(()),
                16 => {}
                _ => return Err(self.broken_off()),
            }
            let captured = self.word(&record, 8) as usize;
            let mut kept = [0; KEPT_BYTES];
            let keep = captured.min(KEPT_BYTES);
            self.require(&mut kept[..keep])?;
            self.skip(captured - keep)?;
            self.hand_out((link_type, Place::ANY), &kept[..keep], self.word(&record, 12), each)?;
        }
    }

    fn pcapng(
        &mut self,
        place_of: &impl Fn(&str) -> Place,
        each: &mut impl FnMut(Record<'_>),
    ) -> Result<(), CaptureError> {
        let mut interfaces: Vec<Interface> = Vec::new();
        let mut kind = SECTION;
        loop {
            let body = self.body(kind)?;
            match kind {
                SECTION => interfaces.clear(),
                INTERFACE if body.length >= 8 => interfaces.push(Interface {
                    link_type: self.half(&body.kept, 0),
                    place: self.name(&body).map_or(Place::ANY, place_of),
                    snap_length: self.word(&body.kept, 4),
                }),
                INTERFACE => return Err(self.broken_off()),
                ENHANCED_PACKET | OBSOLETE_PACKET => {
                    let index = if kind == ENHANCED_PACKET {
                        self.word(&body.kept, 0) as usize
                    } else {
                        usize::from(self.half(&body.kept, 0))
                    };
                    let captured = self.word(&body.kept, 12) as usize;
                    let fits = body.length >= 20 && captured <= body.length - 20;
                    let interface = interfaces.get(index).filter(|_| fits);
                    let Some(interface) = interface else { return Err(self.broken_off()) };
                    let captured = &body.kept[20..20 + captured.min(KEPT_BYTES)];
                    let link = (interface.link_type, interface.place);
                    self.hand_out(link, captured, self.word(&body.kept, 16), each)?;
                }
                SIMPLE_PACKET => {
                    let Some(interface) = interfaces.first().filter(|_| body.length >= 4) else {
                        return Err(self.broken_off());
                    };
                    let length = self.word(&body.kept, 0);
                    let snap = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
                    let captured = length.min(snap) as usize;
                    if captured > body.length - 4 {
                        return Err(self.broken_off());
                    }
                    let captured = &body.kept[4..4 + captured.min(KEPT_BYTES)];
                    self.hand_out((interface.link_type, interface.place), captured, length, each)?;
                }
                _ => {}
            }
            let mut next = [0; 4];
            match self.fill_some(&mut next)? {
                0 => return Ok(()),
                4 => kind = self.word(&next, 0),
                _ => return Err(self.broken_off()),
            }
        }
    }

    /// Reads the rest of a block whose type was read: lengths, the beginning of the body, the end.
    fn body(&mut self, kind: u32) -> Result<Body, CaptureError> {
        let mut total = [0; 4];
        self.require(&mut total)?;
        let mut body = Body { kept: [0; 20 + KEPT_BYTES], length: 0 };
        let mut read = 0;
        if kind == SECTION {
            self.require(&mut body.kept[..4])?;
            self.big_endian = match body.kept[..4] {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ if self.packets == 0 => return Err(CaptureError::NotACapture),
                _ => return Err(self.broken_off()),
            };
            read = 4;
        }
        let length = self.word(&total, 0);
        let least = if kind == SECTION { 28 } else { 12 };
        if length < least || !length.is_multiple_of(4) {
            return Err(self.broken_off());
        }
        body.length = length as usize - 12;
        let keep = body.length.min(body.kept.len());
        self.require(&mut body.kept[read..keep])?;
        self.skip(body.length - keep)?;
        let mut again = [0; 4];
        self.require(&mut again)?;
        if again == total { Ok(body) } else { Err(self.broken_off()) }
    }

    fn hand_out(
        &mut self,
        (number, place): (u16, Place),
        captured: &[u8],
        length: u32,
        each: &mut impl FnMut(Record<'_>),
    ) -> Result<(), CaptureError> {
        let Some(link_type) = LinkType::of_capture(number) else {
            return Err(CaptureError::LinkType { link_type: number, packets: self.packets });
        };
        self.packets += 1;
        each(Record { link_type, place, captured, length: u64::from(length) });
        Ok(())
    }

    /// The name of an interface, among the options that follow its fixed fields.
    fn name<'a>(&self, body: &'a Body) -> Option<&'a str> {
        let mut options = &body.kept[8..body.length.min(body.kept.len())];
        while options.len() >= 4 {
            let (code, length) = (self.half(options, 0), usize::from(self.half(options, 2)));
            let value = options.get(4..4 + length)?;
            if code == INTERFACE_NAME {
                let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
                return std::str::from_utf8(text).ok();
            }
            options = options.get(4 + length.next_multiple_of(4)..)?;
        }
        None
    }

    fn broken_off(&self) -> CaptureError {
        CaptureError::BrokenOff { packets: self.packets }
    }

    /// Reads until the buffer is full or the input ends; says how much it read.
    fn fill_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.input.read(&mut buffer[read..]) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        Ok(self.fill_some(buffer)? == buffer.len())
    }

    fn require(&mut self, buffer: &mut [u8]) -> Result<(), CaptureError> {
        if self.fill(buffer)? { Ok(()) } else { Err(self.broken_off()) }
    }

    fn skip(&mut self, bytes: usize) -> Result<(), CaptureError> {
        let bytes = bytes as u64;
        let skipped = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())?;
        if skipped == bytes { Ok(()) } else { Err(self.broken_off()) }
    }

    fn word(&self, bytes: &[u8], at: usize) -> u32 {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
    }

    fn half(&self, bytes: &[u8], at: usize) -> u16 {
        let half = [bytes[at], bytes[at + 1]];
        if self.big_endian { u16::from_be_bytes(half) } else { u16::from_le_bytes(half) }
    }

    /// The low half of a 32-bit field: the upper bits of a link type hold other things.
    fn low_16(&self, bytes: &[u8], at: usize) -> u16 {
        self.half(bytes, if self.big_endian { at + 2 } else { at })
    }
}
