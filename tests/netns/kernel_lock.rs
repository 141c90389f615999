//! The kernel's one lock on the interfaces of the whole host (rtnl), held for as long as a test wants: the kernel
//! holds it while it copies the list of interfaces to memory whose page this process has not handed over yet.
//!
//! # Source
//! net/core/dev_ioctl.c (`dev_ifconf`); ioctl_userfaultfd(2); include/uapi/linux/userfaultfd.h.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::wait::let_pass;

const PAGE: usize = 4096;

/// UFFDIO_API, UFFDIO_REGISTER and UFFDIO_ZEROPAGE.
const API: libc::c_ulong = 0xc018_aa3f;
const REGISTER: libc::c_ulong = 0xc020_aa00;
const ZERO_PAGE: libc::c_ulong = 0xc020_aa04;

/// Held until it is dropped.
pub(crate) struct KernelLock {
    faults: OwnedFd,
    page: u64,
    holder: Option<JoinHandle<()>>,
}

impl KernelLock {
    pub(crate) fn take() -> Self {
        // SAFETY: no memory is passed; the result is checked before it is owned.
        let opened = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
        assert!(opened >= 0, "userfaultfd(2), which root may call: {}", io::Error::last_os_error());
        // SAFETY: the descriptor was just made and nobody else owns it.
        let faults = unsafe { OwnedFd::from_raw_fd(i32::try_from(opened).expect("a descriptor")) };
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping, which is unmapped with this process.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, access, kind, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        let page = page.expose_provenance() as u64;
        ask(&faults, API, &mut [0xaa, 0, 0, 0]);
        ask(&faults, REGISTER, &mut [page, PAGE as u64, 1, 0]);
        let holder = thread::spawn(move || list_to(page));
        let_pass(Duration::from_millis(100), "the kernel waits for the page");
        assert!(!holder.is_finished(), "the kernel waits");
        Self { faults, page, holder: Some(holder) }
    }
}

impl Drop for KernelLock {
    fn drop(&mut self) {
        ask(&self.faults, ZERO_PAGE, &mut [self.page, PAGE as u64, 0, 0]);
        if let Some(holder) = self.holder.take() {
            holder.join().expect("the list of interfaces was copied");
        }
    }
}

/// One of the calls above; each takes at most four words.
fn ask(faults: &OwnedFd, call: libc::c_ulong, words: &mut [u64; 4]) {
    // SAFETY: the words are as many as the call reads and writes, and outlive it.
    let done = unsafe { libc::ioctl(faults.as_raw_fd(), call, words.as_mut_ptr()) };
    assert_eq!(done, 0, "userfaultfd {call:x}: {}", io::Error::last_os_error());
}

/// SIOCGIFCONF: the kernel writes the interfaces' names and addresses to the page; nobody reads them.
fn list_to(page: u64) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket on loopback");
    let mut request = [PAGE as u64, page];
    // SAFETY: struct ifconf is a length and a pointer, and the page is as long as is said.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFCONF, request.as_mut_ptr()) };
    assert_eq!(done, 0, "SIOCGIFCONF: {}", io::Error::last_os_error());
}
