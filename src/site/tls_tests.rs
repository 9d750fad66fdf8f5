//! Tests with valid and broken certificates.

use std::io::Write;

use super::*;

struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    fn new() -> Made {
        Made { folder: tempfile::tempdir().expect("a folder") }
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).expect("a file");
        file.write_all(text.as_bytes()).expect("written");
        file.persist(&path).expect("a name");
        path
    }

    /// A certificate for localhost between two years, and its key.
    fn pair(&self, name: &str, from: i32, until: i32) -> (PathBuf, PathBuf) {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let cert = params.self_signed(&key).expect("a certificate");
        let cert = self.put(&format!("{name}.pem"), &cert.pem());
        (cert, self.put(&format!("{name}.key"), &key.serialize_pem()))
    }
}

fn refusal(cert: &Path, key: &Path) -> String {
    Tls::open(cert, key).err().expect("refused").to_string()
}

#[test]
fn a_certificate_and_its_key_are_taken() {
    let made = Made::new();
    let (cert, key) = made.pair("good", 2020, 4000);
    let tls = Tls::open(&cert, &key).expect("taken");
    assert_eq!(tls.config(&[b"h2"]).expect("a configuration").alpn_protocols, [b"h2".to_vec()]);
}

#[test]
fn a_certificate_has_its_names() {
    let made = Made::new();
    let (cert, key) = made.pair("good", 2020, 4000);
    let tls = Tls::open(&cert, &key).expect("taken");
    assert!(tls.is_of("localhost") && tls.is_of("LOCALHOST"));
    assert!(!tls.is_of("evil.example") && !tls.is_of("") && !tls.is_of("a_b..c"));
}

#[test]
fn what_is_wrong_is_named() {
    let made = Made::new();
    let (cert, key) = made.pair("good", 2020, 4000);
    let (old, old_key) = made.pair("old", 2020, 2021);
    let (early, early_key) = made.pair("early", 3000, 4000);
    let empty = made.put("empty", "nothing\n");
    let missing = made.folder.path().join("missing");
    for (cert, key, expected) in [
        (&old, &old_key, "old.pem: the certificate has expired on 2021-01-01 00:00:00 UTC"),
        (&early, &early_key, "the certificate is not valid before 3000-01-01"),
        (&cert, &old_key, "old.key: this is not the key of the certificate in "),
        (&empty, &key, "empty: there is no PEM certificate in it"),
        (&cert, &empty, "empty: there is no PEM private key in it"),
        (&cert, &missing, "missing: No such file"),
    ] {
        let found = refusal(cert, key);
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn a_broken_pair_leaves_the_old_one_in_force() {
    let made = Made::new();
    let (cert, key) = made.pair("good", 2020, 4000);
    let tls = Tls::open(&cert, &key).expect("taken");
    let before = tls.current.0.load_full();
    made.put("good.key", "nothing");
    assert!(tls.reload().is_err());
    assert!(Arc::ptr_eq(&before, &tls.current.0.load_full()));
    made.pair("good", 2020, 3999);
    assert!(tls.reload().expect("taken").0.ends_with("valid until 3999-01-01 00:00:00 UTC"));
    assert!(!Arc::ptr_eq(&before, &tls.current.0.load_full()));
}
