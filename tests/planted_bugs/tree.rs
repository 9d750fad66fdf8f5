//! The copy of the package that the bugs are planted in.
//!
//! It lies below the target directory, always at the same place, and files that have not changed
//! stay as they are: a second build compiles what has changed and no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Bug, CANARY, SWITCH};

/// What the switches call, behind the library's last line.
const SWITCHES: &str = r#"
/// Is the bug of this name turned on?
pub fn planted(name: &str) -> bool {
    static PLANTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    name == PLANTED.get_or_init(|| std::env::var("SWITCH").unwrap_or_default())
}
"#;

/// Where things are built that lie beside each other in one directory: the directory of what is
/// compiled, which this test was started from, and the name of its profile.
pub(crate) fn build_directory() -> (PathBuf, String) {
    let this = std::env::current_exe().expect("a program");
    let profile = this.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    let name = profile.file_name().expect("a profile").to_string_lossy().into_owned();
    (profile.parent().expect("a target directory").to_path_buf(), name)
}

/// Where the copy and the programs made of it are.
pub(crate) fn place() -> PathBuf {
    build_directory().0.join("planted_bugs")
}

/// Copies the package and plants all bugs; gives the copy's directory.
pub(crate) fn planted(bugs: &[&Bug]) -> PathBuf {
    let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")), place().join("tree"));
    let mut wanted = BTreeSet::new();
    collect(from, Path::new(""), &mut wanted);
    let mut stale = BTreeSet::new();
    collect(&to, Path::new(""), &mut stale);
    for path in stale.difference(&wanted) {
        fs::remove_file(to.join(path)).expect("removed");
    }
    for path in &wanted {
        let mut bytes = fs::read(from.join(path)).expect("read");
        let here = bugs.iter().copied().chain([&CANARY]).filter(|bug| Path::new(bug.file) == path);
        for bug in here {
            let text = String::from_utf8(bytes).expect("text");
            assert_eq!(text.matches(bug.right).count(), 1, "{}: its place", bug.name);
            let of = if bug.file.starts_with("src/base/") { "crate" } else { "diptych_base" };
            let call = format!("{of}::planted(\"{}\")", bug.name);
            bytes = text.replace(bug.right, &bug.wrong.replace("PLANTED", &call)).into_bytes();
        }
        match path.to_str() {
            Some("src/base/lib.rs") => bytes.extend(SWITCHES.replace("SWITCH", SWITCH).bytes()),
            Some("Cargo.toml" | "Cargo.lock") => bytes = renamed(bytes),
            _ => {}
        }
        let copy = to.join(path);
        if fs::read(&copy).is_ok_and(|there| there == bytes) {
            continue;
        }
        fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
        fs::write(&copy, bytes).expect("written");
    }
    to
}

/// The workspace's manifest or the lock file, in which the packages of the copy have another
/// version than those of the original. Cargo would take the one for the other without it: both are
/// at the same place of their workspace, and what is compiled from them is in one directory.
fn renamed(bytes: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(bytes).expect("text");
    let version = env!("CARGO_PKG_VERSION");
    let of = |end: &str| format!("\nversion = \"{version}{end}\"\n");
    let (mut renamed, mut before) = (String::new(), "");
    for line in text.split_inclusive('\n') {
        let ours = before.starts_with("name = \"diptych") || before == "[workspace.package]\n";
        if ours && of("").ends_with(line) && line.starts_with("version") {
            renamed.push_str(of("+planted").trim_start());
        } else {
            renamed.push_str(line);
        }
        before = line;
    }
    assert!(renamed != text, "no version {version} to be replaced in {text}");
    renamed.into_bytes()
}

/// The files below a directory, without what building and version control put there.
fn collect(root: &Path, below: &Path, found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(root.join(below)) else { return };
    for entry in entries.map(|entry| entry.expect("an entry")) {
        let name = entry.file_name();
        let path = below.join(&name);
        let text = name.to_string_lossy();
        let is_dir = entry.file_type().expect("a kind").is_dir();
        if text.starts_with('.') || (is_dir && text.starts_with("target")) {
            continue;
        }
        if is_dir {
            collect(root, &path, found);
        } else {
            found.insert(path);
        }
    }
}
