//! The limits of what staff may ask, saved before that is told which they guard: a process that is killed right after
//! an answer has forgotten nothing of it.
//!
//! Holds the way to the store and two counts; what is saved, `checkpoint` says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Mutex;

/// Saves, under a new key where that is asked for; false where that failed.
pub(super) type Save = Box<dyn Fn(bool) -> bool + Send + Sync>;

/// What is asked under a limit, and what of it is saved.
#[derive(Default)]
pub(super) struct KeptLimits {
    /// None in memory mode, where all ends with the process.
    save: OnceLock<Save>,
    /// Whose turn it is: no epoch closes during a save.
    pub(super) turns: Arc<Mutex<()>>,
    asked: AtomicU64,
    kept: AtomicU64,
    /// What an earlier save holds is to be readable for nobody.
    outdated: AtomicBool,
}

impl KeptLimits {
    /// From here on, there is a store.
    pub(super) fn save_by(&self, save: Save) {
        // Called once, at the start.
        let _ = self.save.set(save);
    }

    /// Something was asked under a limit, and counted.
    pub(super) fn asked(&self) {
        // Relaxed: the node's lock orders it with what is counted.
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Something was corrected or erased: the next save that is asked for takes the key of the earlier ones away.
    pub(super) fn outdate(&self) {
        self.outdated.store(true, Ordering::Relaxed);
        self.asked();
    }

    /// Whether there is a store.
    pub(super) fn is_kept(&self) -> bool {
        self.save.get().is_some()
    }

    /// Saves what was counted so far; false where it could not be. The cadence of saves stays what it is.
    pub(super) async fn keep(self: &Arc<Self>) -> bool {
        if self.save.get().is_none() {
            return true;
        }
        let turn = Arc::clone(&self.turns).lock_owned().await;
        let asked = self.asked.load(Ordering::Relaxed);
        if self.kept.load(Ordering::Relaxed) == asked {
            return true;
        }
        let limits = Arc::clone(self);
        let saving = tokio::task::spawn_blocking(move || {
            let outdated = limits.outdated.swap(false, Ordering::Relaxed);
            let is_saved = limits.save.get().is_some_and(|save| save(outdated));
            if outdated && !is_saved {
                limits.outdated.store(true, Ordering::Relaxed);
            }
            if is_saved {
                limits.kept.store(asked, Ordering::Relaxed);
            }
            // Whoever asked may be gone before it is done.
            drop(turn);
            is_saved
        });
        saving.await.unwrap_or(false)
    }
}
