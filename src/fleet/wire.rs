//! What the daemon and its courier say to each other: calls one way, answers the other, each preceded by its length.
//!
//! Both ends are this program; a message that is none ends the conversation. Holds nothing.

use super::cluster::{Call, Function, Reply};
use super::keys::PeriodTag;
use super::settings::Role;
use super::trouble::Trouble;
use std::io::{self, Read, Write};

/// Largest message: a round of calls for all accounts of some slots of a cluster, with ten million accounts.
pub const MESSAGE_BYTES: usize = 8 << 20;

/// A round of calls to one cluster.
pub struct Round {
    /// Which cluster.
    pub place: usize,
    /// As whom.
    pub role: Role,
    /// What is asked.
    pub calls: Vec<Call>,
}

/// Writes a round.
///
/// # Errors
/// Those of the socket, and a round that is too large.
pub fn send_round(to: &mut impl Write, place: usize, role: Role, calls: &[Call]) -> io::Result<()> {
    let mut message = Vec::new();
    put(&mut message, place)?;
    put(&mut message, Role::ALL.iter().position(|one| *one == role).unwrap_or(0))?;
    put(&mut message, calls.len())?;
    for call in calls {
        put(&mut message, Function::ALL.iter().position(|one| *one == call.function).unwrap_or(0))?;
        put(&mut message, call.keys.len())?;
        call.keys.iter().for_each(|key| message.extend(key.0));
        put_all(&mut message, &call.arguments)?;
    }
    send(to, &message)
}

/// Reads a round; none at the end.
///
/// # Errors
/// Those of the socket, and a message that is none.
pub fn receive_round(from: &mut impl Read) -> io::Result<Option<Round>> {
    let Some(message) = receive(from)? else { return Ok(None) };
    let mut rest = &message[..];
    let place = take(&mut rest)?;
    let role = Role::ALL.get(take(&mut rest)?).copied().ok_or_else(broken)?;
    let calls = (0..take(&mut rest)?).map(|_| {
        let function = Function::ALL.get(take(&mut rest)?).copied().ok_or_else(broken)?;
        let keys = (0..take(&mut rest)?).map(|_| {
            let (key, after) = rest.split_first_chunk().ok_or_else(broken)?;
            rest = after;
            Ok(PeriodTag(*key))
        });
        let keys = keys.collect::<io::Result<_>>()?;
        Ok(Call { function, keys, arguments: take_all(&mut rest)? })
    });
    let calls = calls.collect::<io::Result<_>>()?;
    Ok(Some(Round { place, role, calls }))
}

/// Writes what a round was answered.
///
/// # Errors
/// Those of the socket.
pub fn send_answer(to: &mut impl Write, answer: &Result<Vec<Reply>, Trouble>) -> io::Result<()> {
    let mut message = Vec::new();
    match answer {
        Err(trouble) => put(&mut message, 1 + usize::from(trouble.number()))?,
        Ok(replies) => {
            put(&mut message, 0)?;
            put(&mut message, replies.len())?;
            for reply in replies {
                put_all(&mut message, reply)?;
            }
        }
    }
    send(to, &message)
}

/// Reads what a round was answered.
///
/// # Errors
/// Those of the socket, its end, and a message that is none.
pub fn receive_answer(from: &mut impl Read) -> io::Result<Result<Vec<Reply>, Trouble>> {
    let message = receive(from)?.ok_or_else(broken)?;
    let mut rest = &message[..];
    let kind = take(&mut rest)?;
    if kind != 0 {
        return Ok(Err(Trouble::of_number(u8::try_from(kind - 1).unwrap_or(u8::MAX))));
    }
    let replies = (0..take(&mut rest)?).map(|_| take_all(&mut rest));
    Ok(Ok(replies.collect::<io::Result<_>>()?))
}

fn send(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).ok().filter(|_| message.len() <= MESSAGE_BYTES);
    to.write_all(&length.ok_or_else(broken)?.to_le_bytes())?;
    to.write_all(message)
}

fn receive(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES {
        return Err(broken());
    }
    let mut message = vec![0; length];
    from.read_exact(&mut message)?;
    Ok(Some(message))
}

fn put(message: &mut Vec<u8>, number: usize) -> io::Result<()> {
    message.extend(u32::try_from(number).map_err(|_| broken())?.to_le_bytes());
    Ok(())
}

fn put_all(message: &mut Vec<u8>, strings: &[Vec<u8>]) -> io::Result<()> {
    put(message, strings.len())?;
    for string in strings {
        put(message, string.len())?;
        message.extend(string);
    }
    Ok(())
}

fn take(rest: &mut &[u8]) -> io::Result<usize> {
    let (number, after) = rest.split_first_chunk().ok_or_else(broken)?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(*number)).map_err(|_| broken())
}

fn take_all(rest: &mut &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let count = take(rest)?;
    let strings = (0..count).map(|_| {
        let length = take(rest)?;
        let (string, after) = rest.split_at_checked(length).ok_or_else(broken)?;
        *rest = after;
        Ok(string.to_vec())
    });
    strings.collect()
}

fn broken() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6)
    }

    proptest! {
        #[test]
        fn a_round_comes_out_as_it_went_in(
            place in 0_usize..2,
            role in 0..Role::ALL.len(),
            calls in proptest::collection::vec((0..Function::ALL.len(), proptest::collection::vec(any::<[u8; 16]>(), 0..4), strings()), 0..5),
        ) {
            let calls: Vec<Call> = calls.into_iter().map(|(function, keys, arguments)| Call {
                function: Function::ALL[function],
                keys: keys.into_iter().map(PeriodTag).collect(),
                arguments,
            }).collect();
            let mut sent = Vec::new();
            send_round(&mut sent, place, Role::ALL[role], &calls).expect("it fits");
            let round = receive_round(&mut &sent[..]).expect("whole").expect("one");
            prop_assert!((round.place, round.role) == (place, Role::ALL[role]) && round.calls == calls);
        }

        #[test]
        fn an_answer_comes_out_as_it_went_in(replies in proptest::collection::vec(strings(), 0..5), trouble in 0_u8..12) {
            for answer in [Ok(replies), Err(Trouble::of_number(trouble))] {
                let mut sent = Vec::new();
                send_answer(&mut sent, &answer).expect("it fits");
                prop_assert_eq!(receive_answer(&mut &sent[..]).expect("whole"), answer);
            }
        }

        #[test]
        fn any_bytes_are_a_message_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut sent = u32::try_from(bytes.len()).expect("short").to_le_bytes().to_vec();
            sent.extend(bytes);
            let _ = receive_round(&mut &sent[..]);
            let _ = receive_answer(&mut &sent[..]);
        }
    }
}
