//! The channels by which an operator is told.

use std::io::Write;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The promised time. Slow machines get more: the measured time is printed.
const PROMISED: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(20);

/// The messages of this process on standard error.
static HEARD: Mutex<String> = Mutex::new(String::new());
static LISTENS: Once = Once::new();

struct Ear;

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Captures the messages of this process on standard error from now on.
pub(crate) fn hear() {
    LISTENS.call_once(|| {
        tracing_subscriber::fmt().with_ansi(false).with_writer(|| Ear).init();
    });
}

/// The messages of this process so far.
pub(crate) fn heard() -> String {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A server, with the messages of its process.
pub(crate) struct Channels {
    url: String,
    said: Arc<dyn Fn() -> String>,
}

impl Channels {
    pub(crate) fn new(url: String, said: impl Fn() -> String + 'static) -> Channels {
        Channels { url, said: Arc::new(said) }
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut answer = agent.get(format!("{}{path}", self.url)).call().expect("an answer");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let request = agent.post(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json");
        let mut answer = request.send(body).expect("an answer");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    }

    pub(crate) fn status(&self) -> Value {
        let (status, text) = self.get("/v1/status");
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Waits until no channel reports a concern.
    pub(crate) fn are_quiet(&self) {
        let quiet = || {
            let concerns = self.status()["concerns"].as_array().map_or(1, Vec::len);
            (self.get("/readyz").0 == 200 && concerns == 0).then_some(())
        };
        self.within("quiet", "all channels", quiet);
    }

    /// Checks that every channel reports a concern of this kind; with the reason, which has `word`.
    pub(crate) fn tell(&self, kind: &str, word: &str) {
        let begun = Instant::now();
        self.within(kind, "/readyz", || {
            let (status, text) = self.get("/readyz");
            (status == 503 && text.contains(kind) && text.contains(word)).then_some(())
        });
        let concern = self.within(kind, "/v1/status", || {
            let status = self.status();
            let all = status["concerns"].as_array().expect("concerns").clone();
            all.into_iter().find(|concern| concern["kind"] == kind)
        });
        assert!(concern["reason"].as_str().is_some_and(|why| why.contains(word)), "{concern}");
        assert!(concern["since_us"].as_i64().is_some_and(|since| since > 0), "{concern}");
        self.within(kind, "/metrics", || self.counts(kind, 1));
        self.within(kind, "standard error", || self.says(&format!("{kind}: ")));
        let lines = (self.said)().matches(&format!("{kind}: ")).count();
        let took = begun.elapsed();
        println!(
            "{kind}: told everywhere after {took:.1?} (promised: {PROMISED:?}), {lines} lines"
        );
    }

    /// Checks that every channel reports the end of the concern.
    pub(crate) fn tell_the_end_of(&self, kind: &str) {
        self.within(kind, "the end in /metrics", || self.counts(kind, 0));
        self.within(kind, "the end on standard error", || self.says(&format!("{kind} of ")));
        let (_, ready) = self.get("/readyz");
        assert!(!ready.contains(kind), "{ready}");
    }

    /// Checks that `top` shows the concern, with the remedy.
    pub(crate) fn top_shows(&self, kind: &str, word: &str, remedy: &str) {
        let top = std::process::Command::new(env!("CARGO_BIN_EXE_diptych"))
            .args(["top", "--once", "--server", &self.url])
            .output()
            .expect("it runs");
        let picture = String::from_utf8_lossy(&top.stdout);
        // It breaks lines between words.
        let words: Vec<_> = picture.split_whitespace().collect();
        let words = words.join(" ");
        for shown in [&format!("{kind} for "), word, remedy] {
            assert_eq!(words.matches(shown).count(), 1, "{shown:?} in {picture}\n{top:?}");
        }
        assert!(picture.lines().all(|line| line.chars().count() <= 80), "{picture}");
    }

    fn counts(&self, kind: &str, count: usize) -> Option<()> {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200, "{text}");
        let line = format!("diptych_concerns{{kind=\"{kind}\"}} {count}");
        text.lines().any(|one| one == line).then_some(())
    }

    fn says(&self, words: &str) -> Option<()> {
        (self.said)().contains(words).then_some(())
    }

    fn within<T>(&self, kind: &str, channel: &str, look: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            let (ready, said) = (self.get("/readyz"), (self.said)());
            assert!(begun.elapsed() < PATIENCE, "{kind} in {channel}: {ready:?}\n{said}");
            std::thread::sleep(LOOK);
        }
    }
}
