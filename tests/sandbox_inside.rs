//! An attempt at each thing that the sandbox forbids, by a process that enters it as the daemon does:
//! each is seen to work outside, or its refusal would show nothing, and to be refused inside.
//!
//! One test alone, because it makes processes of a process that may have no other thread at work.
#![expect(unsafe_code, reason = "fork(2), and system calls by their numbers")]

use blindmeter::system::sandbox::{self, Folder, Reach, Sandbox};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::fs::{self, File, Permissions};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

/// Something that a process may do outside, and must not do inside; the path is of a folder that the
/// sandbox does not name.
type Attempt = (&'static str, fn(&Path) -> io::Result<()>);

const ATTEMPTS: [Attempt; 19] = [
    ("read a file elsewhere", |out| fs::read(out.join("secret")).map(drop)),
    ("write a file elsewhere", |out| fs::write(out.join("new"), "x")),
    ("list a folder elsewhere", |out| fs::read_dir(out).map(drop)),
    ("make a folder", |out| fs::create_dir(out.join("folder"))),
    ("change a mode", |out| fs::set_permissions(out.join("secret"), Permissions::from_mode(0o644))),
    ("make a link", |out| symlink("/etc/passwd", out.join("link"))),
    ("list the processes", |_| fs::read_dir("/proc").map(drop)),
    ("read the kernel's counters", |_| File::open("/proc/net/dev").map(drop)),
    ("run a program", |_| Command::new("/bin/true").status().map(drop)),
    ("open a packet socket", |_| system_call(libc::SYS_socket, [number(libc::AF_PACKET), 3, 0, 0])),
    ("connect over TCP", |_| TcpStream::connect(("127.0.0.1", LISTENER.load(Ordering::SeqCst))).map(drop)),
    ("make a namespace", |_| system_call(libc::SYS_unshare, [number(libc::CLONE_NEWNET), 0, 0, 0])),
    ("trace a process", |_| system_call(libc::SYS_ptrace, [0, 0, 0, 0])),
    ("load a kernel program", |_| load_program()),
    ("make memory executable", |_| executable_memory()),
    ("make a process", |_| make_process()),
    ("raise a limit", |_| setrlimit(Resource::RLIMIT_NOFILE, 64, 64).map_err(io::Error::from)),
    ("signal another process", |_| {
        system_call(libc::SYS_kill, [std::os::unix::process::parent_id() as usize, 0, 0, 0])
    }),
    ("become dumpable", |_| system_call(libc::SYS_prctl, [number(libc::PR_SET_DUMPABLE), 1, 0, 0])),
];

/// Where a listener of this test waits.
static LISTENER: AtomicU16 = AtomicU16::new(0);

#[test]
fn each_forbidden_thing_is_refused_inside_and_works_outside() {
    let folder = tempfile::TempDir::new().expect("a temporary directory");
    let (inside, outside) = (folder.path().join("inside"), folder.path().join("outside"));
    fs::create_dir(&inside).expect("ours");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    LISTENER.store(listener.local_addr().expect("it has a port").port(), Ordering::SeqCst);
    for (what, attempt) in ATTEMPTS {
        let anew = || {
            // It is not there the first time.
            let _ = fs::remove_dir_all(&outside);
            fs::create_dir(&outside).expect("ours");
            fs::write(outside.join("secret"), "secret").expect("ours");
        };
        anew();
        assert!(in_child(|| attempt(&outside).is_ok()), "{what}: it works outside");
        anew();
        assert!(in_child(|| enter(&inside) && attempt(&outside).is_err()), "{what}: it is refused inside");
        anew();
        // The courier of a fleet may do one of these things, and nothing else of them.
        let may = what == "connect over TCP";
        let by_courier = || sandbox::enter_courier().is_ok() && attempt(&outside).is_ok() == may;
        assert!(in_child(by_courier), "{what}: refused to the courier, unless it is its work");
    }
    // And what the daemon goes on doing works.
    assert!(in_child(|| enter(&inside) && everyday(&inside).is_ok()));
}

/// Enters the sandbox as the daemon does. What this machine's limits do not allow is no matter here.
fn enter(inside: &Path) -> bool {
    let folders = vec![Folder::new(inside, Reach::Keep)];
    let level = sandbox::enter(&Sandbox { capabilities: &[], folders, packet_sockets: false });
    level.missing().iter().all(|(part, _)| *part == sandbox::Restriction::Memory)
}

fn everyday(inside: &Path) -> io::Result<()> {
    let file = inside.join("file");
    fs::write(&file, "x")?;
    File::open(&file)?.sync_all()?;
    fs::rename(&file, inside.join("other"))?;
    fs::remove_file(inside.join("other"))?;
    let thread = std::thread::Builder::new().name("any".into()).spawn(|| 7)?;
    assert_eq!(thread.join().ok(), Some(7));
    TcpListener::bind("127.0.0.1:0").map(drop)
}

fn number(value: i32) -> usize {
    usize::try_from(value).expect("constants are positive")
}

/// A system call whose arguments are numbers, or addresses of what outlives it.
fn system_call(call: libc::c_long, arguments: [usize; 4]) -> io::Result<()> {
    let [first, second, third, fourth] = arguments;
    // SAFETY: see the callers' arguments: no memory is written.
    let result = unsafe { libc::syscall(call, first, second, third, fourth, 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A socket filter that returns 0.
fn load_program() -> io::Result<()> {
    let program: [u64; 2] = [0xb7, 0x95];
    let license = c"GPL";
    let mut attributes = [0_u64; 16];
    attributes[0] = 1 | 2 << 32;
    attributes[1] = program.as_ptr().expose_provenance() as u64;
    attributes[2] = license.as_ptr().expose_provenance() as u64;
    let pointer = attributes.as_ptr().expose_provenance();
    system_call(libc::SYS_bpf, [5, pointer, size_of_val(&attributes), 0])
}

fn executable_memory() -> io::Result<()> {
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh private mapping that nobody uses.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    if memory == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn make_process() -> io::Result<()> {
    // SAFETY: the child ends at once.
    let child = unsafe { libc::fork() };
    match child {
        // SAFETY: see above.
        0 => unsafe { libc::_exit(0) },
        -1 => Err(io::Error::last_os_error()),
        child => waitpid(Pid::from_raw(child), None).map(drop).map_err(io::Error::from),
    }
}

/// Whether a closure says yes in a process of its own, which ends with it.
fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs the closure alone and ends without running anything of the parent's.
    match unsafe { fork() }.expect("a process can be made") {
        ForkResult::Child => {
            let yes = work();
            // SAFETY: see above.
            unsafe { libc::_exit(i32::from(!yes)) }
        }
        ForkResult::Parent { child } => matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0))),
    }
}
