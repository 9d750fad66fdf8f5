//! Hashtags by hand: the alphabet that texts are generated from, with what each letter is.

/// Letters (L*), decimal digits (Nd) and `_`: what a hashtag may hold.
const INSIDE: &[char] =
    &['a', 'b', 'B', 'é', 'É', 'ß', 'İ', 'Σ', 'ς', 'ǅ', 'ʰ', 'ع', '愛', 'ๆ', '7', '0', '٣', '_'];

/// Marks (Mn), other numbers (No, Nl), signs, emoji, spaces and `#` itself: what ends one.
const OUTSIDE: &[char] = &[
    '#', '#', '#', ' ', ' ', '\n', '\u{a0}', '\u{301}', '\u{200d}', '²', 'Ⅷ', '-', '.', '@', '😀',
    '\0',
];

/// Every character that texts are made of.
pub(crate) fn alphabet() -> Vec<char> {
    INSIDE.iter().chain(OUTSIDE).copied().collect()
}

/// The hashtags of a text over the alphabet: character by character.
pub(crate) fn hashtags(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current: Option<String> = None;
    for c in text.chars() {
        assert!(alphabet().contains(&c), "{c:?} is not in the alphabet of the naive hashtags");
        if INSIDE.contains(&c) {
            if let Some(tag) = &mut current {
                tag.push(c);
            }
            continue;
        }
        found.extend(current.take());
        if c == '#' {
            current = Some(String::new());
        }
    }
    found.extend(current);
    found.retain(|tag| !tag.is_empty());
    found.iter().map(|tag| tag.to_lowercase()).collect()
}
