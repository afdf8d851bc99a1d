//! How a verdict is written in a push: v1 or v2, JSON or XML.

use serde_json::{Value, json};

use crate::simulator::vocabulary::behaviour::{Behaviour, PushFormat, PushShape};
use crate::simulator::vocabulary::ids::account_of;
use crate::simulator::vocabulary::media_check::MediaEvent;
use crate::simulator::vocabulary::verdict::DOWNLOAD_ERROR;

/// The event as a message, its fields as yet in no notation.
pub(super) fn message(event: &MediaEvent, behaviour: &Behaviour) -> Value {
    let mut fields = match event.shape {
        PushShape::V2 => fields_v2(event),
        PushShape::V1 => fields_v1(event),
    };
    if let Value::Object(fields) = &mut fields {
        fields.insert("ToUserName".to_owned(), json!(account_of(&event.app_id)));
        fields.insert("FromUserName".to_owned(), json!(event.openid));
        fields.insert("CreateTime".to_owned(), json!(event.created_at.unix_seconds()));
        fields.insert("MsgType".to_owned(), json!("event"));
        fields.insert("Event".to_owned(), json!("wxa_media_check"));
        fields.insert("appid".to_owned(), json!(event.app_id));
        fields.insert("trace_id".to_owned(), json!(event.trace_id));
    }
    if behaviour.numbers_as_strings { numbers_as_strings(fields) } else { fields }
}

/// The example of 多媒体内容安全识别. A failed check has `detail: []` and no `result`.
fn fields_v2(event: &MediaEvent) -> Value {
    let errcode = event.outcome.errcode;
    let errmsg = match errcode {
        0 => "ok",
        DOWNLOAD_ERROR => "下载错误,请检查媒体链接是否有效",
        43104 => "this appid does not have permission",
        _ => "failed",
    };
    let Some(verdict) = &event.outcome.verdict else {
        return json!({ "version": 2, "detail": [], "errcode": errcode, "errmsg": errmsg });
    };
    let mut model = json!({ "strategy": "content_model", "errcode": 0, "suggest": verdict.suggest, "prob": 90 });
    if let (Some(label), Value::Object(model)) = (verdict.label, &mut model) {
        model.insert("label".to_owned(), json!(label));
    }
    // Not valid, because its errcode is not 0.
    let failed = json!({ "strategy": "ocr_model", "errcode": -1, "suggest": "risky", "label": 20006, "prob": 0 });
    json!({
        "version": 2, "detail": [model, failed], "errcode": errcode, "errmsg": errmsg, "result": verdict.as_result()
    })
}

/// The frozen shape: its status is an unsigned number, so that -1008 reads 4294966288.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "that is what WeChat does")]
fn fields_v1(event: &MediaEvent) -> Value {
    let risky = event.outcome.verdict.as_ref().is_some_and(|verdict| verdict.suggest == "risky");
    json!({ "isrisky": i32::from(risky), "extra_info_json": "", "status_code": event.outcome.errcode as u32 })
}

fn numbers_as_strings(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(items) => Value::Array(items.into_iter().map(numbers_as_strings).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, numbers_as_strings(value))).collect())
        }
        other => other,
    }
}

pub(super) fn write(message: &Value, format: PushFormat) -> String {
    match format {
        PushFormat::Json => message.to_string(),
        PushFormat::Xml => {
            let mut text = String::new();
            write_element(&mut text, "xml", message);
            text
        }
    }
}

/// An array is a flat, repeated element without a wrapper.
fn write_element(text: &mut String, name: &str, value: &Value) {
    if let Value::Array(items) = value {
        for item in items {
            write_element(text, name, item);
        }
        return;
    }
    text.push_str(&format!("<{name}>"));
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| write_element(text, name, value)),
        Value::String(content) => {
            text.push_str("<![CDATA[");
            text.push_str(&content.replace("]]>", "]]]]><![CDATA[>"));
            text.push_str("]]>");
        }
        other => text.push_str(&other.to_string()),
    }
    text.push_str(&format!("</{name}>"));
}
