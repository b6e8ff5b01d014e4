//! The revisions of the protocol, and what differs between them.

/// A revision of the Model Context Protocol, older ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// The first: HTTP+SSE and stdio.
    V2024_11_05,
    /// Streamable HTTP, batches, audio, annotations.
    V2025_03_26,
    /// Structured results, titles, resource links; no batches any more.
    V2025_06_18,
    /// The newest with a handshake.
    V2025_11_25,
    /// Stateless: no handshake, everything in each request.
    V2026_07_28,
}

impl Revision {
    /// The newest revision that begins with `initialize`.
    pub const NEWEST_LEGACY: Revision = Revision::V2025_11_25;

    /// What a client on Streamable HTTP speaks that names no revision.
    pub const UNNAMED: Revision = Revision::V2025_03_26;

    /// Every revision that is served, older ones first.
    pub const ALL: [Revision; 5] = [
        Revision::V2024_11_05,
        Revision::V2025_03_26,
        Revision::V2025_06_18,
        Revision::V2025_11_25,
        Revision::V2026_07_28,
    ];

    /// The revision as it stands in messages.
    pub fn word(self) -> &'static str {
        match self {
            Revision::V2024_11_05 => "2024-11-05",
            Revision::V2025_03_26 => "2025-03-26",
            Revision::V2025_06_18 => "2025-06-18",
            Revision::V2025_11_25 => "2025-11-25",
            Revision::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of this name, if it is served.
    pub fn named(word: &str) -> Option<Revision> {
        Revision::ALL
            .into_iter()
            .find(|revision| revision.word() == word)
    }

    /// What `initialize` answers to a client that asks for `word`: the same where it has a handshake, else the
    /// newest that has one. Never an error, and never the stateless revision.
    pub fn negotiated(word: &str) -> Revision {
        Revision::named(word)
            .filter(|revision| revision.is_legacy())
            .unwrap_or(Revision::NEWEST_LEGACY)
    }

    /// Whether it begins with a handshake.
    pub fn is_legacy(self) -> bool {
        self < Revision::V2026_07_28
    }

    /// Whether a word has the form of a revision that is at least as new as the stateless one.
    pub fn is_modern_word(word: &str) -> bool {
        let dated = word.len() == 10
            && word
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_digit());
        dated && word >= Revision::V2026_07_28.word()
    }

    /// Whether results may carry `structuredContent`, resource links and titles.
    pub fn has_structured_results(self) -> bool {
        self >= Revision::V2025_06_18
    }

    /// Whether content may be audio; annotations and completions came with it.
    pub fn has_audio(self) -> bool {
        self >= Revision::V2025_03_26
    }

    /// Whether a server may ask a client to put a form before its user.
    pub fn has_elicitation(self) -> bool {
        self >= Revision::V2025_06_18
    }

    /// Whether a message may be an array of messages.
    pub fn has_batches(self) -> bool {
        self == Revision::V2025_03_26
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_revision_with_a_handshake_is_answered_with_itself() {
        for revision in Revision::ALL
            .into_iter()
            .filter(|revision| revision.is_legacy())
        {
            assert_eq!(Revision::negotiated(revision.word()), revision);
        }
    }

    #[test]
    fn any_other_revision_is_answered_with_the_newest_that_has_a_handshake() {
        for word in ["2026-07-28", "2099-01-01", "1.0", ""] {
            assert_eq!(Revision::negotiated(word), Revision::V2025_11_25);
        }
    }
}
