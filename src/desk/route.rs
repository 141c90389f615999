//! Every path of the desk: how it is asked for, and who may.

use super::staff::Caller;

/// What is served.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Home,
    Account,
    Fleet,
    Flagged,
    Node,
    Rights,
    Export,
    Correct,
    Erase,
    Approve,
    Audit,
    Style,
    ApiAccount,
    ApiFleet,
    ApiFlagged,
    ApiNode,
    ApiExport,
    ApiCorrect,
    ApiErase,
    ApiPending,
    ApiApprove,
    ApiAudit,
    Description,
}

/// How a path is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
}

impl Method {
    /// The words of an `Allow` header.
    pub(super) const fn allowed(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
        }
    }
}

impl Route {
    const ALL: [(&'static str, Self); 23] = [
        ("/", Self::Home),
        ("/account", Self::Account),
        ("/account/fleet", Self::Fleet),
        ("/flagged", Self::Flagged),
        ("/node", Self::Node),
        ("/rights", Self::Rights),
        ("/rights/export", Self::Export),
        ("/rights/correct", Self::Correct),
        ("/rights/erase", Self::Erase),
        ("/rights/approve", Self::Approve),
        ("/rights/audit", Self::Audit),
        ("/style.css", Self::Style),
        ("/api/v1/account", Self::ApiAccount),
        ("/api/v1/account/fleet", Self::ApiFleet),
        ("/api/v1/flagged", Self::ApiFlagged),
        ("/api/v1/node", Self::ApiNode),
        ("/api/v1/rights/export", Self::ApiExport),
        ("/api/v1/rights/correct", Self::ApiCorrect),
        ("/api/v1/rights/erase", Self::ApiErase),
        ("/api/v1/rights/pending", Self::ApiPending),
        ("/api/v1/rights/approve", Self::ApiApprove),
        ("/api/v1/rights/audit", Self::ApiAudit),
        ("/api/v1/openapi.json", Self::Description),
    ];

    /// What is at this path.
    pub(super) fn at(path: &str) -> Option<Self> {
        Self::ALL.iter().find(|(at, _)| *at == path).map(|(_, route)| *route)
    }

    pub(super) const fn method(self) -> Method {
        match self {
            Self::Account
            | Self::Fleet
            | Self::Export
            | Self::Correct
            | Self::Erase
            | Self::Approve
            | Self::ApiAccount
            | Self::ApiFleet
            | Self::ApiExport
            | Self::ApiCorrect
            | Self::ApiErase
            | Self::ApiApprove => Method::Post,
            _ => Method::Get,
        }
    }

    /// Whether somebody with a role may ask for it.
    pub(super) const fn is_open_to(self, caller: &Caller) -> bool {
        match self {
            Self::Home | Self::Node | Self::Style | Self::ApiNode | Self::Description => true,
            Self::Account
            | Self::Fleet
            | Self::Flagged
            | Self::ApiAccount
            | Self::ApiFleet
            | Self::ApiFlagged => caller.is_support(),
            _ => caller.is_privacy(),
        }
    }
}
