//! Which characters a log must not have as they are: one rule for the component's access log and for the runtime's own lines.

/// Whether a line of a log would not show what it says if it had this character: control characters of ASCII and Latin-1, of which a
/// terminal obeys some, Unicode's line and paragraph separators, and what changes the direction of the text around it
/// (`Bidi_Control`).
#[must_use]
pub fn must_be_escaped(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_separators_and_changes_of_direction_are_escaped() {
        for range in ['\0'..='\u{1f}', '\u{7f}'..='\u{9f}', '\u{2028}'..='\u{202e}', '\u{2066}'..='\u{2069}'] {
            assert!(range.clone().all(must_be_escaped), "{range:?}");
        }
        assert!("\u{61c}\u{200e}\u{200f}".chars().all(must_be_escaped));
    }

    #[test]
    fn other_characters_stay() {
        let others = "\u{20}~\u{a0}é✓🦀\u{61b}\u{200d}\u{2010}\u{2027}\u{202f}\u{2065}\u{206a}\u{10ffff}";
        assert!(!others.chars().any(must_be_escaped));
    }
}
