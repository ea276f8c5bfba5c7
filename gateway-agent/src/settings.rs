//! Reading settings: environment and file become named values, the configuration crate types them.
//!
//! The file is YAML or JSON (flat dotted names, nested objects, or a whole Kubernetes ConfigMap), or lines
//! `name=value` as `docker --env-file` and systemd's `EnvironmentFile` take them. The environment wins.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use gateway_config::{
    Problem, Settings, Severity, doc,
    settings::{self, ENVIRONMENT, RawSetting, TABLE},
};
use serde_json::{Map, Value, json};

use crate::sync::tree;

/// Environment variable that names the settings file.
pub const FILE_VARIABLE: &str = "GATEWAY_SETTINGS_FILE";

/// Largest settings file; all settings with long values are a few KiB.
const FILE_BYTES: u64 = 1 << 20;

/// Settings, typed, with all that is wrong about them.
#[derive(Debug)]
pub struct Gathered {
    /// Typed; defaults where a value was bad.
    pub settings: Settings,
    /// Everything wrong at once.
    pub problems: Vec<Problem>,
    /// As found, for `/config_dump`.
    pub raw: Vec<RawSetting>,
    /// The file they came from.
    pub file: Option<PathBuf>,
}

impl Gathered {
    /// Whether the node must not start with them.
    pub fn is_fatal(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.severity != Severity::Warning)
    }

    /// Whether somebody gave the setting, and not only its default.
    pub fn is_given(&self, name: &str) -> bool {
        self.raw
            .iter()
            .any(|raw| settings::find(&raw.name).is_some_and(|entry| entry.name == name))
    }

    /// Every setting that differs from unset: value (secrets masked) and where it comes from.
    pub fn masked(&self) -> Value {
        let mut out = Map::new();
        let named: Vec<_> = self
            .raw
            .iter()
            .filter_map(|raw| Some((settings::find(&raw.name)?.name, raw)))
            .collect();
        for entry in TABLE {
            let found = named
                .iter()
                .rev()
                .find(|(name, _)| *name == entry.name)
                .map(|(_, raw)| raw);
            let (value, origin) = match (found, entry.default) {
                (Some(raw), _) => (mask(entry.name, &raw.value), raw.origin.to_string()),
                (None, Some(default)) => (default.to_owned(), "default".to_owned()),
                (None, None) => continue,
            };
            out.insert(entry.name.to_owned(), json!({ "value": value, "origin": origin }));
        }
        Value::Object(out)
    }
}

/// The value as it may be shown: never a token, a client secret, or the password inside a URL.
fn mask(name: &str, value: &str) -> String {
    if name == "config.service.auth" {
        // The literal word is harmless and useful; what follows is the token.
        return value
            .split_once(' ')
            .map_or_else(|| hide_unless_word(value), |(word, _)| format!("{word} hidden"));
    }
    if name.to_ascii_lowercase().contains("secret") || name == "IDENTITY_HEADER" {
        return "hidden".to_owned();
    }
    if name == "cache.external.connection-string" && !value.contains("://") {
        let shown = value.split(',').map(|part| match part.split_once('=') {
            Some((name, _)) if name.trim().eq_ignore_ascii_case("password") => "password=hidden",
            _ => part,
        });
        return shown.collect::<Vec<_>>().join(",");
    }
    match value
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1)))
    {
        Some((scheme, rest)) => format!("{scheme}://hidden@{rest}"),
        None => value.to_owned(),
    }
}

fn hide_unless_word(value: &str) -> String {
    let known = ["azureAdApp", "workloadIdentity"]
        .iter()
        .any(|word| word.eq_ignore_ascii_case(value));
    if known {
        value.to_owned()
    } else {
        "hidden".to_owned()
    }
}

/// Reads file and environment of this process. `file` wins over [`FILE_VARIABLE`].
pub fn gather(file: Option<&Path>) -> Gathered {
    gather_from(file, std::env::vars_os())
}

fn gather_from(file: Option<&Path>, environment: impl Iterator<Item = (OsString, OsString)>) -> Gathered {
    let mut problems = Vec::new();
    let mut from_environment = Vec::new();
    let mut file = file.map(Path::to_owned);
    for (name, value) in environment {
        // A name that is not text cannot be one of ours.
        let Ok(name) = name.into_string() else { continue };
        if name == FILE_VARIABLE {
            file = file.or_else(|| Some(value.into()));
            continue;
        }
        match value.into_string() {
            Ok(value) => from_environment.push(raw(ENVIRONMENT, name, value, 0)),
            Err(_) if settings::find(&name).is_some() => {
                problems.push(
                    Problem::new(
                        Severity::Fatal,
                        "not-utf8",
                        ENVIRONMENT,
                        "the value is not UTF-8 text",
                    )
                    .on(name),
                );
            }
            Err(_) => {}
        }
    }
    // The order of a process environment is arbitrary; messages should not be.
    from_environment.sort_by(|a, b| a.name.cmp(&b.name));
    let mut all = match &file {
        Some(file) => read_file(file, &mut problems),
        None => Vec::new(),
    };
    all.append(&mut from_environment);
    let (settings, found) = settings::parse(&all);
    problems.extend(found);
    Gathered {
        settings,
        problems,
        raw: all,
        file,
    }
}

fn raw(origin: &str, name: String, value: String, line: u32) -> RawSetting {
    RawSetting {
        origin: origin.into(),
        name,
        value,
        line,
    }
}

fn read_file(path: &Path, problems: &mut Vec<Problem>) -> Vec<RawSetting> {
    let shown = path.display().to_string();
    let bytes = match tree::read_file(path, FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            problems.push(Problem::new(
                Severity::Fatal,
                "unreadable-settings",
                &shown,
                error.to_string(),
            ));
            return Vec::new();
        }
    };
    let structured = ["yaml", "yml", "json"]
        .iter()
        .any(|ext| path.extension().is_some_and(|e| e == *ext));
    let read = if structured {
        structured_file(&shown, &bytes, problems)
    } else {
        line_file(&shown, &bytes, problems)
    };
    read.unwrap_or_else(|problem| {
        problems.push(Problem {
            severity: Severity::Fatal,
            ..problem
        });
        Vec::new()
    })
}

fn structured_file(
    path: &str,
    bytes: &[u8],
    problems: &mut Vec<Problem>,
) -> Result<Vec<RawSetting>, Problem> {
    let document = doc::read(path, bytes, problems)?;
    let is_config_map = document.get("kind").and_then(doc::Node::as_text) == Some("ConfigMap");
    let empty = doc::Node::empty_map();
    let top = if is_config_map {
        document.get("data").unwrap_or(&empty)
    } else {
        &document
    };
    let mut out = Vec::new();
    flatten(path, "", top, &mut out, problems);
    Ok(out)
}

/// Nested objects spell dotted names; lists spell comma-separated values.
fn flatten(
    path: &str,
    prefix: &str,
    node: &doc::Node,
    out: &mut Vec<RawSetting>,
    problems: &mut Vec<Problem>,
) {
    for (key, value) in node.members() {
        let name = if prefix.is_empty() {
            key.name.clone()
        } else {
            format!("{prefix}.{}", key.name)
        };
        let list: Option<Vec<&str>> = value.items().iter().map(doc::Node::as_scalar).collect();
        match (&value.data, list) {
            (doc::Data::Map(_), _) => flatten(path, &name, value, out, problems),
            (doc::Data::List(_), Some(items)) => out.push(raw(path, name, items.join(","), key.place.line)),
            (doc::Data::Null, _) => out.push(raw(path, name, String::new(), key.place.line)),
            _ => match value.as_scalar() {
                Some(text) => out.push(raw(path, name, text.to_owned(), key.place.line)),
                None => problems.push(
                    Problem::new(
                        Severity::Fatal,
                        "bad-setting",
                        path,
                        "a setting is text, a number, true or false",
                    )
                    .at(key.place)
                    .on(name),
                ),
            },
        }
    }
}

fn line_file(path: &str, bytes: &[u8], problems: &mut Vec<Problem>) -> Result<Vec<RawSetting>, Problem> {
    let mut out = Vec::new();
    for (number, line) in (1..).zip(doc::text_of(path, bytes)?.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) => {
                out.push(raw(
                    path,
                    name.trim().to_owned(),
                    unquote(value.trim()).to_owned(),
                    number,
                ));
            }
            None => problems.push(
                Problem::new(
                    Severity::Fatal,
                    "bad-line",
                    path,
                    "a line is `name=value` or a comment",
                )
                .at(gateway_config::problem::Place {
                    line: number,
                    column: 1,
                }),
            ),
        }
    }
    Ok(out)
}

fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// Where secrets of the overlay come from: the environment, a file, the overlay itself.
///
/// # Errors
/// What failed, never the value.
pub fn secret(reference: &gateway_config::SecretRef) -> Result<gateway_config::Secret, String> {
    use gateway_config::{Secret, SecretRef};
    /// Largest secret: a PEM bundle is a few KiB.
    const SECRET_BYTES: u64 = 1 << 20;
    match reference {
        SecretRef::Literal(value) => Ok(Secret::new(Arc::clone(value))),
        SecretRef::Env(name) => match std::env::var(&**name) {
            Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
            Ok(_) => Err(format!("the environment variable {name} is empty")),
            Err(std::env::VarError::NotPresent) => Err(format!("the environment variable {name} is not set")),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(format!("the environment variable {name} is not UTF-8"))
            }
        },
        SecretRef::File(path) => {
            let bytes =
                tree::read_file(Path::new(&**path), SECRET_BYTES).map_err(|error| error.to_string())?;
            let text = std::str::from_utf8(&bytes).map_err(|_| format!("{path} is not UTF-8 text"))?;
            let text = text.strip_suffix('\n').unwrap_or(text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.is_empty() {
                Err(format!("{path} is empty"))
            } else {
                Ok(Secret::new(text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_config::SecretRef;

    use super::*;
    use crate::sync::scratch::Scratch;

    fn with_file(name: &str, text: &str, environment: &[(&str, &str)]) -> Gathered {
        let scratch = Scratch::new();
        scratch.write(name, text);
        let environment = environment
            .iter()
            .map(|(n, v)| (OsString::from(n), OsString::from(v)));
        gather_from(Some(&scratch.path().join(name)), environment)
    }

    fn check(name: &str, text: &str) {
        let gathered = with_file(name, text, &[]);
        assert_eq!(gathered.problems, [], "{text}");
        assert_eq!(gathered.settings.server.http_port, 18_080, "{text}");
        assert_eq!(gathered.settings.gateway_name.as_deref(), Some("gw1"), "{text}");
    }

    #[test]
    fn every_form_of_file_is_understood() {
        check("s.yaml", "net.server.http.port: 18080\ngateway.name: gw1\n");
        check(
            "s.yml",
            "net:\n  server:\n    http: {port: 18080}\ngateway: {name: gw1}\n",
        );
        check(
            "s.json",
            r#"{"net.server.http.port": "18080", "gateway.name": "gw1"}"#,
        );
        check(
            "s.env",
            "# comment\nNET_SERVER_HTTP_PORT=18080\n\ngateway.name = \"gw1\"\n",
        );
        check(
            "cm.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  net.server.http.port: \"18080\"\n  gateway.name: gw1\n",
        );
    }

    #[test]
    fn the_environment_wins() {
        let gathered = with_file(
            "s.yaml",
            "net.server.http.port: 1\n",
            &[("NET_SERVER_HTTP_PORT", "2")],
        );
        assert_eq!(gathered.settings.server.http_port, 2);
    }

    #[test]
    fn the_environment_may_name_the_file() {
        let scratch = Scratch::new();
        scratch.write("s.yaml", "net.server.http.port: 7\n");
        let variable = (
            OsString::from(FILE_VARIABLE),
            scratch.path().join("s.yaml").into_os_string(),
        );
        let gathered = gather_from(None, [variable].into_iter());
        assert_eq!(gathered.settings.server.http_port, 7);
    }

    fn fails(name: &str, text: &str, code: &str, line: u32) {
        let gathered = with_file(name, text, &[]);
        let found = gathered.problems.iter().find(|p| p.code == code);
        assert_eq!(
            found.map(|p| p.line),
            Some(line),
            "{text}: {:?}",
            gathered.problems
        );
        assert!(gathered.is_fatal(), "{text}");
    }

    #[test]
    fn mistakes_name_their_line() {
        fails(
            "s.yaml",
            "gateway.name: gw1\nnet.server.http.port: eighty\n",
            "bad-setting",
            2,
        );
        fails("s.yaml", "gateway.nam: gw1\n", "unknown-setting", 1);
        fails("s.yaml", "gateway.name: [{a: 1}]\n", "bad-setting", 1);
        fails("s.env", "gateway.name=gw1\nnonsense\n", "bad-line", 2);
        fails("s.yaml", "a: [\n", "bad-yaml", 2);
        fails("s.env", "\u{0}garbage\n", "bad-line", 1);
    }

    #[test]
    fn a_missing_file_is_fatal() {
        let gathered = gather_from(Some(Path::new("/nonexistent/settings.yaml")), std::iter::empty());
        assert!(gathered.is_fatal());
        assert_eq!(gathered.problems[0].code, "unreadable-settings");
    }

    #[test]
    fn values_that_are_not_text_are_named_only_when_they_are_settings() {
        use std::os::unix::ffi::OsStringExt as _;
        let bad = || OsString::from_vec(vec![0xff]);
        let gathered = gather_from(None, [("LS_COLORS".into(), bad())].into_iter());
        assert_eq!(gathered.problems, []);
        let gathered = gather_from(None, [("gateway.name".into(), bad())].into_iter());
        assert_eq!(gathered.problems[0].code, "not-utf8");
    }

    #[test]
    fn nothing_secret_is_shown() {
        for (name, value, expected) in [
            ("config.service.auth", "GatewayKey abc&123", "GatewayKey hidden"),
            (
                "cache.external.connection-string",
                "h:6380,Password=abc,ssl=True",
                "h:6380,password=hidden,ssl=True",
            ),
            (
                "cache.external.connection-string",
                "redis://u:abc@h",
                "redis://hidden@h",
            ),
            ("IDENTITY_HEADER", "abc", "hidden"),
            ("config.service.auth", "workloadIdentity", "workloadIdentity"),
            ("config.service.auth", "abc", "hidden"),
            ("config.service.auth.azureAd.clientSecret", "abc", "hidden"),
            ("HTTPS_PROXY", "http://u:p@proxy:3128", "http://hidden@proxy:3128"),
            (
                "config.service.endpoint",
                "https://contoso.example",
                "https://contoso.example",
            ),
        ] {
            assert_eq!(mask(name, value), expected, "{name}={value}");
        }
        let gathered = with_file("s.yaml", "config.service.auth: GatewayKey t0ps3cret\n", &[]);
        let text = gathered.masked().to_string();
        assert!(!text.contains("t0ps3cret"), "{text}");
        assert!(text.contains("GatewayKey hidden"), "{text}");
    }

    #[test]
    fn secrets_come_from_where_the_overlay_says() {
        let scratch = Scratch::new();
        scratch.write("key", "s3cret\n");
        scratch.write("empty", "\n");
        let file = |name: &str| SecretRef::File(scratch.path().join(name).display().to_string().into());
        assert_eq!(&**secret(&file("key")).unwrap().expose(), "s3cret");
        assert_eq!(&**secret(&SecretRef::Literal("x".into())).unwrap().expose(), "x");
        for (reference, expected) in [
            (file("absent"), "absent"),
            (file("empty"), "is empty"),
            (
                SecretRef::Env("GATEWAY_TEST_NO_SUCH_VARIABLE".into()),
                "is not set",
            ),
        ] {
            let error = secret(&reference).unwrap_err();
            assert!(error.contains(expected), "{reference:?}: {error}");
        }
    }
}
