//! Numbers that mean times and days: accepted with a unit, or not at all.

use diptych::event::{Date, Event, Timestamp};

use super::naive_log::{NaiveLog, dir, file, one};
use super::refused;

#[derive(Event, Debug, Clone, PartialEq)]
struct Plain {
    at: Timestamp,
    on: Option<Date>,
}

#[derive(Event, Debug, Clone, PartialEq)]
struct Counted {
    #[event(unit = "s")]
    seconds: Option<Timestamp>,
    #[event(unit = "ms", default)]
    millis: Timestamp,
    #[event(unit = "us", name = "micros")]
    renamed: Option<Timestamp>,
    #[event(unit = "ns")]
    nanos: Option<Timestamp>,
    #[event(unit = "days")]
    day: Option<Date>,
    #[event(unit = "ms")]
    all: Option<Vec<Timestamp>>,
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn a_number_without_a_unit_is_refused_by_line_and_column() {
    let dir = dir();
    for cell in ["20161001", "1475280000", "1475280000000", "-1", "1.5"] {
        let message =
            format!("column `at`: `{cell}` is not a time such as 2016-10-01T09:26:31Z, or");
        let path = file(&dir, "a.csv", format!("on,at\n2016-10-01,{cell}\n"));
        refused::<Plain>(&path, &format!("line 2: {message}"));
        let path = file(&dir, "a.ndjson", format!("{{\"at\": {cell}}}\n"));
        refused::<Plain>(&path, &format!("line 1: {message}"));
    }
    for cell in ["17075", "2016101", "20161301", "-1"] {
        let path = file(&dir, "a.csv", format!("on,at\n{cell},2016-10-01 00:00\n"));
        refused::<Plain>(&path, &format!("line 2: column `on`: `{cell}` is not a day such as"));
    }
}

#[test]
fn one_day_is_one_day_however_it_is_spelt() {
    let (log, dir) = (NaiveLog::default(), dir());
    let days = "2016-10-01,0 s\n20161001,1475280000 s\n17075 days,1475280000000ms\n\
        \"20161001\",1475280000000000 us\n,2016-10-01 00:00\n";
    one::<Plain>(&log, &file(&dir, "a.csv", format!("on,at\n{days}"))).expect("a good file");
    let json = "{\"on\": 20161001, \"at\": \"1475280000000000000 ns\"}\n";
    one::<Plain>(&log, &file(&dir, "a.ndjson", json)).expect("a good file");
    let events = log.events::<Plain>();
    let day = Some("2016-10-01".parse::<Date>().expect("a day"));
    let on: Vec<_> = events.iter().map(|event| event.on).collect();
    assert_eq!(on, [day, day, day, day, None, day]);
    assert_eq!(events[0].at, at("1970-01-01T00:00:00Z"));
    assert!(events[1..].iter().all(|event| event.at == at("2016-10-01T00:00:00Z")));
}

#[test]
fn a_field_says_what_its_numbers_count() {
    let (log, dir) = (NaiveLog::default(), dir());
    let text = "seconds,millis,micros,nanos,day,all\n\
        1475280000.25,1475280000250,1475280000250000,1475280000250000999,17075,\n\
        2016-10-01 00:00:00.25,1475280000.25 s,,-1,20161001 days,\"[0, \"\"1 s\"\"]\"\n";
    let json = "{\"seconds\": 1475280000.25, \"millis\": null, \"all\": [1475280000250]}\n";
    one::<Counted>(&log, &file(&dir, "a.csv", text)).expect("a good file");
    one::<Counted>(&log, &file(&dir, "a.ndjson", json)).expect("a good file");
    let quarter = at("2016-10-01T00:00:00.25Z");
    let [first, second, third] = &log.events::<Counted>()[..] else { panic!("three events") };
    assert_eq!((first.seconds, first.millis), (Some(quarter), quarter));
    assert_eq!((first.renamed, first.nanos), (Some(quarter), Some(quarter)));
    assert_eq!(first.day, "2016-10-01".parse().ok());
    assert_eq!((second.seconds, second.millis), (Some(quarter), quarter));
    assert_eq!(second.nanos, Some(at("1969-12-31T23:59:59.999999Z")), "cut to the one it lies in");
    assert_eq!(second.day, Some(Date::from_days(20_161_001)), "as it says");
    assert_eq!(second.all, Some(vec![at("1970-01-01 00:00"), at("1970-01-01 00:00:01")]));
    assert_eq!((third.seconds, third.millis), (Some(quarter), Timestamp::default()));
    assert_eq!(third.all, Some(vec![quarter]));
}

#[test]
fn a_number_far_from_any_time_is_in_another_unit() {
    let dir = dir();
    for (column, cell, unit) in [
        ("seconds", "1475280000000", "s"),
        ("millis", "1475280000000000", "ms"),
        ("micros", "1475280000000000000", "us"),
        ("nanos", "1e18", "ns"),
        ("seconds", "99999999999999999999999999999999999999999", "s"),
    ] {
        let path = file(&dir, "a.csv", format!("{column}\n{cell}\n"));
        let text =
            refused::<Counted>(&path, &format!("line 2: column `{column}`: `{cell}` is not"));
        assert!(text.contains(&format!("or a number of {unit} since 1970 in the years")), "{text}");
    }
    let path = file(&dir, "a.csv", "day\n20161001\n");
    refused::<Counted>(&path, "line 2: column `day`: `20161001` is not a day");
}

#[test]
fn a_file_that_lies_in_january_1970_is_noted() {
    let (log, dir) = (NaiveLog::default(), dir());
    let note = |text: &str| {
        let report = one::<Counted>(&log, &file(&dir, "a.csv", text)).expect("a good file");
        report.january
    };
    assert_eq!(note("millis,micros\n1475280000,1475280000\n1475280001,\n"), ["millis", "micros"]);
    let one_of_today = "millis,micros\n1475280000,1\n1475280000000,\n";
    assert_eq!(note(one_of_today), ["micros"]);
    assert_eq!(note("seconds,day\n1475280000,\n"), [] as [&str; 0], "nothing is not a time");
    assert_eq!(note("day\n30\n"), ["day"]);
    assert_eq!(note("day\n31\n"), [] as [&str; 0]);
}
