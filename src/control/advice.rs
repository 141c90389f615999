//! What support is told about a flag: how urgent it is, and what to do, in two languages.
//!
//! Constant texts alone: nothing of an account is in them. The one place of these texts.

use crate::config::Language;
use crate::meter::flags::kind::{Kind, List};

/// How urgent a flag is.
#[must_use]
pub const fn severity(kind: Kind) -> &'static str {
    match kind {
        Kind::PacketFlood => "highest",
        Kind::Stall => "high",
        Kind::Upload => "medium",
        Kind::UploadDrift => "low",
        Kind::Heavy | Kind::Surge | Kind::Unusual => "information",
    }
}

/// The list that a kind belongs to.
#[must_use]
pub const fn list(kind: Kind) -> &'static str {
    match kind.list() {
        List::Contact => "contact",
        List::Information => "information",
    }
}

/// What to do about a flag.
#[must_use]
pub const fn advice(kind: Kind, language: Language) -> &'static str {
    match language {
        Language::English => english(kind),
        Language::French => french(kind),
    }
}

const fn english(kind: Kind) -> &'static str {
    match kind {
        Kind::Stall => {
            "Sends and gets nothing back: service interruption. Apologise; suggest another node; check ours."
        }
        Kind::PacketFlood => "Very many small packets, few answers: a scan, a flood, a broken app.",
        Kind::Upload => {
            "A device sends much more than it receives: backup, sharing, or malware. Ask whether the user \
             recognises it."
        }
        Kind::UploadDrift => "Raised uploads for many periods in a row.",
        Kind::Surge => {
            "Usage far above this account's own usual level, two days or more: a new device, or a key in other \
             hands."
        }
        Kind::Unusual => "Unlike this account's own past, in no way that has a name.",
        Kind::Heavy => {
            "Usually far above the other accounts of this node. Bandwidth is unlimited: no reason to write."
        }
    }
}

const fn french(kind: Kind) -> &'static str {
    match kind {
        Kind::Stall => {
            "Envoie sans rien recevoir : interruption de service. Présenter des excuses ; proposer un autre nœud ; \
             vérifier le nôtre."
        }
        Kind::PacketFlood => {
            "De très nombreux petits paquets, peu de réponses : un balayage, une inondation, une application \
             défectueuse."
        }
        Kind::Upload => {
            "Un appareil envoie bien plus qu'il ne reçoit : sauvegarde, partage ou logiciel malveillant. Demander à \
             l'utilisateur s'il le reconnaît."
        }
        Kind::UploadDrift => "Des envois plus élevés que d'habitude depuis de nombreuses périodes.",
        Kind::Surge => {
            "Un usage bien au-dessus du niveau habituel de ce compte, deux jours ou plus : un nouvel appareil, ou une \
             clé en d'autres mains."
        }
        Kind::Unusual => "Différent du passé de ce compte, d'une façon qui n'a pas de nom.",
        Kind::Heavy => {
            "D'habitude bien au-dessus des autres comptes de ce nœud. La bande passante est illimitée : aucune raison \
             d'écrire."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_advice_in_every_language() {
        let texts: Vec<&str> = Language::ALL
            .into_iter()
            .flat_map(|language| Kind::ALL.map(|kind| advice(kind, language)))
            .collect();
        let mut different = texts.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), 2 * Kind::ALL.len());
        assert!(texts.iter().all(|text| text.len() > 30 && text.ends_with('.')));
    }

    #[test]
    fn kinds_are_sorted_by_how_urgent_they_are() {
        let order = ["highest", "high", "medium", "low", "information"];
        let ranks = Kind::BY_SEVERITY.map(|kind| order.iter().position(|word| *word == severity(kind)));
        assert!(ranks.is_sorted());
        // Whoever is to be written to comes first.
        assert!(Kind::BY_SEVERITY.map(|kind| list(kind) == "information").is_sorted());
    }
}
