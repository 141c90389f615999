//! `blindmeter fleet export`: a process of its own that opens each epoch of a fleet once and serves it as
//! `blindmeter_fleet_*`. It needs the role `totals` on both clusters, and no interface, no roster and no store of a node.
//!
//! The order of its start and its loop; a courier of its own talks to the clusters.
#![expect(clippy::disallowed_types, reason = "the listeners' own addresses are bound here")]

mod epochs;
mod kept;

use crate::clock::{Clock, SystemClock, sleep};
use crate::config::{self, Config, Fleet};
use crate::daemon::inputs::{read_web_config, warn_of_certificates, warn_of_reach};
use crate::environment::{SystemFiles, unreadable};
use crate::exit::{ExitError, ExitStatus};
use crate::fleet::Courier;
use crate::fleet::look_up::{Untold, letter};
use crate::fleet::settings::{Role, Settings};
use crate::log::{self, Event, emit};
use crate::meter::policy::Profile;
use crate::meter::scope::Scope;
use crate::publish::exposition;
use crate::publish::http::{self, Pages};
use crate::publish::listeners::Listeners;
use crate::publish::web::{self, ActiveWebConfig, WebConfig, WebConfigFile};
use crate::system::descriptors;
use crate::system::sandbox::{self, Folder, Reach, Sandbox};
use crate::system::service_manager::{self, Notification};
use epochs::Opener;
use kept::Kept;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

/// The clusters are asked so often in the length of an epoch...
const ASKED: u64 = 288;

/// ...but no less often than this, while there is something to be asked.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Opens and serves epochs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting, with its exit status.
pub fn run(path: &Path, listen: &[SocketAddr], folder: &Path) -> Result<(), ExitError> {
    let bad = |why: String| ExitError::new(ExitStatus::Config, why);
    let io = |error: std::io::Error| ExitError::new(ExitStatus::Io, error.to_string());
    descriptors::raise_limit();
    let config = config::load(&SystemFiles, path).map_err(bad)?;
    if Profile::BUILT == Profile::Lab {
        emit(&Event::LabBuild);
    }
    let policy = config.policy.0;
    let (Scope::Fleet(terms), Some(fleet)) = (policy.scope, &config.fleet) else {
        let why =
            "fleet export needs a configuration with [release] scope = \"fleet\", the same as the nodes'";
        return Err(bad(why.to_owned()));
    };
    let settings = settings(fleet)?;
    let kept = Kept::read(folder, &policy).map_err(bad)?;
    // What cannot be kept must not be opened.
    kept.write(folder).map_err(|error| {
        let what = format!("--state {}: {}", folder.display(), unreadable(&error));
        ExitError::new(ExitStatus::Io, what)
    })?;
    let courier = Courier::start(&settings).map_err(io)?;
    let key = settings.key;
    let mut listeners =
        Listeners::of_fleet(descriptors::share(descriptors::limit(), descriptors::PAGE_CONNECTIONS));
    let bound = listeners.prepare(listen)?;
    let web = config.web_config_file.as_deref();
    let web_file =
        web.map(|path| web::read(&SystemFiles, "web.config_file", path)).transpose().map_err(bad)?;
    let status = sandbox::enter(&Sandbox {
        capabilities: &[],
        folders: folders(path, &config, web_file.as_ref(), folder),
        packet_sockets: false,
    });
    log::write_apart().map_err(io)?;
    let web = read_web_config(&SystemFiles, &config, &WebConfig::default()).map_err(bad)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io)?;
    let mut exporter = Exporter {
        opener: Opener { policy, terms, key },
        courier,
        kept,
        folder: folder.to_owned(),
        troubles: vec![None; fleet.clusters.len()],
        is_kept: true,
        before: (SystemClock.now().wall_seconds / policy.epoch_seconds).saturating_sub(2),
    };
    let result = runtime.block_on(async {
        for (part, why) in status.missing() {
            emit(&Event::SandboxMissing(*part, why));
        }
        let pages = Arc::new(Pages::new(exporter.released(), exporter.status()));
        warn_of_certificates(&web);
        let exposure = web.exposure();
        let active: Arc<ActiveWebConfig> = Arc::default();
        active.replace(web);
        listeners.adopt(bound, listen, &http::router(Arc::clone(&pages)), &active).map_err(io)?;
        warn_of_reach(exposure, http::others_can_reach(listen));
        let mut terminate = signal(SignalKind::terminate()).map_err(io)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(io)?;
        emit(&Event::Ready(&http::pages(&listeners.addresses(), exposure, "/metrics")));
        service_manager::notify(Notification::Ready);
        let pause =
            Duration::from_secs(policy.epoch_seconds / ASKED).clamp(Duration::from_secs(1), LONGEST_PAUSE);
        loop {
            let (back, changed) = spawn_blocking(move || {
                let changed = exporter.step();
                (exporter, changed)
            })
            .await
            .map_err(|error| ExitError::new(ExitStatus::Io, error.to_string()))?;
            exporter = back;
            if changed {
                pages.set_released(exporter.released());
            }
            pages.set_status(exporter.status());
            tokio::select! {
                () = sleep(pause) => {}
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        service_manager::notify(Notification::Stopping);
        emit(&Event::Stopping);
        Ok(())
    });
    log::flush();
    result
}

/// The files of a fleet, of which this process needs the key and the role.
fn settings(fleet: &Fleet) -> Result<Settings, ExitError> {
    let bad = |why: String| ExitError::new(ExitStatus::Config, why);
    let settings = Settings::read(&SystemFiles, fleet).map_err(bad)?;
    if !settings.has(Role::Totals) {
        let file = fleet.credentials_file.display();
        let what = format!(
            "fleet credentials_file {file}: no line for totals of each cluster, without which no epoch is opened"
        );
        return Err(bad(what));
    }
    Ok(settings)
}

/// Every folder that is used once it runs.
fn folders(path: &Path, config: &Config, web: Option<&WebConfigFile>, folder: &Path) -> Vec<Folder> {
    let read = [Some(path), config.web_config_file.as_deref()].into_iter().flatten();
    let read = read.chain(web.into_iter().flat_map(WebConfigFile::files));
    let mut folders: Vec<Folder> = read.flat_map(|file| Folder::of_file(file, Reach::Read)).collect();
    folders.push(Folder::new(folder, Reach::Keep));
    folders
}

/// What the loop works with.
struct Exporter {
    opener: Opener,
    courier: Courier,
    kept: Kept,
    folder: PathBuf,
    /// What each cluster's trouble is, if any.
    troubles: Vec<Option<Untold>>,
    /// Whether the last epoch could be kept.
    is_kept: bool,
    /// The epoch before the first that this process may open.
    before: u64,
}

impl Exporter {
    /// Opens what is due; true where something else is shown from now on.
    fn step(&mut self) -> bool {
        let stepped = self.opener.step(&mut self.courier, &self.kept, SystemClock.now().wall_seconds);
        match stepped {
            Ok(None) => {
                self.tell(None);
                false
            }
            Ok(Some(kept)) => {
                self.tell(None);
                // What is shown must be kept first; opened again it is the same.
                self.is_kept = kept.write(&self.folder).is_ok();
                if self.is_kept {
                    self.kept = kept;
                }
                self.is_kept
            }
            Err(why) => {
                self.tell(Some(why));
                false
            }
        }
    }

    /// One line when a cluster's trouble changes, and one when it is over.
    fn tell(&mut self, trouble: Option<Untold>) {
        for (place, before) in self.troubles.iter_mut().enumerate() {
            let now =
                trouble.filter(|why| matches!(why, Untold::Cluster(named, _) if *named == letter(place)));
            match (&now, *before == now) {
                (_, true) => {}
                (Some(Untold::Cluster(named, why)), _) => {
                    emit(&Event::FleetTrouble(*named, &why.to_string()))
                }
                _ => emit(&Event::FleetRecovered(letter(place))),
            }
            *before = now;
        }
    }

    fn released(&self) -> String {
        exposition::fleet(&self.kept.release, self.kept.nodes, &self.opener.policy)
    }

    fn status(&self) -> String {
        let clusters: Vec<(char, bool)> =
            (0..).zip(&self.troubles).map(|(place, trouble)| (letter(place), trouble.is_none())).collect();
        let next = self.opener.due(self.kept.release.ordinal().max(self.before));
        exposition::fleet_status(&clusters, self.is_kept, next, &self.opener.policy)
    }
}
