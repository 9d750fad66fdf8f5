//! `diptych new NAME`: makes a project with one dataflow, its tests, a bench, and what it takes to
//! ship it.
//!
//! The template is beside this file. It is written completely or not at all: the folder must not
//! exist before.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use diptych_base::error::{Error, Kind, Result};
use diptych_base::io::{NewFolder, has_file};

/// The arguments of `new`.
#[derive(Args, Debug)]
pub(super) struct NewArgs {
    /// Name of the project, and of the folder that is made for it
    name: String,
    /// Where diptych is: the folder of its Cargo.toml [default: the one this binary was built from,
    /// if it is still there, else the released version]
    #[arg(long, value_name = "DIR")]
    diptych: Option<PathBuf>,
}

/// The files of the project: path and content.
const FILES: [(&str, &str); 10] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("src/main.rs", include_str!("template/main.rs.txt")),
    ("tests/law.rs", include_str!("template/law.rs.txt")),
    ("benches/recompute.rs", include_str!("template/recompute.rs.txt")),
    ("visits.csv", include_str!("template/visits.csv.txt")),
    ("Dockerfile", include_str!("template/Dockerfile.txt")),
    (".github/workflows/ci.yml", include_str!("template/ci.yml.txt")),
    ("README.md", include_str!("template/README.md.txt")),
    (".gitignore", include_str!("template/gitignore.txt")),
];

pub(super) fn run(args: &NewArgs) -> Result<ExitCode> {
    let folder = Path::new(&args.name);
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    check(name)?;
    let diptych = dependency(args.diptych.as_deref())?;
    let crate_name = name.replace('-', "_");
    let project = NewFolder::make(folder)?;
    for (path, text) in FILES {
        let text = text.replace("{name}", name).replace("{crate_name}", &crate_name);
        project.write(path, &text.replace("{diptych}", &diptych))?;
    }
    project.keep();
    println!("{}: a project with one dataflow, its tests and a bench", folder.display());
    println!("next: cd {} && cargo test && cargo run", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// Checks that cargo accepts the name for a package, a library and a binary.
fn check(name: &str) -> Result<()> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
    let taken = ["diptych", "test", "core", "std", "alloc", "proc_macro", "serde", "proptest"];
    if good && !taken.contains(&name) {
        return Ok(());
    }
    let message = format!("{name:?} is no name for a project");
    Err(Error::new(Kind::Input, message)
        .remedy("begin with a small letter, go on with those, digits, - and _: my-flows"))
}

/// The dependency on diptych in the project's manifest.
fn dependency(given: Option<&Path>) -> Result<String> {
    // The folder of the facade, which contains this crate; it is missing when the crate came from a
    // registry.
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let folder = match given {
        Some(folder) if has_file(folder, "Cargo.toml") => folder,
        Some(folder) => {
            let message = format!("{}: there is no Cargo.toml in it", folder.display());
            return Err(Error::new(Kind::Missing, message)
                .remedy("name the folder of diptych's sources, or leave --diptych out"));
        }
        None => match built_from.filter(|folder| has_file(folder, "Cargo.toml")) {
            Some(folder) => folder,
            None => return Ok(format!("{:?}", env!("CARGO_PKG_VERSION"))),
        },
    };
    let folder = std::path::absolute(folder)
        .map_err(|error| Error::io(folder.display().to_string(), error))?;
    Ok(format!("{{ path = {:?} }}", folder.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_cargo() {
        for name in ["flows", "my-flows", "a1_b"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "1a", "My", "a b", "a/b", "é", "test", "diptych"] {
            assert!(
                check(name).is_err_and(|error| error.to_string().contains("my-flows")),
                "{name}"
            );
        }
    }
}
