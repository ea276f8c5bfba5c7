//! Products and groups.

use std::{collections::BTreeMap, sync::Arc};

use gateway_policy::context;

use super::{Entity, ProductFolder, fields::Fields};
use crate::{problem::Problem, snapshot::ProductEntry};

/// Reads a product; `None` when it is unusable (reported): keys of its subscriptions open nothing.
pub(crate) fn read(
    name: &str,
    folder: &ProductFolder,
    groups: &BTreeMap<String, context::Group>,
    problems: &mut Vec<Problem>,
) -> Option<ProductEntry> {
    let info = folder.info.as_ref()?;
    let properties = info.properties.as_ref()?;
    let mut f = Fields::new(info, properties, problems);
    let product = context::Product {
        id: name.into(),
        name: f.text("displayName").unwrap_or(name).into(),
        published: f
            .text("state")
            .is_some_and(|s| s.eq_ignore_ascii_case("published")),
        approval_required: f.bool("approvalRequired", false),
        // Absent means needed: APIOps leaves out defaults, and the service's default is true.
        subscription_required: f.bool("subscriptionRequired", true),
        subscriptions_limit: f.u32("subscriptionsLimit").and_then(|n| i32::try_from(n).ok()),
        groups: folder
            .groups
            .keys()
            .map(|g| {
                groups
                    .get(&g.to_lowercase())
                    .cloned()
                    .unwrap_or_else(|| builtin_group(g))
            })
            .collect(),
    };
    if f.refusal().is_some() {
        return None;
    }
    let apis = folder.apis.keys().map(|a| Arc::from(a.as_str())).collect();
    Some(ProductEntry {
        index: 0,
        product: Arc::new(product),
        apis,
    })
}

/// Reads a group.
pub(crate) fn read_group(entity: &Entity, problems: &mut Vec<Problem>) -> Option<context::Group> {
    let mut f = Fields::new(entity, entity.properties.as_ref()?, problems);
    Some(context::Group {
        id: entity.name.as_str().into(),
        name: f.text("displayName").unwrap_or(&entity.name).into(),
    })
}

/// The system groups, which current extractors leave out.
fn builtin_group(id: &str) -> context::Group {
    let name = match id.to_ascii_lowercase().as_str() {
        "administrators" => "Administrators",
        "developers" => "Developers",
        "guests" => "Guests",
        _ => id,
    };
    context::Group {
        id: id.into(),
        name: name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_and_defaults() {
        let read_one = |json: &str| {
            let mut problems = Vec::new();
            let node = crate::doc::read("p.json", json.as_bytes(), &mut problems).unwrap();
            let info = Entity {
                name: "p".into(),
                path: "p.json".into(),
                properties: Some(node),
                overlay: None,
            };
            let link = |n: &str| (n.to_owned(), String::new());
            let folder = ProductFolder {
                info: Some(info),
                apis: [link("a")].into(),
                groups: [link("guests"), link("Team")].into(),
                ..ProductFolder::default()
            };
            let groups = [(
                "team".to_owned(),
                context::Group {
                    id: "team".into(),
                    name: "The team".into(),
                },
            )]
            .into();
            (read("p", &folder, &groups, &mut problems), problems)
        };
        let (entry, problems) = read_one("{}");
        let product = entry.unwrap().product;
        assert_eq!(problems, []);
        assert!(
            product.subscription_required,
            "a product is open only when it says so"
        );
        assert!(!product.published && !product.approval_required);
        let names: Vec<&str> = product.groups.iter().map(|g| &*g.name).collect();
        assert_eq!(names, ["The team", "Guests"]);
        let (entry, _) = read_one(
            r#"{"displayName": "P", "state": "Published", "subscriptionRequired": false, "approvalRequired": true, "subscriptionsLimit": 3}"#,
        );
        let entry = entry.unwrap();
        assert_eq!(
            (
                &*entry.product.name,
                entry.product.subscriptions_limit,
                entry.apis.len()
            ),
            ("P", Some(3), 1)
        );
        assert!(entry.product.published && !entry.product.subscription_required);
        let (entry, problems) = read_one(r#"{"subscriptionRequired": "no"}"#);
        assert!(entry.is_none() && problems[0].code == "wrong-type");
    }
}
