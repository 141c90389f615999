//! What the daemon can reach once it is set up, and how it gives up everything else.
//!
//! Holds no state: the list of folders is a function of the configuration.

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Desk, TapKind};
use crate::control::access::AccessPolicy;
use crate::publish::web::WebConfigFile;
use crate::store::disk::credential_of;
use crate::system::capabilities;
use crate::system::sandbox::{self, Folder, Reach, Sandbox, SandboxStatus};
use crate::system::users;
use std::path::Path;

/// Enters the sandbox while the process still has one thread.
pub(super) fn enter_sandbox(
    path: &Path,
    config: &Config,
    web: &[WebConfigFile],
    tap: TapKind,
) -> SandboxStatus {
    // Loads what is needed later but out of reach inside: the system's libraries for users and groups,
    // and the boot id.
    let _ = AccessPolicy::resolve(&config.roles, &config.desk_roles, false, users::named);
    let _ = SystemClock.boot();
    let packet_sockets = tap != TapKind::Kernel;
    sandbox::enter(&Sandbox {
        capabilities: if packet_sockets { &capabilities::PACKET_SOCKETS } else { &[] },
        folders: folders(path, config, web),
        packet_sockets,
    })
}

/// Every folder that the daemon uses once it is set up.
fn folders(path: &Path, config: &Config, web: &[WebConfigFile]) -> Vec<Folder> {
    // Users and groups are looked up again at a reload.
    let mut folders = vec![Folder::new(Path::new("/etc"), Reach::Read)];
    let key = config.store.as_ref().map(|store| store.key_file.as_path());
    let credential = key.and_then(credential_of);
    let read = [Some(path), config.roster_file.as_deref(), key, credential.as_deref()];
    let read = read
        .into_iter()
        .chain([config.web_config_file.as_deref(), config.desk.as_ref().map(Desk::path)])
        .flatten();
    let read = read.chain(config.wireguard.iter().filter_map(|device| device.accounts.as_deref()));
    let read = read.chain(config.openvpn.iter().map(|server| server.status.as_path()));
    let read = read.chain(config.radius.iter().map(|listener| listener.secret_file.as_path()));
    let read = read.chain(web.iter().flat_map(WebConfigFile::files));
    folders.extend(read.flat_map(|file| Folder::of_file(file, Reach::Read)));
    folders.extend(Folder::of_file(&config.control_socket, Reach::Keep));
    // The hooks' pipe, where a reload takes the role from somebody.
    folders.extend(Folder::of_file(&config.control_socket, Reach::MakePipes));
    // The folder of the hooks' pipe, at the end.
    folders.extend(Folder::of_file(&config.control_socket, Reach::RemoveFolder));
    if let Some(store) = &config.store {
        folders.extend(Folder::of_file(&store.path, Reach::Keep));
        folders.push(Folder::new(&config.pin, Reach::Names));
        folders.extend(config.pin.parent().map(|parent| Folder::new(parent, Reach::RemoveFolder)));
    }
    folders
}
