//! The fleet's part of a configuration: the clusters, the fleet's key, how it is paced. Holds no secret:
//! keys and passwords are in files that are named here.
#![expect(clippy::disallowed_types, reason = "the clusters' own servers are configured here")]

use super::quantity::Seconds;
use super::raw;
use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// The fleet that this node belongs to.
#[derive(Clone, PartialEq, Eq)]
pub struct Fleet {
    /// The key of all its nodes: exactly 32 raw bytes.
    pub key_file: PathBuf,
    /// What the clusters' servers ask for: a line `ROLE:PASSWORD` for each role that this node has.
    pub credentials_file: PathBuf,
    /// One cluster, or two under different administrators.
    pub clusters: Vec<Cluster>,
    /// How long a weekly sending is spread over.
    pub spread: Duration,
    /// The smallest number of nodes whose totals are added up; none where totals are of each node.
    pub nodes: Option<u16>,
    /// On how many nodes an account is taken to be in a day.
    pub nodes_a_day: Option<u16>,
}

/// One of its clusters.
#[derive(Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Some of its members.
    pub members: Vec<SocketAddr>,
    /// Whose certificates its servers have; none for servers on this host, spoken to in clear.
    pub ca_file: Option<PathBuf>,
    /// This node's certificate and its key, where the servers ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// The letters by which clusters are called, in the order of the file.
pub const LETTERS: [char; 2] = ['A', 'B'];

/// Longest spread: a sending is over before the next close.
const LONGEST_SPREAD: u64 = 6 * 3600;

type Refused = (Range<usize>, String);

impl Fleet {
    /// Of a table; none where there is none.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn of(fleet: Option<&raw::Fleet>) -> Result<Option<Self>, Refused> {
        let Some(fleet) = fleet else { return Ok(None) };
        let clusters = fleet.cluster.as_ref();
        if !(1..=LETTERS.len()).contains(&clusters.len()) {
            let what = "fleet.cluster: expected one [[fleet.cluster]], or two under different administrators";
            return Err((fleet.cluster.span(), what.to_owned()));
        }
        let clusters = clusters.iter().map(Cluster::of).collect::<Result<Vec<_>, _>>()?;
        let spread = match &fleet.spread {
            None => 3600,
            Some(spread) if (1..=LONGEST_SPREAD).contains(&spread.as_ref().0) => spread.as_ref().0,
            Some(spread) => return Err((spread.span(), "fleet.spread: expected 1s to 6h".to_owned())),
        };
        Ok(Some(Self {
            key_file: fleet.key_file.clone(),
            credentials_file: fleet.credentials_file.clone(),
            clusters,
            spread: Duration::from_secs(spread),
            nodes: fleet.nodes.as_ref().map(|nodes| *nodes.as_ref()),
            nodes_a_day: fleet.nodes_a_day.as_ref().map(|nodes| *nodes.as_ref()),
        }))
    }

    /// As TOML.
    pub(super) fn effective(&self) -> String {
        let mut text = format!(
            "\n[fleet]\nkey_file = \"{}\"\ncredentials_file = \"{}\"\nspread = \"{}\"\n",
            self.key_file.display(),
            self.credentials_file.display(),
            Seconds(self.spread.as_secs()),
        );
        for (key, nodes) in [("nodes", self.nodes), ("nodes_a_day", self.nodes_a_day)] {
            if let Some(nodes) = nodes {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{key} = {nodes}");
            }
        }
        for cluster in &self.clusters {
            let members: Vec<String> = cluster.members.iter().map(|member| format!("\"{member}\"")).collect();
            // Writing to a String cannot fail.
            let _ = write!(text, "\n[[fleet.cluster]]\nmembers = [{}]\n", members.join(", "));
            if let Some(file) = &cluster.ca_file {
                let _ = writeln!(text, "ca_file = \"{}\"", file.display());
            }
            if let Some((certificate, key)) = &cluster.certificate {
                let _ = writeln!(
                    text,
                    "certificate_file = \"{}\"\nprivate_key_file = \"{}\"",
                    certificate.display(),
                    key.display()
                );
            }
        }
        text
    }

    /// Every file that is read for it.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let certificates = self.clusters.iter().flat_map(|cluster| {
            let own = cluster.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
            cluster.ca_file.iter().chain(own)
        });
        [&self.key_file, &self.credentials_file].into_iter().chain(certificates)
    }
}

impl Cluster {
    fn of(cluster: &raw::FleetCluster) -> Result<Self, Refused> {
        let written = cluster.members.as_ref();
        if written.is_empty() {
            let what =
                "fleet.cluster.members: name at least one server, like \"192.0.2.1:6379\"; three are better";
            return Err((cluster.members.span(), what.to_owned()));
        }
        let mut members = Vec::with_capacity(written.len());
        for member in written {
            let address: SocketAddr = member.as_ref().parse().map_err(|_| {
                let what = "fleet.cluster.members: expected ADDRESS:PORT, like \"192.0.2.1:6379\" or \"[2001:db8::1]:6379\"";
                (member.span(), what.to_owned())
            })?;
            if members.contains(&address) {
                return Err((member.span(), "fleet.cluster.members: listed twice; keep one".to_owned()));
            }
            members.push(address);
        }
        let certificate = match (&cluster.certificate_file, &cluster.private_key_file) {
            (Some(certificate), Some(key)) => Some((certificate.as_ref().clone(), key.as_ref().clone())),
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => {
                let what =
                    "fleet.cluster: certificate_file and private_key_file go together; name both, or none";
                return Err((one.span(), what.to_owned()));
            }
        };
        let is_here = members.iter().all(|member| member.ip().is_loopback());
        if cluster.ca_file.is_none() && !is_here {
            let what = "fleet.cluster.members: servers on other hosts are spoken to by TLS alone; name their authority's \
                        certificate as ca_file";
            return Err((cluster.members.span(), what.to_owned()));
        }
        Ok(Self { members, ca_file: cluster.ca_file.clone(), certificate })
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    const HEAD: &str = "[tap]\ninterfaces = [\"wg0\"]\n[store]\nmode = \"memory\"\n[fleet]\nkey_file = \"/k\"\n\
                        credentials_file = \"/c\"\n";

    fn fleet(text: &str) -> Result<Fleet, String> {
        let parsed = parse(&format!("{HEAD}{text}"));
        parsed.map(|config| config.fleet.expect("a table")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_fleet_has_its_defaults_and_is_written_as_it_is_read() {
        let fleet = fleet(
            "[[fleet.cluster]]\nmembers = [\"127.0.0.1:7001\"]\n[[fleet.cluster]]\nmembers = [\"192.0.2.1:6379\"]\n\
             ca_file = \"/ca\"\ncertificate_file = \"/crt\"\nprivate_key_file = \"/key\"\n",
        )
        .expect("good");
        assert_eq!(fleet.spread, Duration::from_secs(3600));
        assert_eq!(fleet.files().count(), 5);
        let again = parse(&format!(
            "[tap]\ninterfaces = [\"wg0\"]\n[store]\nmode = \"memory\"\n{}",
            fleet.effective()
        ));
        assert!(again.expect("what is printed is read").fleet == Some(fleet));
        assert!(parse("[tap]\ninterfaces = [\"wg0\"]\n").expect("good").fleet.is_none());
    }

    #[test]
    fn a_bad_fleet_is_named_by_its_line_and_key() {
        let one = "[[fleet.cluster]]\nmembers = [\"127.0.0.1:7001\"]\n";
        for (table, line, named) in [
            (String::new(), 5, "missing field `cluster`"),
            (format!("{one}{one}{one}"), 8, "expected one [[fleet.cluster]]"),
            (format!("spread = \"7h\"\n{one}"), 8, "spread: expected"),
            ("[[fleet.cluster]]\nmembers = []\n".to_owned(), 9, "name at least one server"),
            ("[[fleet.cluster]]\nmembers = [\"redis:1\"]\n".to_owned(), 9, "expected ADDRESS:PORT"),
            ("[[fleet.cluster]]\nmembers = [\"[::1]:1\", \"[::1]:1\"]\n".to_owned(), 9, "listed twice"),
            ("[[fleet.cluster]]\nmembers = [\"192.0.2.1:1\"]\n".to_owned(), 9, "by TLS alone"),
            (format!("{one}certificate_file = \"/x\"\n"), 10, "go together"),
            (format!("{one}password = \"x\"\n"), 10, "unknown field"),
        ] {
            let error = fleet(&table).err().expect("it is bad");
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(named), "{error}");
        }
    }
}
