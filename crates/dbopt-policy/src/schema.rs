//! The JSON Schema of a kind, for editors that complete and check TOML by one
//! (<https://json-schema.org/draft/2020-12/json-schema-core>).

use serde_json::{Map, Value, json};

use crate::{Kind, Shape, shape::Field};

impl Kind {
    /// The JSON Schema of documents of this kind.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut schema = table(&self.fields());
        let mut header = json!({
            "policy": { "const": self.name, "description": "The kind of this policy." },
            "version": { "const": self.version, "description": "The version of its form." },
            "include": {
                "type": "array",
                "items": { "type": "string" },
                "description": "Files, relative to this one, whose keys are added to it.",
            },
        });
        if let (Some(properties), Some(own)) = (header.as_object_mut(), schema["properties"].as_object_mut()) {
            properties.append(own);
        }
        // A key that is required of the document may stand in an include, so that only the header is required here.
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": format!("dbopt policy `{}`", self.name),
            "description": self.about,
            "type": "object",
            "properties": header,
            "required": ["policy", "version"],
            "anyOf": [{ "required": ["include"] }, { "required": schema["required"] }],
            "additionalProperties": false,
        })
    }
}

fn table(fields: &[Field]) -> Value {
    let properties: Map<_, _> = fields
        .iter()
        .map(|field| {
            let mut value = shape(&field.shape);
            value["description"] = field.about.into();
            (field.name.to_owned(), value)
        })
        .collect();
    let required: Vec<_> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Integer { min, max: i64::MAX } => json!({ "type": "integer", "minimum": min }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Text { pattern, examples, .. } => {
            let mut text = json!({ "type": "string" });
            if let Some(pattern) = pattern {
                text["pattern"] = (*pattern).into();
            }
            if !examples.is_empty() {
                text["examples"] = json!(examples);
            }
            text
        }
        Shape::OneOf(names) => json!({ "enum": names }),
        Shape::List(of) => json!({ "type": "array", "items": self::shape(of) }),
        Shape::Table(fields) => table(fields),
        Shape::Map(of) => json!({ "type": "object", "additionalProperties": self::shape(of) }),
    }
}
