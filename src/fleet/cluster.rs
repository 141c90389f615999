//! One cluster as its clients see it: connections to its members, calls of our functions, and answers as bytes.
//!
//! The `redis` crate speaks the protocol, finds masters and follows them. Holds log-in and certificates; knows no
//! account, and nothing of what a call is for.

use super::keys::PeriodTag;
use super::trouble::Trouble;
use redis::cluster::{ClusterClient, ClusterConnection};
use redis::{ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
use redis::{RedisError, TlsCertificates, Value, cmd};
use std::net::ToSocketAddrs;
use std::time::Duration;
use zeroize::Zeroizing;

/// The version of the functions and of what they keep.
pub const VERSION: u16 = 1;

/// How long a member is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A member that does not answer is asked again so often, at another master where there is one.
const RETRIES: u32 = 2;

/// How to reach a cluster, and as whom.
#[derive(Clone)]
pub struct Access {
    /// Which of the two it is: A or B.
    pub letter: char,
    /// Which fleet.
    pub fleet: String,
    /// Some of its members.
    pub members: Vec<String>,
    /// Certificates; none where it is spoken to in clear.
    pub certificates: Option<Certificates>,
    /// The user of the cluster's access list.
    pub user: &'static str,
    /// Its password.
    pub password: Zeroizing<String>,
}

/// Whom to believe, and who we are.
#[derive(Clone)]
pub struct Certificates {
    /// The authority of the servers, in PEM.
    pub authority: Vec<u8>,
    /// Our certificate and its key, where the servers ask for one.
    pub own: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

/// What each call to this cluster says of which fleet and cluster it means.
#[must_use]
pub fn identity(fleet: &str, letter: char) -> String {
    format!("{VERSION} {fleet} {letter}")
}

impl Access {
    /// What each call says of which fleet and cluster it means.
    #[must_use]
    pub fn identity(&self) -> String {
        identity(&self.fleet, self.letter)
    }

    fn info(&self, member: &str) -> Option<ConnectionInfo> {
        let settings = RedisConnectionInfo::default()
            .set_username(self.user)
            .set_password(self.password.as_str())
            .set_skip_set_lib_name();
        let address = member.to_socket_addrs().ok()?.next()?;
        let (host, port) = (address.ip().to_string(), address.port());
        let address = match &self.certificates {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        };
        Some(address.into_connection_info().ok()?.set_redis_settings(settings))
    }

    fn tls(&self) -> Option<TlsCertificates> {
        let certificates = self.certificates.as_ref()?;
        let client_tls = certificates.own.as_ref().map(|(certificate, key)| ClientTlsConfig {
            client_cert: certificate.clone(),
            client_key: key.to_vec(),
        });
        Some(TlsCertificates { client_tls, root_cert: Some(certificates.authority.clone()) })
    }

    /// A connection to one member, for what is asked of each.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses the log-in.
    pub fn member(&self, member: &str) -> Result<redis::Connection, Trouble> {
        let info = self.info(member).ok_or(Trouble::Unreachable)?;
        let client = match self.tls() {
            None => redis::Client::open(info),
            Some(tls) => redis::Client::build_with_tls(info, tls),
        };
        let told = |error: RedisError| Trouble::from(&error);
        let connection = client.map_err(told)?.get_connection_with_timeout(PATIENCE).map_err(told)?;
        connection.set_read_timeout(Some(PATIENCE)).map_err(told)?;
        connection.set_write_timeout(Some(PATIENCE)).map_err(told)?;
        Ok(connection)
    }
}

/// One call of a function. All of its keys lie in one slot.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub function: Function,
    /// Its keys; none for what is asked of any member.
    pub keys: Vec<PeriodTag>,
    /// Its arguments after the identity.
    pub arguments: Vec<Vec<u8>>,
}

/// A function of the servers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Keep an account's words.
    Put,
    /// A digest of what is kept.
    Kept,
    /// The sums over nodes.
    Total,
    /// Erase or correct.
    Erase,
    /// Keep a share of an epoch's sums.
    Share,
    /// Take one back.
    Withdraw,
    /// Whose shares there are.
    Shares,
    /// Open an epoch.
    Open,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 8] = [
        Self::Put,
        Self::Kept,
        Self::Total,
        Self::Erase,
        Self::Share,
        Self::Withdraw,
        Self::Shares,
        Self::Open,
    ];

    /// Its name on the servers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Put => "bm_put",
            Self::Kept => "bm_kept",
            Self::Total => "bm_total",
            Self::Erase => "bm_erase",
            Self::Share => "bm_share",
            Self::Withdraw => "bm_withdraw",
            Self::Shares => "bm_shares",
            Self::Open => "bm_open",
        }
    }
}

/// What a call was answered: strings and numbers in a row.
pub type Reply = Vec<Vec<u8>>;

/// A cluster that is asked.
pub struct Cluster {
    client: ClusterClient,
    connection: Option<ClusterConnection>,
    identity: String,
}

impl Cluster {
    /// A cluster; nothing is asked yet.
    ///
    /// # Errors
    /// When the certificates are none, or no member has an address.
    pub fn new(access: &Access) -> Result<Self, Trouble> {
        let members: Vec<ConnectionInfo> =
            access.members.iter().filter_map(|member| access.info(member)).collect();
        let builder = ClusterClient::builder(members)
            .username(access.user)
            .password(access.password.as_str())
            .connection_timeout(PATIENCE)
            .response_timeout(PATIENCE)
            .retries(RETRIES);
        let builder = match access.tls() {
            None => builder,
            Some(tls) => builder.certs(tls),
        };
        let client = builder.build().map_err(|error| Trouble::from(&error))?;
        Ok(Self { client, connection: None, identity: access.identity() })
    }

    /// Makes these calls, one after the other, until one is refused; answers in their order.
    ///
    /// # Errors
    /// The first that is refused, or why the cluster does not answer.
    pub fn call(&mut self, calls: &[Call]) -> Result<Vec<Reply>, Trouble> {
        let result = self.try_call(calls);
        // Whatever went wrong, the next call starts with the cluster as it is then.
        if result.is_err() {
            self.connection = None;
        }
        result
            .map_err(|error| Trouble::from(&error))
            .and_then(|values| values.into_iter().map(reply).collect())
    }

    fn try_call(&mut self, calls: &[Call]) -> Result<Vec<Value>, RedisError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.client.get_connection()?),
        };
        // One after the other: calls that are made at once wait for a server that hangs once for each of them.
        calls.iter().map(|call| command(call, &self.identity).query(connection)).collect()
    }
}

fn command(call: &Call, identity: &str) -> Cmd {
    let mut command = cmd("FCALL");
    command.arg(call.function.name()).arg(call.keys.len());
    call.keys.iter().for_each(|key| {
        command.arg(&key.0[..]);
    });
    command.arg(identity);
    call.arguments.iter().for_each(|argument| {
        command.arg(&argument[..]);
    });
    command
}

fn reply(value: Value) -> Result<Reply, Trouble> {
    let one = |value| match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        _ => Err(Trouble::Answer),
    };
    match value {
        Value::Array(values) => values.into_iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}
