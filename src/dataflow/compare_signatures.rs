//! Comparison of accumulations' signatures, without the module paths of this project's types.
//!
//! A batch view records the operator and the types behind each barrier by their Rust names, with
//! paths. Types of this project may move between modules and crates, and existing files must still
//! open: so their paths are ignored. Paths of a user's types are compared: two types of one name in
//! two modules are two types.

/// Do two signatures name the same operator and types?
///
/// ```
/// use diptych_dataflow::same_signature;
///
/// let before = "diptych::dataflow::accumulation_monoids::Sum<i64, alloc::string::String>";
/// assert!(same_signature(before, "diptych_dataflow::sums::Sum<i64, alloc::string::String>"));
/// assert!(!same_signature(before, "diptych_dataflow::sums::Sum<u64, alloc::string::String>"));
/// assert!(!same_signature("mine::a::Row", "mine::b::Row"));
/// ```
pub fn same_signature(one: &str, other: &str) -> bool {
    one == other || without_our_paths(one) == without_our_paths(other)
}

fn without_our_paths(signature: &str) -> String {
    let mut plain = String::with_capacity(signature.len());
    let mut rest = signature;
    while let Some(first) = rest.chars().next() {
        let in_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let end = rest.find(|c| !in_path(c)).unwrap_or(rest.len()).max(first.len_utf8());
        let (path, after) = rest.split_at(end);
        let (root, below) = path.split_once("::").unwrap_or((path, ""));
        let ours = root == "diptych" || root.starts_with("diptych_");
        plain.push_str(match below.rsplit("::").next() {
            Some(name) if ours && !name.is_empty() => name,
            _ => path,
        });
        rest = after;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_paths_count_for_nothing() {
        let plain = "(Sum<i64, (i64, Decimal<2>)>, (i64, (i64, Decimal<2>)))";
        let mut before = plain.replace("Sum", "diptych::dataflow::accumulate::Sum");
        before = before.replace("Decimal", "diptych::event::decimal::Decimal");
        let now = before.replace("diptych::dataflow", "diptych_dataflow");
        for text in [&before, &now] {
            assert_eq!(without_our_paths(text), plain);
            assert!(same_signature(text, plain));
        }
        for text in
            ["", "i64", "mine::diptych::Row", "diptychs::a::Row<é::Ü>", "newest; a::b", "::"]
        {
            assert_eq!(without_our_paths(text), text);
        }
        assert_eq!(without_our_paths("newest; diptych::dataflow::keep::Keep"), "newest; Keep");
    }
}
