//! Packet sockets: the system calls that the ring and the pnet tap share.
//!
//! Holds no packet and no address; errors are the kernel's.
//!
//! # Source
//! packet(7); include/uapi/linux/if_packet.h and filter.h; net/packet/af_packet.c.
#![expect(unsafe_code, reason = "packet sockets have no safe wrapper that reaches all options used here")]

use std::fs::File;
use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// One instruction of a classic filter: code, jumps, operand.
pub(super) type Instruction = (u16, u8, u8, u32);

/// A raw packet socket that is bound to nothing yet and therefore receives nothing.
pub(super) fn open() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no memory is passed; the result is checked before it is owned.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets one option.
pub(super) fn set<T>(fd: &impl AsRawFd, level: i32, option: i32, value: &T) -> io::Result<()> {
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            length_of(size_of::<T>()),
        )
    };
    checked(result)
}

/// Reads one option into `value`.
fn get<T>(fd: &impl AsRawFd, level: i32, option: i32, value: &mut T) -> io::Result<()> {
    let mut length = length_of(size_of::<T>());
    // SAFETY: the pointer and length describe `value`, which outlives the call.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, option, std::ptr::from_mut(value).cast(), &raw mut length)
    };
    checked(result)
}

/// Attaches a classic filter, which decides how many bytes of a packet are copied.
pub(super) fn attach_filter(fd: &impl AsRawFd, program: &[Instruction]) -> io::Result<()> {
    let mut code: Vec<libc::sock_filter> =
        program.iter().map(|&(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k }).collect();
    let length = u16::try_from(code.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: code.as_mut_ptr() };
    set(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Lets nothing more in; what has arrived stays to be read.
pub(super) fn shut(fd: &impl AsRawFd) {
    // A socket that cannot be shut is closed a moment later.
    let _ = attach_filter(fd, &[(0x06, 0, 0, 0)]);
}

/// Binds to one interface; packets of every protocol arrive from here on.
pub(super) fn bind(fd: &impl AsRawFd, index: u32) -> io::Result<()> {
    bind_to(fd, index, u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?)
}

/// A blocking socket that sends whole frames on the interface of this index and receives nothing; for
/// the demo.
///
/// # Errors
/// Those of packet(7).
pub fn sender(index: u32) -> io::Result<File> {
    let socket = open()?;
    bind_to(&socket, index, 0)?;
    // SAFETY: no memory is passed; the only flag that was set is taken back.
    checked(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, 0) })?;
    Ok(File::from(socket))
}

fn bind_to(fd: &impl AsRawFd, index: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: sockaddr_ll is plain old data, for which zeros are valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the pointer and length describe `address`, which outlives the call.
    let result = unsafe {
        libc::bind(fd.as_raw_fd(), std::ptr::from_ref(&address).cast(), length_of(size_of_val(&address)))
    };
    checked(result)
}

/// Packets that the kernel queued and dropped on this socket since the last call.
pub(super) fn take_statistics(fd: &impl AsRawFd) -> (usize, u64) {
    let mut statistics = [0_u32; 2];
    match get(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, &mut statistics) {
        // The kernel adds the drops to the packets.
        Ok(()) => (statistics[0].wrapping_sub(statistics[1]) as usize, u64::from(statistics[1])),
        Err(_) => (0, 0),
    }
}

/// Packets that the kernel dropped on this socket since the last call.
pub(super) fn take_drops(fd: &impl AsRawFd) -> u64 {
    take_statistics(fd).1
}

/// Takes the socket's pending error, so that poll does not report it again.
pub(super) fn take_error(fd: &impl AsRawFd) {
    let mut error = 0_i32;
    // A pending error says that the interface went down; the link events say so as well.
    let _ = get(fd, libc::SOL_SOCKET, libc::SO_ERROR, &mut error);
}

/// True while the interface that the socket was bound to exists.
pub(super) fn is_bound(fd: &impl AsRawFd) -> bool {
    // SAFETY: sockaddr_ll is plain old data, for which zeros are valid.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    let mut length = length_of(size_of_val(&address));
    // SAFETY: the pointer and length describe `address`, which outlives the call.
    let result = unsafe {
        libc::getsockname(fd.as_raw_fd(), std::ptr::from_mut(&mut address).cast(), &raw mut length)
    };
    result == 0 && address.sll_ifindex > 0
}

/// The receive buffer's size, asked for beyond the administrator's limit where allowed.
pub(super) fn grow_receive_buffer(fd: &impl AsRawFd, bytes: i32) -> usize {
    if set(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &bytes).is_err() {
        // Without CAP_NET_ADMIN the limit net.core.rmem_max holds; losses are counted.
        let _ = set(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &bytes);
    }
    let mut size = 0_i32;
    let _ = get(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, &mut size);
    usize::try_from(size).unwrap_or(0)
}

fn length_of(bytes: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(bytes).expect("option structs are small")
}

fn checked(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
