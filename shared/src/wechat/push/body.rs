//! The two forms of a body, JSON and XML, and the few fields that are read of them.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event as Xml;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::fields::{CheckResult, Malformed, MediaCheckFields, ResultFields, Scalar};
use crate::domain::clock::Timestamp;

/// XML is read to this depth; WeChat's has four.
const MAX_DEPTH: usize = 64;

/// What comes any number of times, one entry of a list each: what each strategy found.
const DETAIL: &str = "detail";
/// What is read of such an entry.
const OF_DETAIL: [&str; 6] = ["strategy", "errcode", "suggest", "label", "prob", "keyword"];

/// How much is kept of a name that nobody here knows.
const MAX_NAME_CHARS: usize = 64;

/// A body in the form that its content shows; WeChat's `Content-Type` is not to be relied on.
#[derive(Debug)]
pub(super) enum Body<'a> {
    Json(&'a str),
    Xml(&'a str),
}

/// What stands at the top of every message.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    #[serde(rename = "MsgType")]
    msg_type: Option<Scalar>,
    #[serde(rename = "Event")]
    event: Option<Scalar>,
    #[serde(rename = "CreateTime")]
    create_time: Option<Scalar>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Encrypt")]
    encrypt: Option<Scalar>,
}

impl<'a> Body<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let text = str::from_utf8(bytes).map_err(|_| Malformed("not UTF-8"))?;
        let text = text.trim_ascii().trim_start_matches('\u{feff}').trim_ascii();
        match text.as_bytes().first() {
            Some(b'{') => Ok(Self::Json(text)),
            Some(b'<') => Ok(Self::Xml(text)),
            Some(_) => Err(Malformed("neither JSON nor XML")),
            None => Err(Malformed("empty")),
        }
    }

    /// The encrypted message; nothing else of the body is kept.
    pub(super) fn encrypt(&self) -> Result<Option<String>, Malformed> {
        let encrypt = match self {
            Self::Json(text) => json::<Envelope>(text)?.encrypt,
            Self::Xml(text) => Fields::read(text, &["Encrypt"], &[])?.scalar("Encrypt"),
        };
        match encrypt {
            None => Ok(None),
            Some(Scalar::Text(text)) => Ok(Some(text)),
            Some(Scalar::Integer(_) | Scalar::Odd) => Err(Malformed("Encrypt is no text")),
        }
    }

    pub(super) fn head(&self) -> Result<Head, Malformed> {
        match self {
            Self::Json(text) => json(text),
            Self::Xml(text) => {
                let mut fields = Fields::read(text, &["MsgType", "Event", "CreateTime"], &[])?;
                Ok(Head {
                    msg_type: fields.scalar("MsgType"),
                    event: fields.scalar("Event"),
                    create_time: fields.scalar("CreateTime"),
                })
            }
        }
    }

    /// Reads the fields only for a `wxa_media_check`: in another event the same names may mean anything.
    pub(super) fn media_check(&self) -> Result<MediaCheckFields, Malformed> {
        const NAMES: [&str; 7] = ["appid", "trace_id", "version", "errcode", "result", "status_code", "isrisky"];
        match self {
            Self::Json(text) => json(text),
            Self::Xml(text) => {
                let mut fields = Fields::read(text, &NAMES, &["suggest", "label"])?;
                Ok(MediaCheckFields {
                    appid: fields.scalar("appid"),
                    trace_id: fields.scalar("trace_id"),
                    version: fields.scalar("version"),
                    errcode: fields.scalar("errcode"),
                    result: fields.named.remove("result").map(Element::into_result),
                    status_code: fields.scalar("status_code"),
                    isrisky: fields.scalar("isrisky"),
                    detail: Some(Value::Array(fields.details.into_iter().map(Element::into_detail).collect())),
                })
            }
        }
    }
}

impl Head {
    pub(super) fn is(&self, msg_type: &str, event: &str) -> bool {
        let is = |field: &Option<Scalar>, name| field.as_ref().and_then(Scalar::text) == Some(name);
        is(&self.msg_type, msg_type) && is(&self.event, event)
    }

    pub(super) fn msg_type(&self) -> Option<String> {
        short(self.msg_type.as_ref())
    }

    pub(super) fn event(&self) -> Option<String> {
        short(self.event.as_ref())
    }

    pub(super) fn created_at(&self) -> Option<Timestamp> {
        let seconds = self.create_time.as_ref()?.integer()?;
        seconds.checked_mul(1000).filter(|moment| *moment >= 0).map(Timestamp)
    }
}

fn short(name: Option<&Scalar>) -> Option<String> {
    Some(name?.text()?.chars().take(MAX_NAME_CHARS).collect())
}

/// Reads a struct, which refuses a field that comes twice; a map would keep the last.
fn json<T: DeserializeOwned>(text: &str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|_| Malformed("not the JSON that it should be"))
}

/// One element below the root of an XML body.
#[derive(Default)]
struct Element {
    name: String,
    text: String,
    /// Whether there are elements in it.
    parent: bool,
    /// Those of them that were asked for.
    fields: Fields,
}

impl Element {
    fn into_scalar(self) -> Scalar {
        if self.parent { Scalar::Odd } else { Scalar::Text(self.text.trim_ascii().to_owned()) }
    }

    fn into_result(mut self) -> CheckResult {
        if !self.text.trim_ascii().is_empty() {
            return CheckResult::Odd;
        }
        let (suggest, label) = (self.fields.scalar("suggest"), self.fields.scalar("label"));
        CheckResult::Fields(ResultFields { suggest, label })
    }

    /// The entry as it would stand in JSON.
    fn into_detail(self) -> Value {
        let fields = self.fields.named.into_iter().map(|(name, field)| (name, field.text.trim_ascii().into()));
        Value::Object(fields.collect())
    }
}

/// The elements with the names that were asked for, directly below the root or directly below one of those.
#[derive(Default)]
struct Fields {
    named: BTreeMap<String, Element>,
    /// Each of those named [`DETAIL`].
    details: Vec<Element>,
}

impl Fields {
    fn scalar(&mut self, name: &str) -> Option<Scalar> {
        self.named.remove(name).map(Element::into_scalar)
    }

    /// Keeps an element of `names`, once.
    fn keep(&mut self, names: &[&str], element: Element) -> Result<(), Malformed> {
        if names.contains(&element.name.as_str()) && self.named.insert(element.name.clone(), element).is_some() {
            return Err(Malformed("an element comes twice"));
        }
        Ok(())
    }

    /// Reads the root's children of `names` and, below them, those of `inner_names`.
    ///
    /// There is no DOCTYPE, hence no entity but XML's own five.
    fn read(text: &str, names: &[&str], inner_names: &[&str]) -> Result<Self, Malformed> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        let mut open: Vec<Element> = Vec::new();
        let mut root = None;
        loop {
            let more_text = match reader.read_event().map_err(|_| Malformed("not XML"))? {
                Xml::Start(_) if root.is_some() => return Err(Malformed("XML with two roots")),
                Xml::Start(_) if open.len() == MAX_DEPTH => return Err(Malformed("XML nested too deeply")),
                Xml::Start(tag) => {
                    if let Some(parent) = open.last_mut() {
                        parent.parent = true;
                    }
                    open.push(Element { name: tag.name().into_inner().to_owned(), ..Element::default() });
                    continue;
                }
                Xml::End(_) => {
                    let element = open.pop().ok_or(Malformed("not XML"))?;
                    match (open.len(), open.last_mut()) {
                        (1, Some(parent)) if element.name == DETAIL => parent.fields.details.push(element),
                        (1, Some(parent)) => parent.fields.keep(names, element)?,
                        // Nothing depends on it, so that it refuses nothing: the first of a name counts.
                        (2, Some(parent)) if parent.name == DETAIL => {
                            if OF_DETAIL.contains(&element.name.as_str()) {
                                parent.fields.named.entry(element.name.clone()).or_insert(element);
                            }
                        }
                        (2, Some(parent)) if names.contains(&parent.name.as_str()) => {
                            parent.fields.keep(inner_names, element)?;
                        }
                        (_, Some(_)) => {}
                        (_, None) => root = Some(element.fields),
                    }
                    continue;
                }
                Xml::Text(text) => text.into_inner(),
                Xml::CData(text) => text.into_inner(),
                Xml::GeneralRef(reference) => {
                    let character = reference.resolve_char_ref().map_err(|_| Malformed("not XML"))?;
                    match (character, resolve_predefined_entity(&reference)) {
                        (Some(character), _) => character.to_string().into(),
                        (None, Some(entity)) => entity.into(),
                        (None, None) => return Err(Malformed("XML with an entity")),
                    }
                }
                Xml::DocType(_) => return Err(Malformed("XML with a DOCTYPE")),
                Xml::Decl(_) | Xml::PI(_) | Xml::Comment(_) => continue,
                Xml::Eof => break,
                // expand_empty_elements makes two of it.
                Xml::Empty(_) => return Err(Malformed("not XML")),
            };
            match open.last_mut() {
                Some(element) => element.text.push_str(&more_text),
                None if more_text.trim_ascii().is_empty() => {}
                None => return Err(Malformed("text beside the XML")),
            }
        }
        // What is still open has kept the root from ending.
        root.ok_or(Malformed("XML cut off"))
    }
}
