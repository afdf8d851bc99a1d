//! A JSON object from outside, field by field: every fault is noted, and every field that nobody asked for.

use http::StatusCode;
use serde_json::{Map, Value};

use super::problem::{Fault, Problem};

/// The fields of an object, taken one by one.
#[derive(Debug)]
pub struct Fields {
    path: String,
    left: Map<String, Value>,
    faults: Vec<Fault>,
}

/// A body that is no JSON object.
pub fn not_json() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_json",
        "请求体必须是 UTF-8 编码的 JSON 对象。",
        "The body must be a JSON object in UTF-8.",
    )
}

impl Fields {
    /// Reads a body, which must be a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(left)) => Ok(Self { path: String::new(), left, faults: Vec::new() }),
            _ => Err(not_json()),
        }
    }

    fn name(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// Notes that a field is wrong.
    pub fn fault(&mut self, field: &str, zh: impl Into<String>, en: impl Into<String>) {
        let name = self.name(field);
        self.faults.push(Fault::new(name, zh, en));
    }

    /// Takes a field; `null` is the same as its absence.
    pub fn take(&mut self, field: &str) -> Option<Value> {
        self.left.remove(field).filter(|value| !value.is_null())
    }

    /// Takes a field in which `null` has a meaning of its own.
    pub fn take_even_null(&mut self, field: &str) -> Option<Value> {
        self.left.remove(field)
    }

    /// Takes a text that may be missing.
    pub fn text(&mut self, field: &str) -> Option<String> {
        match self.take(field)? {
            Value::String(text) => Some(text),
            _ => {
                self.fault(field, "必须是字符串。", "It must be a string.");
                None
            }
        }
    }

    /// Takes a text that must be there and not be empty.
    pub fn required_text(&mut self, field: &str) -> Option<String> {
        let faults = self.faults.len();
        let text = self.text(field).filter(|text| !text.trim().is_empty());
        if text.is_none() && self.faults.len() == faults {
            self.fault(field, "必填。", "It is required.");
        }
        text
    }

    /// Takes a text of at most `most` characters that must be there.
    pub fn short_text(&mut self, field: &str, most: usize) -> Option<String> {
        let text = self.required_text(field)?;
        if text.chars().count() > most {
            self.fault(field, format!("最多 {most} 个字符。"), format!("At most {most} characters."));
            return None;
        }
        Some(text)
    }

    /// Takes a whole number that must be there and not be negative.
    pub fn required_number(&mut self, field: &str) -> Option<u64> {
        let number = self.take(field).as_ref().and_then(whole);
        if number.is_none() {
            self.fault(field, "必须是非负整数。", "It must be a whole number, not negative.");
        }
        number
    }

    /// Takes an object with fields of its own, which may be missing. [`Fields::absorb`] takes it back.
    pub fn object(&mut self, field: &str) -> Option<Self> {
        match self.take(field)? {
            Value::Object(left) => Some(Self { path: self.name(field), left, faults: Vec::new() }),
            _ => {
                self.fault(field, "必须是对象。", "It must be an object.");
                None
            }
        }
    }

    /// Takes a list of objects, each with its own fields; a list of more than `most` is a fault.
    pub fn objects(&mut self, field: &str, most: usize) -> Vec<Self> {
        let Some(value) = self.take(field) else { return Vec::new() };
        let Value::Array(values) = value else {
            self.fault(field, "必须是数组。", "It must be an array.");
            return Vec::new();
        };
        if values.len() > most {
            self.fault(field, format!("最多 {most} 个。"), format!("At most {most}."));
            return Vec::new();
        }
        let mut objects = Vec::new();
        for (index, value) in values.into_iter().enumerate() {
            let path = format!("{}[{index}]", self.name(field));
            match value {
                Value::Object(left) => objects.push(Self { path, left, faults: Vec::new() }),
                _ => self.faults.push(Fault::new(path, "必须是对象。", "It must be an object.")),
            }
        }
        objects
    }

    /// Takes in what was found wrong with an object inside.
    pub fn absorb(&mut self, mut inner: Self) {
        inner.name_unknown();
        self.faults.append(&mut inner.faults);
    }

    fn name_unknown(&mut self) {
        for field in std::mem::take(&mut self.left).into_iter().map(|(field, _)| field) {
            // A name from outside goes back to whoever sent it, but not at any length.
            let field: String = field.chars().take(64).collect();
            self.fault(&field, "没有这个字段。", "There is no such field.");
        }
    }

    /// Ends the reading with what was read; or 400 with `code` and every fault, if there is one (each field that was not
    /// taken is one) or nothing was read.
    pub fn finish<T>(mut self, code: &'static str, read: Option<T>) -> Result<T, Problem> {
        self.name_unknown();
        if let Some(read) = read.filter(|_| self.faults.is_empty()) {
            return Ok(read);
        }
        let (zh, en) = ("请求里有错误，见 faults。", "The request has faults; see `faults`.");
        Err(Problem::new(StatusCode::BAD_REQUEST, code, zh, en).with_faults(self.faults))
    }
}

/// A whole number that is not negative. `1.0` is one: JSON does not tell it from `1`.
pub fn whole(value: &Value) -> Option<u64> {
    /// Up to here each whole number has a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || value.as_f64().filter(|float| (0.0..=EXACT).contains(float) && float.fract() == 0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole, and between 0 and 2^53")]
    value.as_u64().or_else(|| float().map(|float| float as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_at_once_and_unknown_fields_by_name() {
        let mut fields = Fields::parse(br#"{"a":1,"list":[{"x":"1","y":2},3],"colour":"red"}"#).unwrap();
        assert_eq!(fields.text("a"), None);
        assert_eq!(fields.required_text("b"), None);
        for mut inner in fields.objects("list", 5) {
            assert_eq!(inner.text("x").as_deref(), Some("1"));
            fields.absorb(inner);
        }
        let problem = fields.finish("invalid_request", Some(())).unwrap_err();
        let named: Vec<&str> = problem.faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(named, ["a", "b", "list[1]", "list[0].y", "colour"]);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in [&b""[..], b"[]", b"1", b"{", b"\xff", b"null"] {
            assert_eq!(Fields::parse(body).unwrap_err().code, "invalid_json");
        }
    }
}
