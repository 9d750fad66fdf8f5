//! A naive parser of hashtags, and the alphabet from which texts are generated.

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

/// Whether a hashtag may contain the character. Only real texts have characters outside the
/// alphabet.
fn is_inside(c: char) -> bool {
    use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};
    let letter = || c.general_category_group() == GeneralCategoryGroup::Letter;
    let digit = || c.general_category() == GeneralCategory::DecimalNumber;
    INSIDE.contains(&c) || !OUTSIDE.contains(&c) && (letter() || digit())
}

/// The hashtags of a text, found character by character.
pub(crate) fn hashtags(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current: Option<String> = None;
    for c in text.chars() {
        if is_inside(c) {
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
