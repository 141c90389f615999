//! The kernel tap, loaded as the service loads it: by a process of another user that holds the
//! service's capabilities and no others. The bench starts itself anew for it, through setpriv(1).

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use blindmeter::config::MEMORY_BUDGET_BYTES;
use blindmeter::meter::ledger::Ledger;
use blindmeter::roster::account::AccountName;
use blindmeter::roster::tagger::Tagger;
use blindmeter::roster::{Roster, Source};
use blindmeter::tap::kernel::Kernel;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv, recvmsg, send,
    sendmsg, socketpair,
};

use crate::owners::Owners;

/// The argument that makes the bench a loader.
pub(crate) const ARGUMENT: &str = "--load";

/// nobody.
const USER: &str = "65534";

/// Room for the names of all capabilities.
const NAMES_BYTES: usize = 1024;

/// Which capabilities the loading process holds.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Privileges {
    /// What the unit grants.
    Service,
    /// The same with CAP_PERFMON.
    WithPerfmon,
}

impl Privileges {
    const fn list(self) -> &'static str {
        match self {
            Self::Service => "-all,+bpf,+net_admin",
            Self::WithPerfmon => "-all,+bpf,+net_admin,+perfmon",
        }
    }
}

/// Which of the two programs is loaded.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Layout {
    Sliced,
    Locked,
}

impl Layout {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Sliced => "sliced",
            Self::Locked => "locked",
        }
    }
}

/// A loaded program, attached to nothing. Its process ends when this is dropped.
pub(crate) struct Loaded {
    pub(crate) program: OwnedFd,
    /// The capabilities that the process says it had, and its user.
    pub(crate) loaded_with: String,
    socket: OwnedFd,
    process: Child,
}

impl Loaded {
    pub(crate) fn start(owners: Owners, accounts: u32, layout: Layout, privileges: Privileges) -> Self {
        let (ours, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .expect("a pair of sockets");
        let this = std::env::current_exe().expect("the bench knows where it is");
        let name = this.file_name().expect("a file has a name").to_owned();
        // By descriptor: the folders above may be closed to others.
        let this = std::fs::File::open(this).expect("the bench can be read");
        let set = privileges.list();
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", USER, "--regid", USER, "--clear-groups"])
            .args([
                format!("--inh-caps={set}"),
                format!("--ambient-caps={set}"),
                format!("--bounding-set={set}"),
            ])
            .arg(format!("/proc/self/fd/{}", this.as_raw_fd()))
            .args([ARGUMENT, owners.word(), &accounts.to_string(), layout.word()])
            .arg0(name)
            .stdin(its);
        let executable = this.as_raw_fd();
        keep_open(&mut command, executable);
        let process = command.spawn().expect("setpriv (util-linux) is installed");
        drop(this);
        let mut names = [0; NAMES_BYTES];
        let (loaded_with, program) = receive(&ours, &mut names);
        Self { program, loaded_with, socket: ours, process }
    }

    /// Packets that were counted for an account.
    pub(crate) fn attributed_packets(&self) -> u64 {
        send(self.socket.as_raw_fd(), b"?", MsgFlags::MSG_NOSIGNAL).expect("the loader lives");
        let mut answer = [0; 8];
        let length =
            recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty()).expect("the loader answers");
        assert_eq!(length, answer.len(), "the loader answers");
        u64::from_le_bytes(answer)
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // It ends with its socket; a kill hurries that.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(unsafe_code, reason = "what runs between fork and exec is unsafe by its trait")]
fn keep_open(command: &mut Command, descriptor: RawFd) {
    // SAFETY: fcntl is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            libc::fcntl(descriptor, libc::F_SETFD, 0);
            Ok(())
        });
    }
}

fn receive(socket: &OwnedFd, names: &mut [u8]) -> (String, OwnedFd) {
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let mut parts = [IoSliceMut::new(names)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags);
    let message = message.expect("the loader's socket can be read");
    let length = message.bytes;
    let passed = message.cmsgs().expect("one control message").find_map(|control| match control {
        ControlMessageOwned::ScmRights(passed) => passed.first().copied(),
        _ => None,
    });
    let program = passed.expect("the loader has loaded the program; what went wrong stands above");
    #[expect(unsafe_code, reason = "a descriptor out of a message")]
    // SAFETY: the kernel made it with the message, and nobody else owns it.
    let program = unsafe { OwnedFd::from_raw_fd(program) };
    (String::from_utf8_lossy(&names[..length]).into_owned(), program)
}

/// The loader's life: load, give owners to all addresses, hand the program over, answer.
pub(crate) fn serve(arguments: &[String]) {
    let [word, accounts, layout] = arguments else { panic!("{ARGUMENT} OWNERS ACCOUNTS LAYOUT") };
    let owners = Owners::ALL.into_iter().find(|owners| owners.word() == word).expect("a kind of owners");
    let accounts: u32 = accounts.parse().expect("a number of accounts");
    let budget_bytes = if layout == Layout::Sliced.word() { MEMORY_BUDGET_BYTES } else { 0 };
    let kernel = Kernel::load(&owners.pools(), accounts as usize, budget_bytes, [1; 16]);
    let kernel = kernel.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(kernel.counting().as_str(), layout, "{}", kernel.counting().why());
    let tagger = Tagger::new(&[1; 32]);
    let roster = Roster::over(kernel.owners(), &owners.pools(), kernel.memory().tags, tagger);
    let name = |account: u32| AccountName::parse(&format!("account-{account}")).expect("a good name");
    let assignment = |account: u32| (owners.prefix(account), roster.tag_of(&name(account)));
    let assignments = (0..accounts).map(assignment).collect();
    assert!(roster.replace(Source::File, assignments).is_ok(), "there is room for all");
    let ledger = Ledger::new(kernel.memory().counters);
    let input = std::io::stdin();
    let socket = input.as_fd();
    hand_over(socket, kernel.program(true, true));
    let mut request = [0; 1];
    while recv(socket.as_raw_fd(), &mut request, MsgFlags::empty()).is_ok_and(|length| length != 0) {
        let packets = ledger.node().attributed.packets();
        if send(socket.as_raw_fd(), &packets.to_le_bytes(), MsgFlags::MSG_NOSIGNAL).is_err() {
            break;
        }
    }
}

fn hand_over(socket: BorrowedFd<'_>, program: BorrowedFd<'_>) {
    let mut names: Vec<String> = caps::read(None, caps::CapSet::Effective)
        .expect("a process can read its own capabilities")
        .into_iter()
        .map(|capability| capability.to_string())
        .collect();
    names.sort_unstable();
    let text = format!("{} as user {}", names.join(" "), nix::unistd::geteuid());
    let programs = [program.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&programs)];
    let parts = [IoSlice::new(text.as_bytes())];
    sendmsg::<()>(socket.as_raw_fd(), &parts, &control, MsgFlags::MSG_NOSIGNAL, None)
        .expect("the bench waits for the program");
}
