//! The deployment template, as tests read it: JSON, with intrinsic functions in their long form.

use std::sync::LazyLock;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

static TEMPLATE: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/template.yaml");
    let text = std::fs::read_to_string(path).expect("infra/template.yaml");
    let documents = Yaml::load_from_str(&text).expect("the template is YAML");
    json_of(documents.first().expect("a document"))
});

/// The template.
pub fn template() -> &'static Value {
    &TEMPLATE
}

/// Its resources of a type: logical id and properties.
pub fn resources(of_type: &str) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let resources = TEMPLATE["Resources"].as_object().expect("resources");
    let of_type = of_type.to_owned();
    resources
        .iter()
        .filter(move |(_, one)| one["Type"] == of_type.as_str())
        .map(|(id, one)| (id.as_str(), &one["Properties"]))
}

/// The functions: logical id, folder, properties.
pub fn functions() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    resources("AWS::Serverless::Function").map(|(id, properties)| {
        let code = properties["CodeUri"].as_str().expect("a path");
        let folder = code.strip_prefix("packaged/").and_then(|code| code.strip_suffix("/bootstrap.zip"));
        (id, folder.expect("packaged/<folder>/bootstrap.zip"), properties)
    })
}

fn json_of(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(values) => values.iter().map(json_of).collect(),
        Yaml::Mapping(fields) => {
            let field = |(name, value): (&Yaml<'_>, &Yaml<'_>)| {
                let name = json_of(name);
                (name.as_str().map_or_else(|| name.to_string(), str::to_owned), json_of(value))
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Yaml::Tagged(tag, value) => intrinsic(&tag.suffix, json_of(value)),
        Yaml::Representation(text, _, Some(tag)) => intrinsic(&tag.suffix, json!(text)),
        Yaml::Representation(text, _, None) => json!(text),
        Yaml::Alias(_) | Yaml::BadValue => panic!("CloudFormation takes no alias: {yaml:?}"),
    }
}

/// `!Sub x` is short for `{"Fn::Sub": x}`. (AWS CloudFormation user guide, "Intrinsic function reference".)
fn intrinsic(name: &str, value: Value) -> Value {
    let name = if matches!(name, "Ref" | "Condition") { name.to_owned() } else { format!("Fn::{name}") };
    Value::Object(Map::from_iter([(name, value)]))
}
