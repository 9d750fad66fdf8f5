//! Who may do what: roles, and the credentials that carry them.

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Reads views, changes, status.
    Read,
    /// Appends to streams.
    Append,
    /// Everything, and what makes the process compute or change.
    Admin,
}
