//! What is said to the daemon by others than packets, and every byte that it answers: requests for
//! pages, good and bad ones, and every request of the control socket.

use crate::netns::Namespace;
use crate::netns::daemon::PORT;
use crate::plan::{Owner, Plan};
use crate::support::wait::{TIMEOUT, wait_for};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// All answers so far.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) pages: Vec<u8>,
    pub(crate) control: Vec<u8>,
}

/// The control socket of a daemon.
pub(crate) struct Control(pub(crate) PathBuf);

impl Control {
    /// One request with the text behind it; the answer.
    fn ask(&self, request: &serde_json::Value, text: &str) -> Vec<u8> {
        let mut stream = UnixStream::connect(&self.0).expect("the daemon serves its socket");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout can be set");
        stream.write_all(format!("{request}\n{text}").as_bytes()).expect("the daemon reads");
        let mut answer = Vec::new();
        BufReader::new(&stream).read_until(b'\n', &mut answer).expect("the daemon answers");
        assert!(answer.ends_with(b"\n"), "an answer is a line");
        answer
    }

    pub(crate) fn assign(&self, owner: &Owner, answers: &mut Answers) {
        let request = serde_json::json!({"op": "assign", "prefix": owner.prefix(), "account": owner.name});
        self.must(&request, "", answers);
    }

    pub(crate) fn release(&self, owner: &Owner, answers: &mut Answers) {
        self.must(&serde_json::json!({"op": "unassign", "prefix": owner.prefix()}), "", answers);
    }

    pub(crate) fn sync(&self, owners: &[Owner], answers: &mut Answers) {
        let text: String = owners.iter().map(Owner::line).collect();
        let text = format!("prefix,account\n{text}");
        self.must(&serde_json::json!({"op": "sync", "bytes": text.len()}), &text, answers);
    }

    /// Asks for a change until it is made: a tap that has too much to do may say that nothing was changed.
    fn must(&self, request: &serde_json::Value, text: &str, answers: &mut Answers) {
        wait_for("a change", || {
            let answer = self.ask(request, text);
            let done = answer.starts_with(b"{\"done\"");
            answers.control.extend(answer);
            done.then_some(())
        });
    }

    /// Everything that can be asked without a change. An answer about an account may name that one.
    pub(crate) fn look(&self, plan: &Plan, round: usize, answers: &mut Answers) {
        let held: Vec<&Owner> = plan.held().chain(plan.former()).collect();
        let name = &held[round % held.len()].name;
        for name in [name, &plan.nobody, &plan.probe] {
            for request in [
                serde_json::json!({"op": "show", "account": name}),
                serde_json::json!({"op": "export", "account": name, "open_epoch": true}),
            ] {
                let answer = String::from_utf8(self.ask(&request, "")).expect("answers are text");
                answers.control.extend(answer.replace(name.as_str(), "").bytes());
            }
        }
        for request in [
            serde_json::json!({"op": "counts"}),
            serde_json::json!({"op": "status"}),
            serde_json::json!({"op": "export_node"}),
            serde_json::json!({"op": "unassign", "prefix": format!("{}/32", plan.nobody)}),
            serde_json::json!({"op": plan.nobody}),
        ] {
            answers.control.extend(self.ask(&request, ""));
        }
    }

    /// A connection that asked for an account, has its answer, and stays open.
    pub(crate) fn stay(&self, account: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.0).expect("the daemon serves its socket");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout can be set");
        let request = serde_json::json!({"op": "show", "account": account});
        stream.write_all(format!("{request}\n").as_bytes()).expect("the daemon reads");
        BufReader::new(&stream).read_until(b'\n', &mut Vec::new()).expect("the daemon answers");
        stream
    }

    /// Waits until everything that arrived is counted. Gives the packets.
    pub(crate) fn settle(&self, answers: &mut Answers) -> usize {
        let answer = self.ask(&serde_json::json!({"op": "export_node"}), "");
        let node: serde_json::Value = serde_json::from_slice(&answer).expect("an answer is JSON");
        answers.control.extend(answer);
        let packets = |class: &str| {
            let ways = ["up_packets", "down_packets"];
            ways.iter().filter_map(|way| node.pointer(&format!("/node/{class}/{way}"))?.as_u64()).sum::<u64>()
        };
        usize::try_from(packets("attributed") + packets("unattributed")).expect("a count")
    }
}

/// Asks for pages that there are, and for others; some of it is said by a visitor.
pub(crate) fn visit(namespace: &Namespace, plan: &Plan, answers: &mut Answers) {
    let [path, header] = plan.visitor.clone();
    let requests = [
        format!("GET /metrics HTTP/1.1\r\nHost: node\r\nUser-Agent: {header}\r\nConnection: close\r\n\r\n"),
        format!("GET /{path}?{header} HTTP/1.1\r\nHost: {path}\r\nConnection: close\r\n\r\n"),
        format!("GET /-/ready HTTP/1.1\r\nHost: {header}\r\n{path}: {header}\r\nConnection: close\r\n\r\n"),
        format!("{path} {header}\r\n\r\n"),
    ];
    let said = namespace.run(move || {
        let mut said = Vec::new();
        for request in requests {
            let mut stream = TcpStream::connect(("127.0.0.1", PORT))?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut said)?;
        }
        Ok::<_, std::io::Error>(said)
    });
    answers.pages.extend(said.expect("the daemon serves its pages"));
}
