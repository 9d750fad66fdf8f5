//! A row of a view as ordered bytes.

/// One row of a view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The ordered bytes of the key.
    pub key: Vec<u8>,
    /// The ordered bytes of the value.
    pub value: Vec<u8>,
    /// The multiplicity of the row; never zero.
    pub multiplicity: isize,
}
