//! docs/policies.md, written from the registry: what is in the tables is what is documented.

use std::fmt::Write as _;

use super::{
    NOT_ON_SELF_HOSTED, POLICIES, PolicyDef,
    def::{AttributeDef, Content, ElementDef},
};

/// The whole page.
pub fn render() -> String {
    let mut out = String::from(INTRODUCTION);
    let mut policies: Vec<_> = POLICIES.to_vec();
    policies.sort_by_key(|p| p.element.name);
    for policy in &policies {
        let name = policy.element.name;
        let _ = writeln!(out, "- [{name}](#{name})");
    }
    for policy in policies {
        render_policy(&mut out, policy);
    }
    let _ = write!(
        out,
        "\n## Not on a self-hosted gateway\n\nReported when they are loaded, then skipped with a record, as the original does; a setting refuses them instead.\n\
         `authentication-token`, `authentication-token-store` and `graphql-data-source` have no page: only the vendor's \
         schemas\nknow them, and what they need is the managed service's.\n\n"
    );
    list(&mut out, NOT_ON_SELF_HOSTED);
    out
}

const INTRODUCTION: &str = "\
<!-- Generated from the registry in gateway-policy: `UPDATE_DOCS=1 cargo test -p gateway-policy policies_page`. -->
# Policies

Every policy this gateway runs, with its attributes and child elements. Every policy also takes `id`, which
`context.LastError.PolicyId` and traces show. *Expression* says that `@(…)` and `@{…}` are allowed.

";

fn list(out: &mut String, names: &[&str]) {
    for name in names {
        let _ = writeln!(out, "- `{name}`");
    }
}

fn render_policy(out: &mut String, policy: &PolicyDef) {
    let element = &policy.element;
    let _ = write!(out, "\n## {}\n\n{}\n\n", element.name, element.doc);
    let _ = writeln!(
        out,
        "Sections: {}. Scopes: {}.",
        policy.sections.names(),
        policy.scopes.names()
    );
    if policy.once {
        let _ = writeln!(out, "At most once in a section.");
    }
    let _ = write!(out, "\n```xml\n{}\n```\n", policy.example);
    attributes(out, element);
    // Elements two levels down belong to their parent's list; names are unique within a policy.
    let mut elements: Vec<(&ElementDef, usize, usize)> = Vec::new();
    collect(element, &mut elements);
    if !elements.is_empty() {
        out.push_str("\n| element | occurs | content | meaning |\n| --- | --- | --- | --- |\n");
        for (child, min, max) in &elements {
            let occurs = match (min, max) {
                (1, 1) => "once",
                (0, 1) => "at most once",
                (0, _) => "any number",
                _ => "at least once",
            };
            let content = match child.content {
                Content::Nothing => "",
                Content::Text => "text or expression",
                Content::LiteralText => "text",
                Content::Policies => "policies",
                Content::Anything => "anything",
            };
            let _ = writeln!(out, "| `{}` | {occurs} | {content} | {} |", child.name, child.doc);
        }
        for (child, _, _) in &elements {
            if !child.attributes.is_empty() {
                let _ = write!(out, "\nAttributes of `{}`:\n", child.name);
                attributes(out, child);
            }
        }
    }
}

fn collect<'d>(element: &'d ElementDef, found: &mut Vec<(&'d ElementDef, usize, usize)>) {
    for child in element.children {
        if found.iter().all(|(known, _, _)| known.name != child.element.name) {
            found.push((child.element, child.min, child.max));
            // Tables are constants of this crate and at most four deep.
            collect(child.element, found);
        }
    }
}

fn attributes(out: &mut String, element: &ElementDef) {
    if element.attributes.is_empty() {
        return;
    }
    out.push_str(
        "\n| attribute | required | expression | default | meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for attribute in element.attributes {
        let yes = |flag: bool| if flag { "yes" } else { "" };
        let default = attribute.default.map(|d| format!("`{d}`")).unwrap_or_default();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {default} | {} |",
            attribute.name,
            yes(attribute.required),
            yes(attribute.expression),
            meaning(attribute),
        );
    }
}

fn meaning(attribute: &AttributeDef) -> String {
    if attribute.words.is_empty() {
        return attribute.doc.to_owned();
    }
    let words: Vec<String> = attribute.words.iter().map(|w| format!("`{w}`")).collect();
    format!("{} One of {}.", attribute.doc, words.join(", "))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;
    use crate::{
        names::{Fragment, Names},
        program::{Options, ScopeDoc, Source},
        scope::{Scope, Section},
    };

    #[test]
    fn policies_page_is_what_the_registry_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/policies.md");
        let page = render();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap();
        assert!(
            written == page,
            "docs/policies.md is old: UPDATE_DOCS=1 cargo test -p gateway-policy policies_page"
        );
    }

    #[test]
    fn every_example_loads_where_it_is_documented() {
        let mut names = Names::default();
        let fragment = Fragment {
            path: "f".into(),
            text: "<fragment/>".into(),
        };
        names.fragments.insert("common-headers".into(), fragment);
        for policy in POLICIES {
            let scope = Scope::ALL
                .into_iter()
                .find(|s| policy.scopes.contains(*s))
                .unwrap();
            for section in Section::ALL.into_iter().filter(|s| policy.sections.contains(*s)) {
                let text = format!("<policies><{section}>{}</{section}></policies>", policy.example);
                let source = Source {
                    text: &text,
                    path: policy.element.name,
                    scope: Some(scope),
                };
                if let Err(errors) = ScopeDoc::compile(&source, &names, &Options::default()) {
                    panic!("{}", errors.iter().map(|d| d.render()).collect::<String>());
                }
            }
        }
    }

    #[test]
    fn every_name_is_known_once() {
        let mut seen = BTreeSet::new();
        let built = POLICIES.iter().map(|p| p.element.name);
        for name in built.chain(NOT_ON_SELF_HOSTED.iter().copied()) {
            assert!(seen.insert(name), "{name} is listed twice");
        }
        // The reference has 66 pages and 4 aliases; the schemas know a few elements more.
        assert!(seen.len() >= 70, "only {} policies are known", seen.len());
    }

    #[test]
    fn defaults_are_values_their_own_attribute_takes() {
        for policy in POLICIES {
            for attribute in policy.element.attributes {
                let Some(default) = attribute.default else {
                    continue;
                };
                assert!(!attribute.required, "{} {}", policy.element.name, attribute.name);
                assert!(
                    attribute.words.is_empty() || attribute.words.contains(&default),
                    "{} {}={default}",
                    policy.element.name,
                    attribute.name
                );
            }
        }
    }
}
