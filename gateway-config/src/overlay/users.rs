//! Users: owners of subscriptions, for `context.User`.

use std::{collections::BTreeMap, sync::Arc};

use gateway_policy::context::{Group, User};

use super::{Reader, keys};
use crate::{artifacts::subscription::ticks, doc::Node};

/// Reads `users`; group display names come from `groups` of the same file when they stand there.
pub(super) fn read(
    reader: &mut Reader<'_>,
    users: Option<&Node>,
    groups: Option<&Node>,
) -> BTreeMap<String, Arc<User>> {
    let mut out = BTreeMap::new();
    for node in reader.list(users, "users") {
        let Some(m) = reader.members(node, keys::USER, "a user") else {
            continue;
        };
        let Some(id) = reader.needed(m, "id", "a user") else {
            continue;
        };
        let mut text = |key: &str| reader.text(m, key).unwrap_or_default();
        let (first_name, last_name, email, note) =
            (text("firstName"), text("lastName"), text("email"), text("note"));
        let date = |t: &str| ticks(t).ok_or_else(|| format!("`{t}` is no date such as 2026-01-31T00:00:00Z"));
        let user = User {
            id: Arc::clone(&id),
            first_name,
            last_name,
            email,
            note,
            registration_ticks: reader.parsed(m, "registrationDate", date).unwrap_or(0),
            groups: reader.texts(m, "groups", |g| Ok(group(g, groups))),
            identities: identities(reader, m.get("identities")),
        };
        if out.insert(id.to_lowercase(), Arc::new(user)).is_some() {
            reader.fail(
                "repeated-name",
                "id",
                node.place,
                format!("user `{id}` stands twice"),
            );
        }
    }
    out
}

fn group(id: &str, groups: Option<&Node>) -> Group {
    let known = groups.map_or(&[][..], Node::items).iter().find(|g| {
        g.get("name")
            .and_then(Node::as_scalar)
            .is_some_and(|n| n.eq_ignore_ascii_case(id))
    });
    let name = known
        .and_then(|g| g.get("properties")?.get("displayName")?.as_scalar())
        .unwrap_or(id);
    Group {
        id: id.into(),
        name: name.into(),
    }
}

fn identities(reader: &mut Reader<'_>, node: Option<&Node>) -> Vec<(Arc<str>, Arc<str>)> {
    let mut out = Vec::new();
    for item in reader.list(node, "identities") {
        let Some(m) = reader.members(item, keys::IDENTITY, "an identity") else {
            continue;
        };
        let provider = reader.needed(m, "provider", "an identity");
        let id = reader.needed(m, "id", "an identity");
        if let (Some(provider), Some(id)) = (provider, id) {
            out.push((provider, id));
        }
    }
    out
}
