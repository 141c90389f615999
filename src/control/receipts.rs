//! The texts of receipts, in two languages: what was erased, and what stays where until when.
//!
//! Alike for every account, whether anything was held or not. Of times days alone.

use super::rights::Remainder;
use crate::config::Language;
use crate::fleet::look_up::{Confirmed, Untold};
use crate::meter::calendar::Day;

/// What an erasure erases.
pub(super) fn erased(language: Language) -> Vec<String> {
    let texts = match language {
        Language::English => [
            "the totals of this period's closed epochs",
            "what was counted in the open epoch, and in its running tick",
            "the usage band",
            "what is usual for the account, and its flags",
            "the figures of an export made today",
        ],
        Language::French => [
            "les totaux des époques closes de cette période",
            "ce qui a été compté dans l'époque en cours, et dans son intervalle en cours",
            "la tranche d'utilisation",
            "ce qui est habituel pour le compte, et ses signalements",
            "les chiffres d'un export fait aujourd'hui",
        ],
    };
    texts.map(str::to_owned).to_vec()
}

/// What stays after an erasure on this day. `keeps`: there is a store, and it was written anew.
pub(super) fn after_erasure(today: Day, keeps: bool, language: Language) -> Vec<Remainder> {
    let (mut remains, english) = (Vec::new(), language == Language::English);
    remains.push(if english {
        remainder(
            "open kernel counters",
            "one sum of all that the account's slot has counted since the counters were made, by which nothing \
             tells when; no answer is made from it",
            "the daemon is stopped (a restart keeps them), or the host restarts",
        )
    } else {
        remainder(
            "compteurs ouverts du noyau",
            "une somme de tout ce que la place du compte a compté depuis que les compteurs existent, sans rien qui \
             dise quand ; aucune réponse n'en est tirée",
            "l'arrêt du démon (un redémarrage les garde), ou le redémarrage de l'hôte",
        )
    });
    if keeps {
        remains.extend(if english {
            [
                remainder(
                    "the blob",
                    "that same sum, as the mark from which counting goes on; nothing else: it was written anew before \
                     this receipt",
                    "the open kernel counters are gone",
                ),
                remainder(
                    "its predecessor",
                    "nothing that opens: its key is gone from the chain file; flash and journals may keep old sectors \
                     of both",
                    "the sectors are overwritten",
                ),
            ]
        } else {
            [
                remainder(
                    "le fichier scellé",
                    "cette même somme, comme repère à partir duquel le comptage continue ; rien d'autre : il a été \
                     réécrit avant ce reçu",
                    "avec les compteurs ouverts du noyau",
                ),
                remainder(
                    "son prédécesseur",
                    "rien qui s'ouvre : sa clé n'est plus dans le fichier de chaîne ; mémoire flash et journaux \
                     peuvent garder d'anciens secteurs des deux",
                    "l'écrasement des secteurs",
                ),
            ]
        });
    }
    let week = next_week(today).to_string();
    remains.extend(if english {
        [
            remainder("the roster", "the account's tag and addresses", "no source names it any more"),
            remainder("the limits of staff", "a mark of an export made this week", &week),
            remainder(
                "released totals of the node",
                "its share, under noise",
                "whoever reads them forgets them",
            ),
        ]
    } else {
        [
            remainder(
                "la liste des comptes",
                "l'étiquette du compte et ses adresses",
                "quand plus aucune source ne le nomme",
            ),
            remainder("les limites du personnel", "la marque d'un export fait cette semaine", &week),
            remainder(
                "les totaux publiés du nœud",
                "sa part, sous le bruit",
                "l'oubli par ceux qui les lisent",
            ),
        ]
    });
    remains
}

/// What stays of an erased account in the fleet, whose nodes all follow at the refresh of this day or before.
pub(super) fn in_fleet(
    confirmed: Result<Confirmed, Untold>,
    refreshed: Day,
    language: Language,
) -> Remainder {
    let all_by = Day::of_number(refreshed.number() + 1).to_string();
    match (confirmed, language) {
        (Ok(Confirmed { nodes, followed }), Language::English) => {
            let what = format!(
                "nothing in the clusters; on nodes what they still hold: {followed} of {nodes} have followed so far"
            );
            remainder("the other nodes of the fleet", &what, &all_by)
        }
        (Ok(Confirmed { nodes, followed }), Language::French) => {
            let what = format!(
                "rien dans les grappes ; sur les nœuds ce qu'ils tiennent encore : {followed} sur {nodes} ont suivi"
            );
            remainder("les autres nœuds de la flotte", &what, &all_by)
        }
        (Err(untold), Language::English) => {
            let what = format!("everything, since {untold}");
            remainder("the other nodes of the fleet", &what, "this is asked for again, and confirmed")
        }
        (Err(untold), Language::French) => {
            let what = format!("tout, car : {untold}");
            remainder("les autres nœuds de la flotte", &what, "une nouvelle demande, confirmée")
        }
    }
}

/// What stays after a correction. `refreshed`: the day of the next refresh of the bands, by the schedule.
pub(super) fn after_correction(refreshed: Day, language: Language) -> Vec<Remainder> {
    let until = refreshed.to_string();
    vec![match language {
        Language::English => remainder("the usage band", "the band of the old figures", &until),
        Language::French => remainder("la tranche d'utilisation", "la tranche des anciens chiffres", &until),
    }]
}

/// What stays of an account's old figures in the fleet after a correction, until all nodes have followed.
pub(super) fn corrected_in_fleet(
    Confirmed { nodes, followed }: Confirmed,
    refreshed: Day,
    language: Language,
) -> Remainder {
    let all_by = Day::of_number(refreshed.number() + 1).to_string();
    match language {
        Language::English => {
            let what = format!(
                "what they counted before, on themselves alone: {followed} of {nodes} have followed so far"
            );
            remainder("the other nodes of the fleet", &what, &all_by)
        }
        Language::French => {
            let what =
                format!("ce qu'ils ont compté avant, chez eux seulement : {followed} sur {nodes} ont suivi");
            remainder("les autres nœuds de la flotte", &what, &all_by)
        }
    }
}

/// The next Thursday, on which a week of the limits begins.
fn next_week(today: Day) -> Day {
    Day::of_number((today.number() / 7 + 1) * 7)
}

fn remainder(place: &str, what: &str, until: &str) -> Remainder {
    Remainder { place: place.to_owned(), what: what.to_owned(), until: until.to_owned() }
}
