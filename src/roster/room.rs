//! What is said where the roster is about to have no room left. Numbers of accounts, and no account.

/// Nearly as many accounts as there is room for; shown as what to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SmallRoom {
    accounts: u64,
    capacity: u64,
}

impl SmallRoom {
    /// Of so many accounts and so much room; none while an eighth of it is free.
    #[must_use]
    pub const fn of(accounts: u64, capacity: u64) -> Option<Self> {
        if accounts >= capacity || accounts > capacity - capacity / 8 {
            Some(Self { accounts, capacity })
        } else {
            None
        }
    }
}

impl std::fmt::Display for SmallRoom {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accounts, capacity } = self;
        let what = if accounts > capacity {
            "whoever has no room is counted as nobody"
        } else {
            "beyond that, accounts are counted as nobody"
        };
        write!(
            out,
            "store.capacity: {accounts} accounts are named, and there is room for {capacity}; {what}: raise it and restart"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_seven_eighths_on_it_is_said() {
        let told = |accounts| SmallRoom::of(accounts, 64).map(|room| room.to_string());
        assert_eq!(told(56), None);
        assert!(
            told(57).is_some_and(|text| text.contains("57 accounts") && text.contains("room for 64; beyond"))
        );
        assert!(told(65).is_some_and(|text| text.contains("whoever has no room")));
        assert!(SmallRoom::of(1, 1).is_some() && SmallRoom::of(0, 1).is_none());
    }
}
