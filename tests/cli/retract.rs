//! `log retract` from the command line.

use super::binary::Place;

fn place() -> Place {
    let place = Place::new();
    place.file("h.csv", "text\nto be\nnot to be\nto be\n");
    place.ok("ingest word_count h.csv --data D");
    place
}

/// The command with a value that has spaces in it.
fn retract(place: &Place, value: &str, more: &str) -> super::binary::Ran {
    let mut command = place.command(&format!("log retract lines {more}"));
    command.args(["--where", value, "--reason", "typed twice"]);
    super::binary::Ran::of(command.output().expect("the binary runs"))
}

#[test]
fn events_are_shown_then_taken_back_once() {
    let place = place();
    place.ok("batch word_count --data D");
    let before = place.counts();
    let dry = retract(&place, "text=to be", "--data D --dry-run --format json");
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(dry.err.contains("2 events would be retracted"), "{}", dry.err);
    assert_eq!(dry.json()[1], serde_json::json!({ "epoch": 0, "text": "to be" }));
    assert_eq!(place.counts(), before);
    let done = retract(&place, "text=to be", "--data D");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("2 events retracted by epoch 1"), "{}", done.err);
    let counts = [r#"{"word":"be","n":1}"#, r#"{"word":"not","n":1}"#, r#"{"word":"to","n":1}"#];
    assert_eq!(place.counts(), counts);
    let again = retract(&place, "text=to be", "--data D");
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.err.contains("log stat"), "{}", again.err);
    let old = place.ok("query word_count counts --data D --as-of 0 --format json");
    assert_eq!(old.out.lines().collect::<Vec<_>>(), before);
    let stat = place.ok("log stat --data D");
    assert!(
        stat.err.contains("epoch 1 retracts 2 events of stream lines: typed twice"),
        "{stat:?}"
    );
    place.ok("verify word_count --data D");
    place.ok("log check --data D");
    place.ok("backup D E");
    place.ok("verify word_count --data E");
}

#[test]
fn what_is_wrong_is_named() {
    let place = place();
    let line = "log retract lines --reason r --data D";
    place.refused(line, 2, &["FIELD=VALUE"]);
    place.refused(&format!("{line} --where txt=a"), 2, &["no column `txt`", "columns text"]);
    place.refused(&format!("{line} --where text:=a"), 2, &["\"a\"", "no JSON"]);
    place.refused(&format!("{line} --where text"), 2, &["\"text\" is no condition"]);
    place.refused(&format!("{line} --epoch 7"), 3, &["epoch 7", "[0, 1)"]);
    place.refused("log retract words --epoch 0 --reason r --data D", 3, &["\"words\"", "lines"]);
    place.refused("log retract lines --epoch 0 --reason r --data E", 3, &["no log"]);
    assert!(!place.path().join("E/log/MANIFEST").exists(), "a typo makes no log");
}

/// A dataflow without an inverse: no batch view is continued over the retraction, and the output
/// says so.
#[test]
fn what_cannot_be_undone_is_recomputed() {
    let place = Place::new();
    let tweets = "id,publish_date,author_id,content\n1,2020-01-01T00:00:00Z,a,#x\n\
                  1,2020-01-02T00:00:00Z,a,#y\n2,2020-01-01T00:00:00Z,b,#x\n";
    place.file("t.csv", tweets);
    place.ok("ingest tweets_dedup t.csv --data D");
    place.ok("batch tweets_dedup --data D");
    place.ok("log retract tweets_with_id --where content=#x --where id=1 --reason spam --data D");
    let said = "cannot be continued: epoch 1 retracts 1 event (\"spam\")";
    let rows = |from: &str| {
        let ran = place.ok(&format!("query tweets_dedup tags_by_hour --data D --format csv{from}"));
        (ran.out, ran.err)
    };
    let expected = "hour,tag,n\n2020-01-01T00:00:00Z,x,1\n2020-01-02T00:00:00Z,y,1\n";
    let (out, err) = rows("");
    assert_eq!(out, expected);
    assert!(err.contains(said), "{err}");
    let made = place.ok("batch tweets_dedup --data D --incremental -w 2");
    assert!(made.err.contains(said) && !made.err.contains("since F"), "{}", made.err);
    assert_eq!(rows("").0, expected);
    let changes = place.run("changes tweets_dedup tags_by_hour --data D --from 1");
    assert_eq!(changes.code, 3);
    assert!(changes.err.contains("changes from 2 on"), "{}", changes.err);
    // By two processes, too.
    place.ok("log retract tweets_with_id --where id=2 --reason spam --data D");
    place.ok("batch tweets_dedup --data D -n 2");
    assert_eq!(rows("").0, "hour,tag,n\n2020-01-02T00:00:00Z,y,1\n");
}
