//! Named values: what `{{name}}` in policies and backends stands for.

use std::sync::Arc;

use super::{Entity, fields::Fields};
use crate::{
    doc::{Data, Node},
    problem::{Problem, Severity, suggestion},
    secret::{SecretLookup, SecretRef},
};

/// APIM: a value has at most 4,096 characters.
const MAX_VALUE: usize = 4096;

/// A named value with its text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NamedValue {
    /// What policies call it.
    pub(crate) display_name: Arc<str>,
    pub(crate) value: Arc<str>,
    pub(crate) secret: bool,
}

/// Reads a named value; `None` when it has no value here (reported): what refers to it refuses.
pub(crate) fn read(
    entity: &Entity,
    secrets: SecretLookup<'_>,
    problems: &mut Vec<Problem>,
) -> Option<NamedValue> {
    let properties = entity.properties.as_ref()?;
    let mut f = Fields::new(entity, properties, problems);
    let display_name: Arc<str> = f.text("displayName").unwrap_or(&entity.name).into();
    let secret = f.bool("secret", false);
    let Some(node) = properties.get("value") else {
        let what = if properties.get("keyVault").is_some() {
            "its value is in a Key Vault"
        } else {
            "its value is secret"
        };
        let message = format!(
            "`{display_name}`: {what}, which a folder does not hold; give it in the overlay \
             (namedValues: - name: {}, properties: {{value: {{env: NAME}}}})",
            entity.name
        );
        f.report(Severity::Warning, "no-value", "value", None, message);
        return None;
    };
    let value = match resolve(node, "value", secrets) {
        Ok(value) => value,
        Err(message) => {
            let message = format!("`{display_name}`: {message}");
            f.report(Severity::Scope, "bad-secret", "value", Some(node), message);
            return None;
        }
    };
    if value.chars().count() > MAX_VALUE {
        let message = format!("`{display_name}` has more than {MAX_VALUE} characters");
        f.report(Severity::Scope, "value-too-long", "value", Some(node), message);
        return None;
    }
    Some(NamedValue {
        display_name,
        value,
        secret: secret || matches!(node.data, Data::Map(_)),
    })
}

/// The text of a value that may be a reference: text, `{env: NAME}` or `{file: PATH}`.
pub(crate) fn resolve(node: &Node, key: &str, secrets: SecretLookup<'_>) -> Result<Arc<str>, String> {
    let reference = match &node.data {
        Data::Map(members) => match members.as_slice() {
            [(k, v)] if k.name == "env" => SecretRef::Env(name_of(v, "env")?),
            [(k, v)] if k.name == "file" => SecretRef::File(name_of(v, "file")?),
            [(k, _)] => {
                return Err(format!(
                    "`{}` is no kind of reference; {}",
                    k.name,
                    suggestion(&k.name, &["env", "file"])
                ));
            }
            _ => return Err(format!("`{key}` must be text, {{env: NAME}} or {{file: PATH}}")),
        },
        _ => {
            let text = node
                .as_scalar()
                .ok_or_else(|| format!("`{key}` must be text, found {}", node.kind()))?;
            if text.starts_with("{#") && text.ends_with("#}") {
                return Err(format!(
                    "the placeholder `{text}` was not replaced by the pipeline"
                ));
            }
            return Ok(text.into());
        }
    };
    match secrets(&reference) {
        Ok(secret) => Ok(Arc::clone(secret.expose())),
        Err(why) => Err(format!("{reference:?} gave no value: {why}")),
    }
}

fn name_of(node: &Node, key: &str) -> Result<Arc<str>, String> {
    node.as_text()
        .filter(|t| !t.is_empty())
        .map(Arc::from)
        .ok_or_else(|| format!("`{key}` must be text"))
}

/// Replaces every `{{name}}`; unknown names come back as error.
pub(crate) fn substitute(text: &str, known: impl Fn(&str) -> Option<Arc<str>>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let Some(close) = rest[open..].find("}}") else {
            break;
        };
        let name = rest[open + 2..open + close].trim();
        let value =
            known(name).ok_or_else(|| format!("named value `{name}` does not exist or has no value"))?;
        out.push_str(&rest[..open]);
        out.push_str(&value);
        rest = &rest[open + close + 2..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    /// Display name, value, and whether it is a secret.
    type Shown = (Arc<str>, Arc<str>, bool);

    fn named_value(json: &str) -> (Option<Shown>, Vec<Problem>) {
        let mut problems = Vec::new();
        let node = crate::doc::read("n.json", json.as_bytes(), &mut problems).unwrap();
        let entity = Entity {
            name: "65e2".into(),
            path: "n.json".into(),
            properties: Some(node),
            overlay: None,
        };
        let secrets = |r: &SecretRef| match r {
            SecretRef::Env(name) => Ok(Secret::new(format!("${name}"))),
            _ => Err("no such file".to_owned()),
        };
        let value = read(&entity, &secrets, &mut problems).map(|v| (v.display_name, v.value, v.secret));
        (value, problems)
    }

    #[test]
    fn values() {
        for (json, expected) in [
            (r#"{"displayName": "who", "value": "me"}"#, ("who", "me", false)),
            (
                r#"{"displayName": "who", "value": "me", "secret": true}"#,
                ("who", "me", true),
            ),
            (r#"{"displayName": "n", "value": 7}"#, ("n", "7", false)),
            (r#"{"displayName": "e", "value": ""}"#, ("e", "", false)),
            (r#"{"value": "x"}"#, ("65e2", "x", false)),
            // What comes by reference is a secret, whatever the folder says.
            (
                r#"{"displayName": "r", "value": {"env": "A"}}"#,
                ("r", "$A", true),
            ),
        ] {
            let (got, problems) = named_value(json);
            assert_eq!(problems, [], "{json}");
            let got = got.unwrap();
            assert_eq!((&*got.0, &*got.1, got.2), expected, "{json}");
        }
    }

    #[test]
    fn without_a_value() {
        let long = format!(r#"{{"value": "{}"}}"#, "x".repeat(4097));
        for (json, code, severity, part) in [
            (
                r#"{"displayName": "s", "secret": true}"#,
                "no-value",
                Severity::Warning,
                "- name: 65e2",
            ),
            (
                r#"{"displayName": "s", "keyVault": {"secretIdentifier": "https://v/secrets/s"}}"#,
                "no-value",
                Severity::Warning,
                "Key Vault",
            ),
            (
                r#"{"value": {"file": "/x"}}"#,
                "bad-secret",
                Severity::Scope,
                "no such file",
            ),
            (
                r#"{"value": ["x"]}"#,
                "bad-secret",
                Severity::Scope,
                "must be text",
            ),
            (long.as_str(), "value-too-long", Severity::Scope, "4096"),
        ] {
            let (value, problems) = named_value(json);
            assert!(value.is_none(), "{json}");
            assert_eq!(
                (problems[0].code, problems[0].severity),
                (code, severity),
                "{json}"
            );
            assert!(
                problems[0].message.contains(part),
                "{json}: {}",
                problems[0].message
            );
        }
    }

    #[test]
    fn substitution() {
        let known = |name: &str| (name == "a").then(|| Arc::from("1"));
        for (text, expected) in [
            ("x{{a}}y{{ a }}", Ok("x1y1")),
            ("no names", Ok("no names")),
            ("open {{a", Ok("open {{a")),
            ("{{b}}", Err("`b`")),
            ("{{}}", Err("``")),
        ] {
            match (substitute(text, known), expected) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted, "{text}"),
                (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
                (got, wanted) => panic!("{text}: {got:?} instead of {wanted:?}"),
            }
        }
    }
}
