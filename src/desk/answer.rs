//! The desk itself: from a request to the handler's answer, and what its refusals are here.
//!
//! The caller's role was checked by the route; the handler keeps the limits.

use super::guard::{Form, Refusal};
use super::staff::Caller;
use super::state::{Senders, State};
use crate::config::Language;
use crate::control::fleet_reports::FleetView;
use crate::control::handler::Handler;
use crate::control::protocol::{Answer, Request, StatusReport};
use crate::control::reports::{AccountExport, AccountView, ExportPlan, FlaggedReport};
use crate::control::rights::{AuditReport, Correction, Erasure, PendingReport};
use crate::environment::Environment;
use crate::exit::ExitStatus;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The desk of a running daemon.
pub struct Desk<E: Environment> {
    pub(super) handler: Arc<Handler<E>>,
    pub(super) settings: ArcSwap<Settings>,
}

/// What a reload may change.
#[derive(Default)]
pub struct Settings {
    /// Set at the demo's desk alone, which asks nobody to log in.
    pub open: Option<OpenDesk>,
    /// The provider's language.
    pub language: Language,
    /// The node's name.
    pub node_name: String,
}

/// A desk of made-up accounts.
pub struct OpenDesk {
    /// Whom everybody is taken for.
    pub log_in: &'static str,
    /// Names of the accounts, one a line, since no file names them.
    pub names: String,
}

impl<E: Environment> Desk<E> {
    /// A desk that refuses everybody until [`Desk::set`] is called.
    #[must_use]
    pub fn new(handler: Arc<Handler<E>>) -> Self {
        Self { handler, settings: ArcSwap::default() }
    }

    /// Puts settings in force.
    pub fn set(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }
}

/// What the page of an account shows.
pub(super) struct Account {
    pub(super) view: AccountView,
    pub(super) node: Node,
}

/// What the page of the node shows.
pub(super) struct Node {
    pub(super) status: Box<StatusReport>,
    /// Whether flags are on, and what the senders of the last epoch said.
    pub(super) senders: Senders,
    pub(super) state: State,
}

impl<E: Environment> Desk<E> {
    async fn ask(&self, caller: &Caller, request: Request) -> Result<Answer, Refusal> {
        let names = match &request {
            Request::Flagged { .. } => self.names(),
            _ => Vec::new(),
        };
        if self.handler.refusal(&request, &caller.peer).is_some() {
            return Err(Refusal::Role);
        }
        match self.handler.answer(request, &caller.peer, names).await {
            Answer::Error { code, message } => Err(refusal(code, message)),
            Answer::Waits(waiting) => Err(Refusal::Waits(waiting)),
            answer => Ok(answer),
        }
    }

    /// Names that no file has: of the demo's accounts.
    fn names(&self) -> Vec<u8> {
        let settings = self.settings.load();
        settings.open.as_ref().map_or_else(Vec::new, |open| open.names.clone().into_bytes())
    }

    /// The band and the flags of the account that a form names.
    pub(super) async fn view(&self, caller: &Caller, form: &Form) -> Result<AccountView, Refusal> {
        let request = Request::Show { account: form.account()?.to_owned() };
        match self.ask(caller, request).await? {
            Answer::Account(view) => Ok(view),
            _ => Err(unexpected()),
        }
    }

    /// The same, and the state of the node.
    pub(super) async fn account(&self, caller: &Caller, form: &Form) -> Result<Account, Refusal> {
        let view = self.view(caller, form).await?;
        Ok(Account { view, node: self.node(caller).await? })
    }

    /// The account that a form names, over the whole fleet.
    pub(super) async fn fleet(&self, caller: &Caller, form: &Form) -> Result<FleetView, Refusal> {
        match self.ask(caller, Request::FleetShow { account: form.account()?.to_owned() }).await? {
            Answer::FleetAccount(view) => Ok(view),
            _ => Err(unexpected()),
        }
    }

    /// Everybody who carries a flag.
    pub(super) async fn flagged(&self, caller: &Caller) -> Result<FlaggedReport, Refusal> {
        self.list(caller, true).await
    }

    async fn list(&self, caller: &Caller, both: bool) -> Result<FlaggedReport, Refusal> {
        let request = Request::Flagged { contact: both, information: both, bytes: 0 };
        match self.ask(caller, request).await? {
            Answer::Flagged(report) => Ok(report),
            _ => Err(unexpected()),
        }
    }

    /// The state of the node.
    pub(super) async fn node(&self, caller: &Caller) -> Result<Node, Refusal> {
        let Answer::Status(status) = self.ask(caller, Request::Status {}).await? else {
            return Err(unexpected());
        };
        // Whether many are cut off is told with the flags, and to support.
        let senders = if caller.is_support() {
            Senders::of(&self.list(caller, false).await?)
        } else {
            Senders::Unasked
        };
        let state = State::of(&status, senders);
        Ok(Node { status, senders, state })
    }

    /// What an export would give and use up.
    pub(super) async fn plan(&self, caller: &Caller, form: &Form) -> Result<ExportPlan, Refusal> {
        let account = form.account()?.to_owned();
        let request = Request::PlanExport { account, open_epoch: form.has("open_epoch") };
        match self.ask(caller, request).await? {
            Answer::ExportPlan(plan) => Ok(plan),
            _ => Err(unexpected()),
        }
    }

    /// Everything held about the account that a form names.
    pub(super) async fn export(&self, caller: &Caller, form: &Form) -> Result<AccountExport, Refusal> {
        let account = form.account()?.to_owned();
        let request = Request::Export { account, open_epoch: form.has("open_epoch") };
        match self.ask(caller, request).await? {
            Answer::Export(export) => Ok(export),
            _ => Err(unexpected()),
        }
    }

    /// Puts right what is held about the account that a form names.
    pub(super) async fn correct(&self, caller: &Caller, form: &Form) -> Result<Correction, Refusal> {
        let request = Request::Correct {
            account: form.account()?.to_owned(),
            up: form.number("up_bytes")?,
            down: form.number("down_bytes")?,
            reason: form.get("reason").unwrap_or_default().to_owned(),
            fleet: form.has("fleet"),
        };
        match self.ask(caller, request).await? {
            Answer::Corrected(receipt) => Ok(receipt),
            _ => Err(unexpected()),
        }
    }

    /// Erases what is held about the account that a form names.
    pub(super) async fn erase(&self, caller: &Caller, form: &Form) -> Result<Erasure, Refusal> {
        match self.ask(caller, Request::Erase { account: form.account()?.to_owned() }).await? {
            Answer::Erased(receipt) => Ok(receipt),
            _ => Err(unexpected()),
        }
    }

    /// What waits for a second officer's word.
    pub(super) async fn pending(&self, caller: &Caller) -> Result<PendingReport, Refusal> {
        match self.ask(caller, Request::Pending {}).await? {
            Answer::Pending(report) => Ok(report),
            _ => Err(unexpected()),
        }
    }

    /// Gives a second officer's word.
    pub(super) async fn approve(&self, caller: &Caller, form: &Form) -> Result<PendingReport, Refusal> {
        match self.ask(caller, Request::Approve { id: form.number("id")? }).await {
            // There is no limit of approvals: what is not permitted is one's own.
            Err(Refusal::Limit(line)) => Err(Refusal::SamePerson(line)),
            Err(refusal) => Err(refusal),
            Ok(_) => self.pending(caller).await,
        }
    }

    /// What staff did.
    pub(super) async fn audit(&self, caller: &Caller) -> Result<AuditReport, Refusal> {
        match self.ask(caller, Request::Audit {}).await? {
            Answer::Audit(report) => Ok(report),
            _ => Err(unexpected()),
        }
    }
}

/// A refusal of the handler. It never says that a role is missing, since the route has checked that: what is not
/// permitted is a limit.
fn refusal(code: u8, message: String) -> Refusal {
    match ExitStatus::of_number(code) {
        ExitStatus::Permission => Refusal::Limit(message),
        ExitStatus::Usage => Refusal::Wrong(message),
        ExitStatus::Found => Refusal::Missing(message),
        _ => Refusal::Failed(message),
    }
}

fn unexpected() -> Refusal {
    Refusal::Failed("the daemon answered something else; please report this".to_owned())
}
