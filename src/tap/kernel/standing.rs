//! What stands at an interface's tcx hooks: the programs in the order in which they see a packet, and
//! which links are ours. Only reads.
//!
//! The list needs CAP_NET_ADMIN. Whose a program is, where no descriptor of it is held, is asked by
//! its number, which needs CAP_SYS_ADMIN. Holds no address.
//!
//! # Source
//! include/uapi/linux/bpf.h (BPF_PROG_QUERY, struct bpf_prog_info); kernel/bpf/mprog.c.

use super::header::{Header, INFO_WORDS};
use super::object::{MAPS, PROGRAMS};
use super::owner::Owner;
use super::sys;
use crate::tap::shared::mapped;
use std::io;
use std::os::fd::OwnedFd;

/// A link of ours that stands at an interface.
pub(super) struct Standing {
    pub(super) owner: Owner,
    pub(super) link: OwnedFd,
}

/// The links of ours in one direction of an interface.
pub(super) fn ours(index: u32, ingress: bool) -> io::Result<Vec<Standing>> {
    let mut ours = Vec::new();
    for (program, link) in sys::programs_at(index, ingress)? {
        // One that ends meanwhile is no longer there.
        let Ok(Some(owner)) = owner_of(program) else { continue };
        if let Ok(link) = sys::link_by_id(link) {
            ours.push(Standing { owner, link });
        }
    }
    Ok(ours)
}

/// A text that speaks of programs by their numbers, with their names beside, where this process may ask for
/// them. Needs CAP_SYS_ADMIN.
#[must_use]
pub fn with_names(text: &str) -> String {
    let mut named = String::new();
    let mut words = text.split_inclusive(' ').peekable();
    while let Some(word) = words.next() {
        named.push_str(word);
        let Some(number) = words.peek().filter(|_| word == "program ") else { continue };
        let digits = number.trim_end_matches([' ', ',']);
        let Some(name) = digits.parse().ok().and_then(program_name) else { continue };
        named.push_str(&format!("{digits} ({name}){}", &number[digits.len()..]));
        words.next();
    }
    named
}

/// What its author calls a program, in plain letters; none where it has no name, or may not be asked for.
fn program_name(id: u32) -> Option<String> {
    let name = sys::program_info(&sys::program_by_id(id).ok()?).ok()?.name;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())).then_some(name)
}

/// Whose a program is, by what its maps say; none where it is not ours.
fn owner_of(id: u32) -> io::Result<Option<Owner>> {
    let program = sys::program_info(&sys::program_by_id(id)?)?;
    if !PROGRAMS.contains(&program.name.as_str()) {
        return Ok(None);
    }
    for map in program.maps {
        let map = sys::map_by_id(map)?;
        let info = sys::map_info(&map)?;
        if info.name == MAPS[0] && info.bytes >= size_of::<[u32; INFO_WORDS]>() {
            return Ok(Header::read(mapped(&map, 0, INFO_WORDS)?).map(|header| Owner::of(&header)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_has_no_name() {
        for text in
            ["tcx program 4294967295 on the way in, XDP program 4294967295", "program", "a filter", ""]
        {
            assert_eq!(with_names(text), text);
        }
    }
}
