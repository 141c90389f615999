//! A desk that would be open to strangers is refused, by `check` and at the start; a reload changes who may what.

use crate::fixture::{Desk, PASSWORD, basic, log_ins};
use crate::support::ports::free_port;
use crate::support::wait::{TIMEOUT, wait_until};
use nix::sys::signal::Signal;

#[test]
fn a_desk_without_log_in_or_for_others_in_clear_is_refused() {
    for (from, to, web, expected) in [
        ("config_file = \"", "# \"", "", "support.config_file"),
        ("", "", "", "asks who is there"),
        ("", "", "http_server_config: {headers: {X-Frame-Options: deny}}\n", "asks who is there"),
        ("listen = \"127.0.0.1:PORT\"", "listen = \"0.0.0.0:PORT\"", "log-ins", "unencrypted"),
        (
            "listen = \"127.0.0.1:PORT\"",
            "listen = \"127.0.0.1\"",
            "log-ins",
            "support.listen: expected ADDRESS:PORT",
        ),
    ] {
        let desk = Desk::new();
        let port = desk.port.to_string();
        if !from.is_empty() {
            desk.site.configure(&from.replace("PORT", &port), to.replace("PORT", &port));
        }
        if web != "log-ins" {
            desk.site.write("desk.yml", web);
        }
        let check = desk.site.command(&["check"]);
        assert_eq!(check.code, Some(78), "{to}: {}", check.stderr);
        assert!(check.stderr.contains(expected), "{expected}: {}", check.stderr);
        let started = desk.site.command(&["run"]);
        assert_eq!(started.code, Some(78), "{to}: {}", started.stderr);
        assert!(started.stderr.contains(expected), "{expected}: {}", started.stderr);
    }
}

#[test]
fn a_reload_changes_roles_log_ins_and_the_address() {
    let desk = Desk::new();
    let daemon = desk.start();
    let status = desk.site.command(&["status"]);
    assert!(status.stdout.contains(&format!("http://127.0.0.1:{}/", desk.port)), "{}", status.stdout);
    assert_eq!(desk.get("zoe", "/flagged", "").status, 403);
    desk.site.configure("support = [\"anna\"]", "support = [\"zoe\"]");
    assert_eq!(desk.site.command(&["reload"]).code, Some(0));
    assert_eq!(desk.get("zoe", "/flagged", "").status, 200);
    assert_eq!(desk.get("anna", "/flagged", "").status, 403);
    desk.site.write("desk.yml", log_ins(&["anna", "clara"]));
    daemon.signal(Signal::SIGHUP);
    wait_until("the log-in is gone", TIMEOUT, || desk.get("zoe", "/flagged", "").status == 401);
    // What would open the desk is refused, and the old one stays.
    desk.site.write("desk.yml", "");
    assert_eq!(desk.site.command(&["reload"]).code, Some(78));
    assert_eq!(desk.get("clara", "/rights", "").status, 200);
    desk.site.write("desk.yml", log_ins(&["anna", "clara"]));
    let port = free_port();
    desk.site.configure(&format!("127.0.0.1:{}", desk.port), format!("127.0.0.1:{port}"));
    assert_eq!(desk.site.command(&["reload"]).code, Some(0));
    let head = format!("GET /rights HTTP/1.1\r\nHost: n\r\n{}\r\n", basic("clara", PASSWORD));
    let moved = crate::daemon::http::exchange(port, head.as_bytes());
    assert!(moved.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&moved));
    assert!(std::net::TcpStream::connect(("127.0.0.1", desk.port)).is_err(), "the old address is left");
}

#[test]
fn without_its_key_there_is_no_desk() {
    let desk = Desk::new();
    desk.site.configure(&format!("listen = \"127.0.0.1:{}\"", desk.port), "");
    let daemon = desk.start();
    assert!(std::net::TcpStream::connect(("127.0.0.1", desk.port)).is_err());
    assert!(daemon.metrics().contains("blindmeter_build_info"));
}
