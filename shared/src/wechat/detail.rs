//! Reads `detail`, in which WeChat says what each of its strategies found. Nothing in it changes a verdict, so what cannot be
//! read is left out.

use serde_json::Value;

use crate::domain::finding::{Finding, MOST_FINDINGS};
use crate::domain::verdict::{Label, Suggest, Verdict};

/// A number, which may come as a text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The findings in a `detail`, a list of entries or one entry alone; none where the verdict is a pass, which needs no reasons.
pub(super) fn findings(verdict: Verdict, detail: Option<&Value>) -> Vec<Finding> {
    if verdict.suggest == Suggest::Pass {
        return Vec::new();
    }
    let entries = match detail {
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(entry) => std::slice::from_ref(entry),
        None => &[],
    };
    entries.iter().filter_map(finding).take(MOST_FINDINGS).collect()
}

fn finding(entry: &Value) -> Option<Finding> {
    // An entry counts only if its own error code is 0. (WeChat: msg_sec_check, `detail.errcode`.)
    if entry.get("errcode").and_then(number) != Some(0.0) {
        return None;
    }
    let text = |name| entry.get(name).and_then(Value::as_str);
    let whole = |name: &str| {
        let number = entry.get(name).and_then(number)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds of u32")]
        (0.0..=f64::from(u32::MAX)).contains(&number).then_some(number as u32)
    };
    let probability = whole("prob").map(|sure| u8::try_from(sure).unwrap_or(100));
    Finding::new((text("strategy"), text("keyword")), text("suggest"), whole("label").map(Label), probability)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBT: Verdict = Verdict { suggest: Suggest::Review, label: None };

    fn read(json: &str) -> Vec<Finding> {
        findings(DOUBT, Some(&serde_json::from_str(json).unwrap()))
    }

    #[test]
    fn an_entry_counts_only_without_an_error_and_with_a_find() {
        let found = read(
            r#"[{"strategy":"content_model","errcode":0,"suggest":"risky","label":20006,"prob":90},
                {"strategy":"keyword","errcode":0},
                {"strategy":"keyword","errcode":-1,"suggest":"risky","label":20006},
                {"strategy":"keyword","errcode":"0","suggest":"review","label":"20013","level":20,"keyword":"命中"},
                {"strategy":"content_model","errcode":0,"suggest":"pass","label":100,"prob":90},
                7, null, "text", []]"#,
        );
        let short: Vec<_> = found.iter().map(|found| (found.suggest, found.label, found.probability)).collect();
        let expected = [(Suggest::Risky, Some(Label(20006)), Some(90)), (Suggest::Review, Some(Label(20013)), None)];
        assert_eq!(short, expected);
        assert_eq!(found[1].keyword.as_deref(), Some("命中"));
    }

    #[test]
    fn whatever_it_is_it_is_read_or_left_out() {
        for odd in ["{}", "[]", "null", "1", "\"\"", r#"{"errcode":0,"suggest":7}"#, r#"{"errcode":0,"suggest":null}"#]
        {
            assert_eq!(read(odd), [], "{odd}");
        }
        let odd = read(r#"{"errcode":0,"suggest":"risky","label":-1,"prob":1e9,"strategy":{}}"#);
        assert_eq!((odd[0].label, odd[0].probability, &odd[0].strategy), (None, Some(100), &None));
        assert_eq!(findings(DOUBT, None), []);
        let pass = Verdict { suggest: Suggest::Pass, label: None };
        assert_eq!(findings(pass, Some(&serde_json::json!({"errcode": 0, "suggest": "risky"}))), []);
        let many = format!("[{}]", [r#"{"errcode":0,"suggest":"risky"}"#; 50].join(","));
        assert_eq!(read(&many).len(), MOST_FINDINGS);
    }
}
