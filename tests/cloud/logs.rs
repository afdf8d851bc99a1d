//! What a stack logged: nothing of a user's, everything in JSON, and the metrics in the form that CloudWatch reads.

use serde_json::Value;

use crate::cloud::Cloud;

/// All lines that the functions of a stack logged, or one of them, by its name in the template.
pub(crate) fn lines(cloud: &Cloud, stack: &str, function: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    let resources = cloud.aws(&["cloudformation", "list-stack-resources", "--stack-name", stack]);
    let resources = resources["StackResourceSummaries"].as_array().unwrap();
    let own = function.map(|function| format!("{function}Logs"));
    let is_meant = |id: &Value| own.as_ref().is_none_or(|own| *id == own.as_str());
    let groups = resources.iter().filter(|one| one["ResourceType"] == "AWS::Logs::LogGroup");
    for group in groups.filter(|one| is_meant(&one["LogicalResourceId"])) {
        let group = group["PhysicalResourceId"].as_str().unwrap();
        let events = cloud.aws(&["logs", "filter-log-events", "--log-group-name", group]);
        let messages = events["events"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap());
        lines.extend(messages.flat_map(str::lines).map(str::to_owned));
    }
    lines
}

/// Asserts what holds for every log: none of these texts, our own lines in JSON with what Lambda filters by, and metrics of
/// this stack. Returns the metrics' names and the events' names.
pub(crate) fn examine(cloud: &Cloud, stack: &str, secret: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut metrics, mut events) = (Vec::new(), Vec::new());
    for line in lines(cloud, stack, None) {
        for text in secret {
            assert!(!line.contains(text.as_str()), "a log holds `{text}`: {line}");
        }
        // The emulator's own lines: START, END, REPORT.
        let Ok(json) = serde_json::from_str::<Value>(&line) else {
            let own = ["START ", "END ", "REPORT "].iter().any(|word| line.starts_with(word));
            assert!(own || line.is_empty(), "no JSON: {line}");
            continue;
        };
        if json.get("_aws").is_some() {
            assert_eq!(json["Stack"], stack, "{line}");
            let named = &json["_aws"]["CloudWatchMetrics"][0]["Metrics"];
            metrics.extend(named.as_array().unwrap().iter().map(|one| one["Name"].as_str().unwrap().to_owned()));
        } else {
            assert!(json["timestamp"].is_string() && json["level"].is_string(), "{line}");
            assert!(json["event"].is_string() || json["target"] != "greenlight", "no event's name: {line}");
            events.extend(json["event"].as_str().map(str::to_owned));
        }
    }
    (metrics, events)
}
