//! Ports that another program has when a service manager starts the daemon.

use super::daemon::Site;
use super::support::wait::{TIMEOUT, wait_until};
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;

/// Under a service manager a start that failed would fail for ever, while any local user keeps the port.
#[test]
fn a_port_that_is_taken_keeps_no_service_from_counting() {
    let site = Site::new();
    let holder = TcpListener::bind(("127.0.0.1", site.port)).expect("the port is free");
    let accounting = UdpSocket::bind("127.0.0.1:0").expect("some port is free");
    let address = accounting.local_addr().expect("it has one");
    site.write("radius.secret", "long enough to be one");
    fs::set_permissions(site.path("radius.secret"), fs::Permissions::from_mode(0o600)).expect("it is ours");
    let radius = format!(
        "[[roster.radius]]\nlisten = \"{address}\"\nsecret_file = \"{}\"\n",
        site.name("radius.secret")
    );
    site.write("blindmeter.toml", format!("{}\n{radius}", site.config()));
    let mut command = site.daemon_command(&[]);
    command.env("NOTIFY_SOCKET", site.path("nobody"));
    let mut daemon = site.adopt(command.spawn().expect("the program can be run"));
    daemon.await_answer();
    let page = format!("web.listen 127.0.0.1:{}", site.port);
    daemon.await_said(&page, 1);
    let status = || {
        let outcome = site.command(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        (outcome.code, status)
    };
    let is_radius_up = |status: &serde_json::Value| {
        let sources = status["sources"].as_array().cloned().unwrap_or_default();
        sources.iter().any(|source| source["source"] == "radius" && source["up"] == true)
    };
    let (code, told) = status();
    let refusal = told["reload_refusal"].as_str().unwrap_or_default();
    assert!(code == Some(2) && refusal.starts_with(&page) && !is_radius_up(&told), "{told}");
    // One alone is not enough.
    drop(holder);
    site.command(&["reload"]).failed(78, &["roster.radius listen", &address.to_string()]);
    drop(accounting);
    wait_until("the ports are bound", TIMEOUT, || status().1["reload_refusal"].is_null());
    let (_, told) = status();
    assert!(is_radius_up(&told) && daemon.metric("blindmeter_store_ok") == "1", "{told}");
    assert!(UdpSocket::bind(address).is_err(), "the daemon has it");
    daemon.await_said(&format!("metrics: http://127.0.0.1:{}/metrics", site.port), 1);
    assert_eq!(daemon.said().matches(&page).count(), 1, "said once: {}", daemon.said());
}
