//! What one server answers to whoever checks it: settings, users, functions, commands, its clock and its neighbours.
//! Asks for named settings alone, and for no key.

use super::super::cluster::Access;
use super::super::trouble::Trouble;
use super::settings::RULES;
use super::{Member, has_command, libraries, members_of, pairs, text};
use redis::{Connection, Value, cmd};
use std::collections::HashMap;

/// Commands that nobody is to have by these names: the last six reach into hashes, and have names of the servers' own.
const REMOVED: [&str; 22] = [
    "MONITOR",
    "SLOWLOG",
    "LATENCY",
    "OBJECT",
    "DEBUG",
    "KEYS",
    "SCAN",
    "HSCAN",
    "RANDOMKEY",
    "DUMP",
    "MIGRATE",
    "SAVE",
    "BGSAVE",
    "BGREWRITEAOF",
    "EVAL",
    "EVALSHA",
    "HGET",
    "HMGET",
    "HGETALL",
    "HSET",
    "HDEL",
    "EXPIREAT",
];

/// The answers of a server.
pub(super) struct Asked {
    /// `ADDRESS:PORT`.
    pub(super) address: String,
    /// Its settings by name; one that it does not know is not there.
    pub(super) settings: HashMap<String, String>,
    /// Its folder.
    pub(super) folder: String,
    /// A line for each of its users.
    pub(super) users: Vec<String>,
    /// Libraries of functions, and their code.
    pub(super) libraries: Vec<(String, String)>,
    /// Of which fleet and cluster its functions say they are.
    pub(super) identity: Result<String, Trouble>,
    /// Its clock, in seconds.
    pub(super) clock: Option<u64>,
    /// Those of the removed commands that it has.
    pub(super) commands: Vec<&'static str>,
    /// Modules that it has loaded, but for Valkey's own, which runs functions.
    pub(super) modules: Vec<String>,
    /// The members that it knows.
    pub(super) members: Vec<Member>,
    /// Whether it has caught up with its master; nothing of a master.
    pub(super) is_linked: Option<bool>,
    /// Bytes in use, and how many it may use.
    pub(super) memory: Option<(u64, u64)>,
}

impl Asked {
    /// Asks a server.
    ///
    /// # Errors
    /// Why it does not answer.
    pub(super) fn of(access: &Access, address: &str) -> Result<Self, Trouble> {
        let mut connection = access.member(address)?;
        let asked = &mut connection;
        let mut settings = HashMap::new();
        for chunk in RULES.chunks(16) {
            let names = chunk.iter().map(|rule| rule.name);
            let told = query(cmd("CONFIG").arg("GET").arg(names.collect::<Vec<_>>()), asked)?;
            settings.extend(pairs(told).iter().filter_map(|(name, value)| Some((text(name)?, text(value)?))));
        }
        let folder = pairs(query(cmd("CONFIG").arg("GET").arg("dir"), asked)?);
        let identity = query(cmd("FCALL").arg("bm_identity").arg(0), asked);
        let clock = query(&cmd("TIME"), asked)?;
        let info =
            text(&query(cmd("INFO").arg("replication").arg("memory"), asked)?).ok_or(Trouble::Answer)?;
        let of = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let (used, limit) = (of("used_memory"), of("maxmemory"));
        Ok(Self {
            address: address.to_owned(),
            settings,
            folder: folder.first().and_then(|(_, folder)| text(folder)).ok_or(Trouble::Answer)?,
            users: texts(query(cmd("ACL").arg("LIST"), asked)?),
            libraries: libraries(asked)?,
            identity: identity.and_then(|answer| texts(answer).into_iter().next().ok_or(Trouble::Answer)),
            clock: texts(clock).first().and_then(|seconds| seconds.parse().ok()),
            commands: commands(asked)?,
            modules: modules(query(cmd("MODULE").arg("LIST"), asked)?),
            members: members_of(asked, address)?,
            is_linked: of("master_link_status").map(|status| status == "up"),
            memory: used.zip(limit).and_then(|(used, limit)| Some((used.parse().ok()?, limit.parse().ok()?))),
        })
    }
}

fn query(command: &redis::Cmd, connection: &mut Connection) -> Result<Value, Trouble> {
    command.query(connection).map_err(|error| Trouble::from(&error))
}

fn modules(listed: Value) -> Vec<String> {
    let Value::Array(listed) = listed else { return Vec::new() };
    let named = listed.into_iter().filter_map(|module| {
        let pairs = pairs(module);
        let name = pairs.iter().find(|(key, _)| text(key).as_deref() == Some("name"));
        name.and_then(|(_, name)| text(name))
    });
    named.filter(|name| name != "lua").collect()
}

fn texts(value: Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(text).collect(),
        value => text(&value).into_iter().collect(),
    }
}

fn commands(connection: &mut Connection) -> Result<Vec<&'static str>, Trouble> {
    let mut there = Vec::new();
    for name in REMOVED {
        if has_command(connection, name)? {
            there.push(name);
        }
    }
    Ok(there)
}
