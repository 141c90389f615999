//! freeradius' radclient, which sends one request and waits for its answer.

use crate::netns::Namespace;
use std::io::Write;
use std::process::{Command, Stdio};

/// The secret that daemon and servers share.
pub(crate) const SECRET: &str = "the-secret-of-these-servers";

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tell {
    /// It was answered, and the answer was signed.
    Answered,
    /// No answer came.
    Silent,
}

/// Sends an accounting request of these attributes to the port that is the default.
pub(crate) fn radclient(namespace: &Namespace, secret: &str, attributes: &str) -> Tell {
    at(namespace, 1813, secret, attributes)
}

/// The same to another port.
pub(crate) fn at(namespace: &Namespace, port: u16, secret: &str, attributes: &str) -> Tell {
    let (secret, attributes) = (secret.to_owned(), attributes.to_owned());
    let output = namespace.run(move || {
        let mut command = Command::new("radclient");
        command.args(["-r", "1", "-t", "2", &format!("127.0.0.1:{port}"), "acct", &secret]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("freeradius-utils is installed (tests/run)");
        let mut input = child.stdin.take().expect("it has one");
        writeln!(input, "{attributes}").expect("radclient reads");
        drop(input);
        child.wait_with_output().expect("radclient ends")
    });
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(
        said.contains("Sent Accounting-Request") && !said.contains("verification failed"),
        "radclient: {said}"
    );
    if output.status.success() { Tell::Answered } else { Tell::Silent }
}
