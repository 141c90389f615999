//! The servers of a cluster one by one, as whoever runs them sees them: which there are, what they are loaded with, how
//! they are set. Knows no account, and asks for no word of one.

mod asked;
pub mod check;
pub mod finding;
pub mod install;
mod settings;
mod shape;
mod users;

use super::cluster::Access;
use super::trouble::Trouble;
use redis::{Connection, Value, cmd};

/// A server of a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// The name by which members know each other.
    pub id: String,
    /// `ADDRESS:PORT`.
    pub address: String,
    /// Whom it follows; nothing for a master.
    pub follows: Option<String>,
    /// True where it answers for a part of the cluster.
    pub has_slots: bool,
    /// True where the others have given it up.
    pub is_lost: bool,
}

/// The members of a cluster, as the first of the named ones tells that answers.
///
/// # Errors
/// Why the last of them does not answer.
pub fn members(access: &Access) -> Result<Vec<Member>, Trouble> {
    let mut trouble = Trouble::Unreachable;
    for named in &access.members {
        match access.member(named).and_then(|mut connection| members_of(&mut connection, named)) {
            Ok(members) => return Ok(members),
            Err(why) => trouble = why,
        }
    }
    Err(trouble)
}

/// The members that one of them knows.
fn members_of(connection: &mut Connection, asked: &str) -> Result<Vec<Member>, Trouble> {
    let answer =
        cmd("CLUSTER").arg("NODES").query::<String>(connection).map_err(|error| Trouble::from(&error))?;
    answer.lines().map(|line| member(line, asked).ok_or(Trouble::Answer)).collect()
}

/// # Source
/// Redis documentation, CLUSTER NODES: `id ip:port@busport[,host] flags master ping pong epoch link slots...`.
fn member(line: &str, asked: &str) -> Option<Member> {
    let words: Vec<&str> = line.split(' ').collect();
    let [id, address, flags, follows, _, _, _, _, slots @ ..] = &words[..] else { return None };
    let (host, port) = address.split('@').next()?.rsplit_once(':')?;
    let has = |flag: &str| flags.split(',').any(|one| one == flag);
    let address = match host {
        // A server that was never told its own address.
        "" => asked.to_owned(),
        host if host.contains(':') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    };
    Some(Member {
        id: (*id).to_owned(),
        address,
        follows: (has("slave") || has("replica")).then(|| (*follows).to_owned()),
        has_slots: slots.iter().any(|slot| !slot.starts_with('[')),
        is_lost: has("fail") || has("noaddr") || has("handshake"),
    })
}

/// A table that is told as names and values in turn, or as a map.
fn pairs(value: Value) -> Vec<(Value, Value)> {
    match value {
        Value::Map(pairs) => pairs,
        Value::Array(values) => {
            let mut values = values.into_iter();
            std::iter::from_fn(|| Some((values.next()?, values.next()?))).collect()
        }
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Libraries of functions: their names, and their code.
fn libraries(connection: &mut Connection) -> Result<Vec<(String, String)>, Trouble> {
    let answer = cmd("FUNCTION").arg("LIST").arg("WITHCODE").query(connection);
    let Value::Array(listed) = answer.map_err(|error| Trouble::from(&error))? else {
        return Err(Trouble::Answer);
    };
    let library = |listed: Value| {
        let pairs = pairs(listed);
        let of = |wanted: &str| {
            let found = pairs.iter().find(|(name, _)| text(name).as_deref() == Some(wanted));
            found.and_then(|(_, value)| text(value)).ok_or(Trouble::Answer)
        };
        Ok((of("library_name")?, of("library_code")?))
    };
    listed.into_iter().map(library).collect()
}

/// Whether a server has a command of this name, whoever may use it. With this argument, none that is asked for does
/// anything.
fn has_command(connection: &mut Connection, name: &str) -> Result<bool, Trouble> {
    match cmd(name).arg("?").query::<Value>(connection) {
        Err(error) if error.detail().is_some_and(|detail| detail.starts_with("unknown command")) => Ok(false),
        Err(error) if error.is_io_error() => Err(Trouble::from(&error)),
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// # Source
    /// Redis 7.0.15: `CLUSTER NODES` of a cluster of tests, with addresses of the documentation.
    #[test]
    fn members_are_read_with_their_addresses() {
        let read = |line: &str| member(line, "127.0.0.1:1").expect("a member");
        let master = read("aa 192.0.2.1:7103@17103 myself,master - 0 1796018626582 3 connected 10923-16383");
        assert!(master.has_slots && !master.is_lost && master.follows.is_none());
        assert_eq!((master.id.as_str(), master.address.as_str()), ("aa", "192.0.2.1:7103"));
        let replica = read("bb 2001:db8::1:7105@17105,north slave aa 0 1796018626179 3 disconnected");
        assert_eq!(
            (replica.address.as_str(), replica.follows.as_deref()),
            ("[2001:db8::1]:7105", Some("aa"))
        );
        let lost = read("cc 192.0.2.1:7104@17104 master,fail - 1 2 3 disconnected 5 [5->-aa]");
        assert!(lost.is_lost && lost.has_slots);
        assert!(!read("cc :7104@17104 master - 1 2 3 connected [5-<-aa]").has_slots);
        assert_eq!(read("cc :7104@17104 myself,master - 1 2 3 connected").address, "127.0.0.1:1");
        assert!(member("cc 192.0.2.1:7104@17104 master", "").is_none());
    }
}
