//! `/metrics` has the format that Prometheus expects.

use std::collections::{BTreeMap, BTreeSet};

use super::server::Server;

/// The objections of `promtool check metrics`, as far as this text can cause them.
fn lint(text: &str) -> Vec<String> {
    let mut objections = Vec::new();
    let (mut types, mut helped) = (BTreeMap::new(), BTreeSet::new());
    let mut samples = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            if help.is_empty() || !helped.insert(name) {
                objections.push(format!("{name}: one HELP, and not empty"));
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            types.insert(name, kind);
            if (kind == "counter") != name.ends_with("_total") {
                objections.push(format!("{name}: counters, and only they, end in _total"));
            }
            if ["_milliseconds", "_ms", "_kb", "_minutes"].iter().any(|unit| name.ends_with(unit)) {
                objections.push(format!("{name}: base units"));
            }
        } else {
            let Some((series, value)) = line.rsplit_once(' ') else {
                objections.push(format!("{line}: no sample"));
                continue;
            };
            if value.parse::<f64>().is_err() {
                objections.push(format!("{line}: no number"));
            }
            if !samples.insert(series) {
                objections.push(format!("{series}: twice"));
            }
            let name = series.split('{').next().unwrap_or_default();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end).filter(|name| types.contains_key(name)))
                .unwrap_or(name);
            if !types.contains_key(family) || !helped.contains(family) {
                objections.push(format!("{series}: no TYPE or HELP before it"));
            }
        }
    }
    objections
}

#[test]
fn metrics_pass_the_lint_and_count_what_was_asked() {
    let data = tempfile::tempdir().expect("a directory");
    let data = data.path().to_str().expect("a path");
    let server = Server::start(&["word_count", "reachability", "--data", data]);
    let epoch = server.append("lines", "{\"text\":\"a b \\\" c\"}").expect("an append");
    for _ in 0..7 {
        server.get(&format!("/v1/dataflows/word_count/views/counts?at_least={epoch}"));
    }
    let url = server.url("/metrics");
    let mut response = ureq::get(&url).call().expect("metrics");
    let kind = response.headers().get("content-type").expect("a content type");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let text = response.body_mut().read_to_string().expect("text");
    assert_eq!(lint(&text), Vec::<String>::new(), "{text}");
    let path = "path=\"/v1/dataflows/{dataflow}/views/{view}\"";
    for sample in [
        format!("diptych_http_requests_total{{{path},status=\"200\"}} 7\n"),
        format!("diptych_http_request_duration_seconds_bucket{{{path},le=\"+Inf\"}} 7\n"),
        "diptych_upper_epoch{dataflow=\"word_count\"} 1\n".to_owned(),
        "diptych_view_keys{dataflow=\"word_count\",view=\"counts\"} 4\n".to_owned(),
        "diptych_log_events_total{stream=\"lines\"} 1\n".to_owned(),
        "diptych_lag_epochs{dataflow=\"word_count\"} 0\n".to_owned(),
        "diptych_dataflow_up{dataflow=\"reachability\"} 1\n".to_owned(),
    ] {
        assert!(text.contains(&sample), "no {sample} in {text}");
    }
}
