//! What the running daemon is asked about the fleet: an account, whether nodes have followed, a second sending.

use crate::cli::accounts::{as_of, band, flag_line};
use crate::cli::connection::unexpected_answer;
use crate::cli::output;
use crate::control::client;
use crate::control::fleet_reports::{FleetConfirmation, FleetView};
use crate::control::protocol::{Answer, Request};
use crate::exit::ExitError;
use std::path::Path;

/// Shows an account's band and flags over all nodes.
///
/// # Errors
/// Those of the daemon, and of the clusters.
pub(super) fn show(account: &str, json: bool, socket: &Path) -> Result<(), ExitError> {
    let request = Request::FleetShow { account: account.to_owned() };
    let Answer::FleetAccount(view) = client::ask(socket, &request, &[])? else {
        return Err(unexpected_answer());
    };
    if json {
        return output::json(&view);
    }
    output::line(&band(&view.band))?;
    output::line(&as_of(&view.band))?;
    output::line(&nodes(&view))?;
    if view.flags.is_empty() {
        return output::line("flags: none");
    }
    view.flags.iter().try_for_each(|flag| {
        let on = if flag.nodes == 1 { "on 1 node".to_owned() } else { format!("on {} nodes", flag.nodes) };
        output::line(&format!("{}, {on}", flag_line(&flag.flag)))
    })
}

fn nodes(view: &FleetView) -> String {
    let FleetView { nodes, stale_nodes, .. } = view;
    if *nodes == 0 {
        return "no node has sent anything in this period".to_owned();
    }
    let of = if *nodes == 1 { "1 node".to_owned() } else { format!("{nodes} nodes") };
    match stale_nodes {
        0 => format!("summed over the fleet's {of}, all of which have sent"),
        1 => format!(
            "summed over the fleet's {of}, of which 1 has not sent: what it sent before is in the sum"
        ),
        stale => {
            format!(
                "summed over the fleet's {of}, of which {stale} have not sent: what they sent before is in the sum"
            )
        }
    }
}

/// Shows how many nodes have followed an erasure or a correction.
///
/// # Errors
/// Those of the daemon, and of the clusters.
pub(super) fn confirmed(account: &str, json: bool, socket: &Path) -> Result<(), ExitError> {
    let request = Request::FleetConfirmed { account: account.to_owned() };
    let Answer::FleetConfirmed(confirmation) = client::ask(socket, &request, &[])? else {
        return Err(unexpected_answer());
    };
    if json {
        return output::json(&confirmation);
    }
    let FleetConfirmation { nodes, followed, all_by } = confirmation;
    output::line(&format!(
        "{followed} of {nodes} nodes have followed; every node that runs has by the day after {all_by}"
    ))
}

/// Has the daemon send its last refresh again.
///
/// # Errors
/// Those of the daemon.
pub(super) fn resend(socket: &Path) -> Result<(), ExitError> {
    match client::ask(socket, &Request::FleetResend {}, &[])? {
        Answer::Done {} => output::line(
            "the last refresh is being sent again, spread over [fleet] spread; `blindmeter status` tells how far it is",
        ),
        _ => Err(unexpected_answer()),
    }
}
