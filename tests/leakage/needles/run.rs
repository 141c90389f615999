//! One run: a daemon under a load that carries needles, and every channel searched before, while and
//! after it runs.

use crate::finder::{Finder, Hit};
use crate::image::{self, Part, Place};
use crate::maps;
use crate::netns::Namespace;
use crate::netns::daemon::{Daemon, Setup};
use crate::netns::folder::Folder;
use crate::path::{DEVICE, Link, TunnelPath};
use crate::plan::{Kind, POOLS, Plan};
use crate::support::wait::{let_pass, wait_until};
use crate::talk::{Answers, Control, visit};
use crate::traffic::{self, Load};
use crate::writes::Writes;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// When a channel is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// Under load.
    Load,
    /// The load has ended and everything is counted.
    After,
    /// The daemon has ended.
    End,
}

impl Moment {
    /// The word in the table.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Load => "under load",
            Self::After => "after it",
            Self::End => "of the whole run",
        }
    }
}

/// Where needles are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Channel {
    /// The daemon's memory.
    Memory,
    /// The same with all threads stopped, and their registers.
    Core,
    /// The memory of the process that attaches the program.
    Helper,
    /// The kernel's maps.
    Maps,
    /// The file of counters.
    Counters,
    /// The blob, its chain and its key, and the names of files.
    Store,
    Log,
    Pages,
    Answers,
    Writes,
    /// What /proc says of the process.
    Process,
}

impl Channel {
    /// The word in the table.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Core => "memory and registers, all threads stopped",
            Self::Helper => "the helper's memory",
            Self::Maps => "the kernel's maps",
            Self::Counters => "the counters' file",
            Self::Store => "the state directory",
            Self::Log => "the log",
            Self::Pages => "pages",
            Self::Answers => "answers of the control socket",
            Self::Writes => "write buffers",
            Self::Process => "/proc of the process",
        }
    }
}

/// What was found in a channel at a moment.
pub(crate) struct Found {
    pub(crate) channel: Channel,
    pub(crate) moment: Moment,
    pub(crate) bytes: usize,
    pub(crate) hits: Vec<(Place, Hit)>,
}

/// What a run gave.
pub(crate) struct Outcome {
    pub(crate) sent: usize,
    /// Packets that the tap counted.
    pub(crate) counted: usize,
    pub(crate) found: Vec<Found>,
}

/// What a run is made of.
pub(crate) struct Setting {
    /// The daemon.
    pub(crate) program: &'static str,
    pub(crate) tap: &'static str,
    pub(crate) link: Link,
    /// Every write is traced, instead of the threads being stopped for a core.
    pub(crate) traced: bool,
    /// The needle that the daemon keeps on purpose.
    pub(crate) planted: Option<String>,
}

impl Setting {
    /// The kernel counts, and no packet comes into the process.
    pub(crate) fn is_kernel(&self) -> bool {
        matches!(self.tap, "tcx" | "clsact")
    }
}

/// The daemon of a run, with everything to look into.
struct Bench<'a> {
    finder: &'a Finder,
    folder: &'a Folder,
    daemon: Daemon,
    kernel: bool,
    /// Short forms that were there before any needle was.
    present: HashSet<(Kind, usize)>,
    found: Vec<Found>,
}

/// Longest wait for a round of the load; under a tracer it takes its time.
const ROUND_LIMIT: Duration = Duration::from_secs(120);

/// Looks at the memory under load.
const LOOKS: usize = 4;
/// After that no name is in the memory, whether it came from the roster file, the configuration, an
/// assignment, a sync or a question.
const ONE_SECOND: Duration = Duration::from_secs(1);
/// How long a connection may take to be let go of on a busy machine.
const LET_GO: Duration = Duration::from_millis(150);

/// Runs a daemon under a load and looks everywhere.
pub(crate) fn run(setting: &Setting, plan: &Plan, finder: &Finder) -> Outcome {
    let namespace = Namespace::new();
    let path = TunnelPath::make(&namespace, setting.link);
    let owners = &plan.owners;
    let filed: Vec<String> = owners.filed.iter().map(|owner| owner.line()).collect();
    let unfiled: Vec<String> = owners.unfiled.iter().map(|owner| owner.line()).collect();
    let setup = Setup {
        backend: setting.tap,
        interfaces: vec![DEVICE.as_str()],
        pools: POOLS.to_vec(),
        roster: filed.concat() + &unfiled.concat(),
    };
    let folder = Folder::keeping(&setup, "24h");
    folder.configure("capacity = 4096", "capacity = 512");
    folder.configure("[roster]", &format!("[roster]\nprobe_account = \"{}\"", plan.probe));
    let apart = tempfile::tempdir().expect("a temporary directory");
    let writes = setting.traced.then(|| Writes::to(apart.path().join("trace")));
    let mut command = writes
        .as_ref()
        .map_or_else(|| Command::new(setting.program), |writes| writes.command(setting.program));
    command.envs(setting.planted.iter().map(|planted| ("BLINDMETER_NEEDLE", planted)));
    let mut daemon = Daemon::spawn_as(&namespace, &folder, command);
    daemon.await_start(0);

    let kernel = setting.is_kernel();
    let mut bench =
        Bench { finder, folder: &folder, daemon, kernel, present: HashSet::new(), found: Vec::new() };
    bench.note_present();
    let control = Control(folder.path("control.sock"));
    let mut answers = Answers::default();
    let load = Load::default();
    thread::scope(|scope| {
        scope.spawn(|| traffic::through(&path, plan, &load, setting.traced));
        // Whatever happens here, the load ends.
        let _stop = Stop(&load);
        owners.assigned.iter().chain(&owners.released).for_each(|owner| control.assign(owner, &mut answers));
        for look in 0..LOOKS {
            control.look(plan, look, &mut answers);
            visit(&namespace, plan, &mut answers);
            // What was asked is answered; the daemon lets go of the connection a moment later.
            let_pass(LET_GO, "nothing outside shows when a connection is let go of");
            bench.look_at_memory(Moment::Load);
        }
        if !setting.traced {
            bench.look_at(Channel::Core, Moment::Load, image::whole(bench.daemon.id()));
        }
        owners.released.iter().for_each(|owner| control.release(owner, &mut answers));
        let both = [owners.assigned.as_slice(), &owners.dropped].concat();
        control.sync(&both, &mut answers);
        control.sync(&owners.assigned, &mut answers);
        bench.daemon.reload_roster(&filed.concat());
        wait_until("every far address was spoken to", ROUND_LIMIT, || load.rounds() > 0);
    });
    let counted = control.settle(&mut answers);
    visit(&namespace, plan, &mut answers);
    let open = control.stay(&owners.filed[0].name);
    let_pass(ONE_SECOND, "what is promised holds one second after the last name was told");
    bench.look_at_memory(Moment::After);
    if !setting.traced {
        bench.look_at(Channel::Core, Moment::After, image::whole(bench.daemon.id()));
    }
    drop(open);
    // A save that is being made may not hold what was changed last; the next one does.
    folder.await_saves(2);
    bench.look_at_files(Moment::After);
    bench.look_at_bytes(Channel::Pages, Moment::After, &answers.pages);
    bench.look_at_bytes(Channel::Answers, Moment::After, &answers.control);
    bench.look_at_process(Moment::After);
    let Bench { daemon, mut found, .. } = bench;
    daemon.stop();
    if let Some(writes) = writes {
        let bytes = without_asked(writes.buffers(), plan);
        let hits = finder.find(&bytes).into_iter().map(|hit| (Place::File, hit)).collect();
        found.push(Found { channel: Channel::Writes, moment: Moment::End, bytes: bytes.len(), hits });
    }
    Outcome { sent: usize::try_from(load.sent()).expect("a count"), counted, found }
}

/// Takes the names out of answers that were asked for about one account.
fn without_asked(bytes: Vec<u8>, plan: &Plan) -> Vec<u8> {
    let mut bytes = bytes;
    for name in plan.held().chain(plan.former()).map(|owner| &owner.name).chain([&plan.nobody, &plan.probe]) {
        let asked = format!("\"account\":\"{name}\"");
        let starts = bytes.windows(asked.len()).enumerate().filter(|(_, window)| *window == asked.as_bytes());
        let starts: Vec<usize> = starts.map(|(at, _)| at).collect();
        starts.into_iter().for_each(|at| bytes[at..at + asked.len()].fill(b'.'));
    }
    bytes
}

struct Stop<'a>(&'a Load);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Bench<'_> {
    fn note_present(&mut self) {
        for part in image::live(self.daemon.id()) {
            for hit in self.finder.find(&part.bytes).into_iter().filter(|hit| hit.short) {
                self.present.insert((hit.kind, hit.number));
            }
        }
    }

    fn look_at_memory(&mut self, moment: Moment) {
        self.look_at(Channel::Memory, moment, image::live(self.daemon.id()));
        if self.kernel {
            self.look_at(Channel::Helper, moment, image::live(self.daemon.helper()));
            let maps = maps::of(self.daemon.id()).into_iter();
            let maps = maps.map(|bytes| Part { place: Place::KernelMap, start: 0, bytes }).collect();
            self.look_at(Channel::Maps, moment, maps);
        }
    }

    fn look_at_files(&mut self, moment: Moment) {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.folder.path("")).expect("our own folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().to_string_lossy().into_owned();
            names.extend(name.bytes().chain([0]));
            // The operator wrote these.
            if matches!(name.as_str(), "roster.csv" | "blindmeter.toml") || !entry.path().is_file() {
                continue;
            }
            let channel = match name.as_str() {
                "stderr" => Channel::Log,
                "control.counters" => Channel::Counters,
                _ => Channel::Store,
            };
            let bytes = fs::read(entry.path()).expect("root reads it");
            self.look_at_bytes(channel, moment, &bytes);
        }
        self.look_at_bytes(Channel::Store, moment, &names);
    }

    /// What everybody may see of the process: its words, environment, threads and descriptors.
    fn look_at_process(&mut self, moment: Moment) {
        let process = Path::new("/proc").join(self.daemon.id().to_string());
        let mut bytes = Vec::new();
        for file in ["cmdline", "environ", "status", "stat", "maps", "mountinfo"] {
            bytes.extend(fs::read(process.join(file)).expect("the process lives"));
        }
        for entry in fs::read_dir(process.join("task")).expect("the process lives").flatten() {
            bytes.extend(fs::read(entry.path().join("comm")).unwrap_or_default());
        }
        for entry in fs::read_dir(process.join("fd")).expect("the process lives").flatten() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            bytes.extend(target.into_os_string().into_encoded_bytes());
        }
        self.look_at_bytes(Channel::Process, moment, &bytes);
    }

    fn look_at_bytes(&mut self, channel: Channel, moment: Moment, bytes: &[u8]) {
        self.look_at(channel, moment, vec![Part { place: Place::File, start: 0, bytes: bytes.to_vec() }]);
    }

    fn look_at(&mut self, channel: Channel, moment: Moment, parts: Vec<Part>) {
        let mut hits = Vec::new();
        for part in &parts {
            for hit in self.finder.find(&part.bytes) {
                if hit.short && self.present.contains(&(hit.kind, hit.number)) {
                    continue;
                }
                hits.push((part.place, hit));
            }
        }
        let bytes = parts.iter().map(|part| part.bytes.len()).sum();
        self.found.push(Found { channel, moment, bytes, hits });
    }
}
