//! Authentication and authorisation: roles, and the credentials that carry them.
//!
//! A [`Gate`] is made from one file, the credentials, and put before every group of routes and the
//! Postgres port. Without a file there is no gate, every address is loopback, and no request is
//! checked.
//!
//! # Roles
//! `read` reads views, changes, SQL and status. `append` appends to streams and reads nothing: a
//! client that feeds a log need not see it. `admin` may do everything, including requests that make
//! the process compute or change. `read` and `append` do not imply one another; a credential may
//! carry both.
//!
//! # The file
//! ```toml
//! [[token]]                     # for HTTP: `Authorization: Bearer …`
//! name = "dashboard"            # what logs call it
//! sha256 = "9f86d0…"            # of the token, which is kept nowhere; `diptych token new`
//! roles = ["read"]
//! expires = 2030-01-01T00:00:00Z  # optional
//!
//! [[user]]                      # for the Postgres port, which only reads: role read or admin
//! name = "ana"
//! scram = "SCRAM-SHA-256$4096:…"  # as PostgreSQL stores it; `diptych token user`
//! roles = ["read"]
//! # password = "…"              # instead of scram, if it must be
//! ```
//! The file is read again when it changes. A broken file is named in a warning, and the credentials
//! that were read before stay in force.

mod check_credentials;
mod credentials;
mod role_guard_layer;
mod scram;
mod secret;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub use check_credentials::Denied;
pub use check_credentials::{Gate, Login, TokenDigest, bearer};
pub use credentials::Credentials;
pub use role_guard_layer::RoleGuard;
pub use scram::Scram;
pub use secret::{NewToken, new_token, new_user};

/// The right that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads views, changes, status.
    Read,
    /// Appends to streams.
    Append,
    /// Everything, including requests that make the process compute or change.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 3] = [Role::Read, Role::Append, Role::Admin];

    /// The name of the role in files and messages.
    pub fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Append => "append",
            Role::Admin => "admin",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl std::str::FromStr for Role {
    type Err = ();

    fn from_str(name: &str) -> Result<Role, ()> {
        Role::ALL.into_iter().find(|role| role.name() == name).ok_or(())
    }
}

/// The set of roles of a credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Whether this set allows a request that needs `role`.
    pub fn allow(self, role: Role) -> bool {
        self.0 & (role.bit() | Role::Admin.bit()) != 0
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Roles {
        Roles(roles.into_iter().fold(0, |bits, role| bits | role.bit()))
    }
}
