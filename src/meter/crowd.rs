//! What is said where fewer accounts are named than an epoch needs to be released.
//!
//! Numbers of accounts, and no account.

/// Fewer accounts than an epoch needs to be released; shown as what to do about it.
#[derive(Clone, Copy)]
pub struct SmallCrowd {
    /// Accounts that the roster names.
    pub accounts: u64,
    /// Accounts that an epoch needs.
    pub crowd: u64,
    /// The least that may be configured.
    pub floor: u64,
}

impl core::fmt::Display for SmallCrowd {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { accounts, crowd, floor } = self;
        let plural = if *accounts == 1 { "" } else { "s" };
        write!(
            out,
            "release.crowd: the roster names {accounts} account{plural}, and an epoch with fewer than {crowd} active ones is \
             never released, so /metrics stays at 0; "
        )?;
        if accounts < floor {
            write!(
                out,
                "move accounts together on one node, {floor} at least; bands and exports work without"
            )
        } else {
            write!(out, "lower release.crowd (to {floor} at least), or bring more accounts here")
        }
    }
}
