//! Subscriptions: whose keys open what.

use std::{collections::BTreeMap, sync::Arc};

use gateway_policy::context;

use super::{Entity, fields::Fields, id_in, named_value::resolve};
use crate::{
    problem::{Problem, Severity},
    secret::SecretLookup,
    snapshot::{SubscriptionEntry, SubscriptionScope, SubscriptionState},
};

/// APIM: a key has 1 to 256 characters.
const MAX_KEY: usize = 256;

/// Reads a subscription; `None` when it is unusable (reported): its keys open nothing.
pub(crate) fn read(
    entity: &Entity,
    users: &BTreeMap<String, Arc<context::User>>,
    secrets: SecretLookup<'_>,
    problems: &mut Vec<Problem>,
) -> Option<SubscriptionEntry> {
    let properties = entity.properties.as_ref()?;
    let mut f = Fields::new(entity, properties, problems);
    let scope = scope(&mut f, &entity.name)?;
    let state = state(&mut f)?;
    let primary_key = key(&mut f, "primaryKey", secrets);
    let secondary_key = key(&mut f, "secondaryKey", secrets);
    let owner = f.text("ownerId").and_then(|id| id_in(id, "users"));
    let owner = owner.map(|id| {
        users
            .get(&id.to_lowercase())
            .cloned()
            .unwrap_or_else(|| unknown_user(id))
    });
    let subscription = context::Subscription {
        id: entity.name.as_str().into(),
        name: f.text("displayName").unwrap_or("").into(),
        primary_key,
        secondary_key,
        created_ticks: date(&mut f, "createdDate").unwrap_or(0),
        start_ticks: date(&mut f, "startDate"),
        end_ticks: date(&mut f, "endDate"),
    };
    let allow_tracing = f.bool("allowTracing", false);
    if f.refusal().is_some() {
        return None;
    }
    Some(SubscriptionEntry {
        subscription: Arc::new(subscription),
        scope,
        state,
        owner,
        allow_tracing,
    })
}

fn scope(f: &mut Fields<'_, '_>, name: &str) -> Option<SubscriptionScope> {
    if name.eq_ignore_ascii_case("master") && f.node.get("scope").is_none() {
        return Some(SubscriptionScope::AllApis);
    }
    let text = f.required_text("scope", "write /products/{product}, /apis/{api} or /apis")?;
    if let Some(product) = id_in(text, "products") {
        return Some(SubscriptionScope::Product(product.into()));
    }
    if let Some(api) = id_in(text, "apis") {
        return Some(SubscriptionScope::Api(super::split_revision(api).0.into()));
    }
    let trimmed = text.trim_end_matches('/');
    let last = trimmed.rsplit('/').next().unwrap_or("");
    // The all-access subscription's scope is the service itself.
    let service = trimmed.is_empty() || id_in(trimmed, "service").is_some();
    if last.eq_ignore_ascii_case("apis") || service {
        return Some(SubscriptionScope::AllApis);
    }
    let at = f.node.get("scope");
    let message = "`scope` is not understood; write /products/{product}, /apis/{api} or /apis";
    f.report(Severity::Scope, "bad-scope", "scope", at, message);
    None
}

fn state(f: &mut Fields<'_, '_>) -> Option<SubscriptionState> {
    use SubscriptionState::{Active, Cancelled, Expired, Rejected, Submitted, Suspended};
    let known = [
        ("active", Active),
        ("suspended", Suspended),
        ("submitted", Submitted),
        ("rejected", Rejected),
        ("cancelled", Cancelled),
        ("expired", Expired),
    ];
    // Written by every extractor; without it nobody said that the key is good.
    let text = f.required_text("state", "write `\"state\": \"active\"`")?;
    let found = known
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(text))
        .map(|(_, s)| *s);
    if found.is_none() {
        let at = f.node.get("state");
        let names: Vec<&str> = known.iter().map(|(n, _)| *n).collect();
        let message = format!("`{text}` is no subscription state; known: {}", names.join(", "));
        f.report(Severity::Scope, "unknown-value", "state", at, message);
    }
    found
}

fn key(f: &mut Fields<'_, '_>, name: &str, secrets: SecretLookup<'_>) -> Option<Arc<str>> {
    let node = f.node.get(name)?;
    match resolve(node, name, secrets) {
        Ok(key) if key.is_empty() => None,
        Ok(key) if key.chars().count() <= MAX_KEY => Some(key),
        Ok(_) => {
            let message = format!("`{name}` has more than {MAX_KEY} characters");
            f.report(Severity::Scope, "bad-secret", name, Some(node), message);
            None
        }
        Err(message) => {
            f.report(Severity::Scope, "bad-secret", name, Some(node), message);
            None
        }
    }
}

/// Dates are informative only, so a bad one is a warning.
fn date(f: &mut Fields<'_, '_>, name: &str) -> Option<i64> {
    let text = f.text(name).filter(|t| !t.is_empty())?;
    let ticks = ticks(text);
    if ticks.is_none() {
        let at = f.node.get(name);
        f.report(
            Severity::Warning,
            "bad-date",
            name,
            at,
            format!("`{text}` is no date such as 2026-01-31T00:00:00Z"),
        );
    }
    ticks
}

/// .NET ticks of an ISO 8601 instant in UTC; fractions and offsets other than `Z` are read.
pub(crate) fn ticks(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        text.get(from..to)
            .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|t| t.parse().ok())
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if bytes.get(4) != Some(&b'-')
        || bytes.get(7) != Some(&b'-')
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
    {
        return None;
    }
    let mut seconds = 0;
    let mut fraction = 0;
    if bytes.len() > 10 {
        if !matches!(bytes[10], b'T' | b't' | b' ') {
            return None;
        }
        seconds = number(11, 13)? * 3600 + number(14, 16)? * 60 + number(17, 19)?;
        let rest = text.get(19..)?;
        let digits = rest.strip_prefix('.').unwrap_or("");
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        for place in 0..7 {
            fraction = fraction * 10
                + digits.as_bytes()[..end]
                    .get(place)
                    .map_or(0, |b| i64::from(b - b'0'));
        }
        let zone = if rest.starts_with('.') {
            &digits[end..]
        } else {
            rest
        };
        seconds -= zone_seconds(zone)?;
    }
    // Days since 0001-01-01, proleptic Gregorian.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 307;
    Some((days * 86_400 + seconds) * 10_000_000 + fraction)
}

fn zone_seconds(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// A user that only the service knows; the id is all there is.
fn unknown_user(id: &str) -> Arc<context::User> {
    Arc::new(context::User {
        id: id.into(),
        ..context::User::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, SecretRef};

    fn subscription(name: &str, json: &str) -> (Option<SubscriptionEntry>, Vec<Problem>) {
        let mut problems = Vec::new();
        let node = crate::doc::read("s.json", json.as_bytes(), &mut problems).unwrap();
        let entity = Entity {
            name: name.into(),
            path: "s.json".into(),
            properties: Some(node),
            overlay: None,
        };
        let ada = context::User {
            id: "Ada".into(),
            email: "ada@example.com".into(),
            ..context::User::default()
        };
        let users = [("ada".to_owned(), Arc::new(ada))].into();
        let secrets = |r: &SecretRef| match r {
            SecretRef::File(path) => Ok(Secret::new(format!("from {path}"))),
            _ => Err("no such variable".to_owned()),
        };
        let entry = read(&entity, &users, &secrets, &mut problems);
        (entry, problems)
    }

    #[test]
    fn scopes() {
        use SubscriptionScope::{AllApis, Api, Product};
        const SERVICE: &str =
            "/subscriptions/1/resourceGroups/g/providers/Microsoft.ApiManagement/service/svc";
        for (scope, expected) in [
            ("/products/starter", Some(Product("starter".into()))),
            (
                &format!("{SERVICE}/products/starter"),
                Some(Product("starter".into())),
            ),
            ("/apis/echo", Some(Api("echo".into()))),
            ("/apis/echo;rev=2", Some(Api("echo".into()))),
            (&format!("{SERVICE}/apis/echo"), Some(Api("echo".into()))),
            ("/apis", Some(AllApis)),
            (&format!("{SERVICE}/apis"), Some(AllApis)),
            (&format!("{SERVICE}/"), Some(AllApis)),
            ("/", Some(AllApis)),
            ("/products", None),
            ("/users/1", None),
            ("echo", None),
        ] {
            let (entry, problems) =
                subscription("s", &format!(r#"{{"scope": "{scope}", "state": "active"}}"#));
            assert_eq!(entry.map(|e| e.scope), expected, "{scope}");
            assert_eq!(problems.is_empty(), expected.is_some(), "{scope}: {problems:?}");
        }
        assert_eq!(
            subscription("Master", r#"{"state": "active"}"#).0.unwrap().scope,
            AllApis
        );
        assert!(subscription("other", r#"{"state": "active"}"#).0.is_none());
    }

    #[test]
    fn states_are_never_guessed() {
        for (state, good) in [
            ("active", true),
            ("Suspended", true),
            ("submitted", true),
            ("rejected", true),
            ("cancelled", true),
            ("expired", true),
            ("", false),
            ("ok", false),
        ] {
            let (entry, _) = subscription("s", &format!(r#"{{"scope": "/apis", "state": "{state}"}}"#));
            assert_eq!(entry.is_some(), good, "{state}");
        }
        assert_eq!(
            subscription("s", r#"{"scope": "/apis"}"#).1[0].code,
            "missing-property"
        );
    }

    #[test]
    fn keys_and_owner() {
        let (entry, problems) = subscription(
            "s",
            r#"{"scope": "/apis", "state": "active", "displayName": "S", "ownerId": "/x/users/ADA", "allowTracing": true,
                "primaryKey": "k", "secondaryKey": {"file": "/k2"}, "createdDate": "1970-01-01", "startDate": "later"}"#,
        );
        let entry = entry.unwrap();
        assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), ["bad-date"]);
        let s = &entry.subscription;
        assert_eq!(
            (s.primary_key.as_deref(), s.secondary_key.as_deref()),
            (Some("k"), Some("from /k2"))
        );
        assert_eq!(entry.owner.unwrap().email.as_ref(), "ada@example.com");
        assert!(entry.allow_tracing && s.start_ticks.is_none() && s.created_ticks > 0);
        let (entry, _) = subscription(
            "s",
            r#"{"scope": "/apis", "state": "active", "ownerId": "/users/nobody", "primaryKey": ""}"#,
        );
        let entry = entry.unwrap();
        assert_eq!(entry.owner.unwrap().id.as_ref(), "nobody");
        assert_eq!(entry.subscription.primary_key, None, "an empty key is no key");
    }

    #[test]
    fn keys_that_are_unusable_refuse_the_subscription() {
        let long = format!(
            r#"{{"scope": "/apis", "state": "active", "primaryKey": "{}"}}"#,
            "x".repeat(257)
        );
        for (json, part) in [
            (
                r#"{"scope": "/apis", "state": "active", "primaryKey": {"env": "NONE"}}"#,
                "no such variable",
            ),
            (
                r#"{"scope": "/apis", "state": "active", "primaryKey": {"envv": "A"}}"#,
                "did you mean",
            ),
            (
                r#"{"scope": "/apis", "state": "active", "primaryKey": {"env": "A", "file": "B"}}"#,
                "must be text",
            ),
            (
                r#"{"scope": "/apis", "state": "active", "primaryKey": ["a"]}"#,
                "must be text",
            ),
            (
                r##"{"scope": "/apis", "state": "active", "primaryKey": "{#k#}"}"##,
                "not replaced",
            ),
            (long.as_str(), "more than 256"),
        ] {
            let (entry, problems) = subscription("s", json);
            assert!(entry.is_none(), "{json}");
            assert!(
                problems[0].message.contains(part),
                "{json}: {}",
                problems[0].message
            );
        }
    }

    #[test]
    fn dates_become_ticks() {
        for (text, expected) in [
            ("0001-01-01T00:00:00Z", Some(0)),
            ("1970-01-01", Some(621_355_968_000_000_000)),
            ("2024-02-29T12:34:56.1234567Z", Some(638_448_068_961_234_567)),
            ("2024-02-29T13:34:56+01:00", Some(638_448_068_960_000_000)),
            ("2024-13-01", None),
            ("yesterday", None),
            ("2024-02-29X", None),
        ] {
            assert_eq!(ticks(text), expected, "{text}");
        }
    }
}
