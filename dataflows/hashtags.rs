//! Parser of hashtags: `#`, then letters (L*), decimal digits (Nd) or `_`, lower-cased.

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Every hashtag of `text` in order, without its `#`, repeated ones included.
pub fn hashtags(text: &str) -> impl Iterator<Item = String> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find('#')? + 1;
            rest = &rest[start..];
            let end = rest.find(|c| !is_tag_char(c)).unwrap_or(rest.len());
            let (tag, after) = rest.split_at(end);
            rest = after;
            if !tag.is_empty() {
                return Some(tag.to_lowercase());
            }
        }
    })
}

fn is_tag_char(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    c.general_category_group() == GeneralCategoryGroup::Letter
        || c.general_category() == GeneralCategory::DecimalNumber
}
