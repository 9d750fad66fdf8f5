//! Tests of configuration files together with options.

use std::io::Write;

use super::*;

fn parsed(file: &str, flags: &str) -> Result<Vec<Setting>, String> {
    let mut scratch = tempfile::NamedTempFile::new().expect("a file");
    scratch.write_all(file.as_bytes()).expect("written");
    let flags = flags.replace("FILE", &scratch.path().display().to_string());
    let args = flags.split(' ').map(OsString::from);
    let args = std::iter::once(OsString::from("diptych")).chain(args).collect();
    let hide = |text: String| text.replace(&scratch.path().display().to_string(), "FILE");
    match parse(args) {
        Ok((_, mut settings)) => {
            for setting in &mut settings {
                setting.origin = hide(setting.origin.clone());
            }
            Ok(settings)
        }
        Err(ConfigRefusal::File(error)) => Err(hide(error.to_string())),
        Err(ConfigRefusal::Usage(error)) => Err(hide(error.to_string())),
    }
}

fn of<'a>(settings: &'a [Setting], name: &str) -> (Option<&'a str>, &'a str) {
    let found = settings.iter().find(|setting| setting.name == name).expect(name);
    (found.value.as_deref(), &found.origin)
}

#[test]
fn flags_win_over_the_file_and_the_file_over_defaults() {
    let file = "dataflows = [\"word_count\", \"bank\"]\ndata = \"D\"\nworkers = 3\n\
                listen = \"127.0.0.1:1\"\nfollow = true\nfor = 2\n";
    let settings = parsed(file, "config show --config FILE --listen 127.0.0.1:2").expect("parses");
    assert_eq!(of(&settings, "dataflows"), (Some("[\"word_count\", \"bank\"]"), "FILE:1"));
    assert_eq!(of(&settings, "workers"), (Some("3"), "FILE:3"));
    assert_eq!(of(&settings, "listen"), (Some("\"127.0.0.1:2\""), "flag"));
    assert_eq!(of(&settings, "follow"), (Some("true"), "FILE:5"));
    assert_eq!(of(&settings, "for"), (Some("2"), "FILE:6"));
    assert_eq!(of(&settings, "log-level"), (Some("\"info\""), "default"));
    assert_eq!(of(&settings, "pg-listen"), (None, "default"));
}

#[test]
fn dataflows_on_the_command_line_replace_those_of_the_file() {
    let file = "dataflows = [\"word_count\"]\ndata = \"D\"\n";
    let settings = parsed(file, "serve bank --config FILE").expect("parses");
    assert_eq!(of(&settings, "dataflows"), (Some("[\"bank\"]"), "flag"));
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line() {
    for (file, expected) in [
        (
            "data = \"D\"\nlissen = \"x\"\n",
            "FILE: line 2: there is no setting \"lissen\" (did you mean \"listen\"?)",
        ),
        (
            "tls_cert = \"x\"\n",
            "FILE: line 1: there is no setting \"tls_cert\" (did you mean \"tls-cert\"?)",
        ),
        ("config = \"x\"\n", "FILE: line 1: there is no setting \"config\""),
        (
            "data = \"D\"\n\nlisten = \"nowhere\"\n",
            "FILE: line 3: invalid value 'nowhere' for '--listen <HOST:PORT>'",
        ),
        ("data = [\"D\"]\n", "FILE: line 1: data is one value"),
        ("follow = \"yes\"\n", "FILE: line 1: follow is true or false"),
        ("data = \"D\"\nlisten", "FILE: line 2: "),
    ] {
        let refused = parsed(file, "serve bank --config FILE").err().expect(file);
        assert!(refused.starts_with(expected), "{file:?}: {refused}");
    }
}

#[test]
fn what_is_shown_can_be_read_again() {
    let flags = "serve bank --data D --workers 2 --listen 127.0.0.1:1 --for 1.5s --follow";
    let settings = parsed("", flags).expect("parses");
    let lines = settings.iter().filter_map(|Setting { name, value, .. }| {
        value.as_ref().map(|value| format!("{name} = {value}\n"))
    });
    let again = parsed(&lines.collect::<String>(), "serve --config FILE").expect("parses");
    for (first, second) in settings.iter().zip(&again) {
        assert_eq!((&first.name, &first.value), (&second.name, &second.value));
    }
}

#[test]
fn distances_count_edits() {
    assert_eq!(distance("listen", "lissen"), 1);
    assert_eq!(distance("", "abc"), 3);
    assert_eq!(distance("kitten", "sitting"), 3);
    assert_eq!(nearest("colour", &["data", "listen"]), None);
}
