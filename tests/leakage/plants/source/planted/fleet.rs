//! What is planted of a fleet and is more than a line: a sending at a log-in, and functions that answer too much.

use super::on;
use crate::engine::refreshes::{Refresh, RefreshedAccount};
use crate::engine::roster_writer::Change;
use crate::engine::state::State;
use crate::environment::Environment;
use crate::meter::flags::kind::Kinds;

/// L80: an account is sent when a client of it comes.
pub(crate) fn logged_in<E: Environment>(state: &State<E>, change: &Change) -> Option<Refresh> {
    let Change::Assign(_, _, account) = change else { return None };
    let slot = state.roster().slot_of(*account).filter(|_| on("L80"))?;
    let node = state.node();
    let (week, period) = node.last_refresh();
    let (before, open) = node.totals(slot);
    let counted = before.plus(open);
    let (up_bytes, down_bytes) = (counted.up.bytes, counted.down.bytes);
    let account = RefreshedAccount { tag: *account, slot, up_bytes, down_bytes, kinds: Kinds::default() };
    Some(Refresh { week, period, accounts: vec![account] })
}

/// L85: the desk is told which nodes an account is known to. L89: whoever reads a node's words back is told them.
pub(crate) fn functions(code: &str) -> String {
    let answer = "    return answer\nend\n\n-- Key: a tag. Arguments: identity, mark";
    let names = format!("    for _, name in ipairs(names) do table.insert(answer, name) end\n{answer}");
    match (on("L85"), on("L89")) {
        (true, _) => code.replace(answer, &names),
        (_, true) => code.replace("redis.sha1hex(table.concat(all))", "table.concat(all)"),
        _ => code.to_owned(),
    }
}
