//! Every member read, every kind of mistake with its place, and the generated page.

use super::*;
use crate::doc::Data;

fn parse(text: &str) -> (Overlay, Vec<Problem>) {
    let mut problems = Vec::new();
    let overlay = read(
        OverlayFile {
            path: "overlay.yaml",
            bytes: text.as_bytes(),
        },
        &mut problems,
    );
    (overlay, problems)
}

#[test]
fn the_annotated_example_is_valid() {
    let (overlay, problems) = parse(&document::example());
    assert_eq!(problems, []);
    assert_eq!(overlay.service_name.as_deref(), Some("contoso"));
    assert_eq!(overlay.listeners.len(), 1);
    assert!(overlay.listeners[0].http.http3);
    assert_eq!(overlay.listeners[0].limits.header_bytes, Some(65_536));
    assert_eq!(&*overlay.hostnames[0].name, "api.example.com");
    assert_eq!(overlay.kernel.steer[0].first_port, 443);
    assert_eq!(overlay.kernel.deny.len(), 2);
    let service = &overlay.kernel.l4.services[0];
    assert_eq!(
        (&*service.name, service.backends.len(), service.tls[0].names.len()),
        ("postgres", 1, 2)
    );
    assert_eq!(service.health.as_ref().unwrap().fall, 3);
    assert_eq!(overlay.users["ada"].groups.len(), 1);
    assert_eq!(overlay.users["ada"].identities.len(), 1);
    assert_eq!(&*overlay.certificates[0].id, "client-cert");
    let operations = &overlay.entities["apis"][0].operations;
    assert_eq!(operations[0].name, "purge");
    assert!(operations[0].policy.is_some());
}

#[test]
fn the_generated_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/overlay.md");
    let expected = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/overlay.md is stale: run UPDATE_DOCS=1 cargo test -p gateway-config"
    );
}

#[test]
fn an_empty_overlay_says_nothing() {
    for text in ["", "\n", "# only a comment\n", "listeners:\n"] {
        let (overlay, problems) = parse(text);
        assert_eq!(problems, [], "{text:?}");
        assert!(overlay.listeners.is_empty());
    }
}

#[test]
fn mistakes_stop_the_load_and_have_a_place() {
    for (text, code, line, column, part) in [
        ("a: [\n", "bad-yaml", 2, 1, ""),
        ("- x\n", "wrong-type", 1, 1, "must be an object"),
        ("lisener: []\n", "unknown-key", 1, 1, "did you mean `listeners`?"),
        ("caches: []\n", "unknown-key", 1, 1, "known here"),
        ("listeners: {}\n", "wrong-type", 1, 12, "must be a list"),
        ("listeners:\n  - name: a\n", "missing-key", 2, 5, "needs `port`"),
        (
            "listeners:\n  - name: a\n    port: 99999\n",
            "bad-value",
            3,
            11,
            "65535",
        ),
        (
            "listeners:\n  - name: a\n    port: 1\n    adress: x\n",
            "unknown-key",
            4,
            5,
            "`address`",
        ),
        (
            "listeners:\n  - {name: a, port: 1, address: localhost}\n",
            "bad-value",
            2,
            33,
            "no IP address",
        ),
        (
            "listeners:\n  - {name: a, port: 1, tls: maybe}\n",
            "wrong-type",
            2,
            29,
            "true or false",
        ),
        (
            "listeners:\n  - {name: a, port: 1, http3: true}\n",
            "bad-value",
            2,
            31,
            "needs `tls: true`",
        ),
        (
            "listeners:\n  - {name: a, port: 1, http3: 4}\n",
            "wrong-type",
            2,
            31,
            "true or false",
        ),
        (
            "listeners:\n  - {name: a, port: 1}\n  - {name: a, port: 2}\n",
            "repeated-name",
            3,
            5,
            "`a`",
        ),
        (
            "listeners:\n  - {name: a, port: 1}\n  - {name: b, port: 1}\n",
            "repeated-name",
            3,
            5,
            "`b`",
        ),
        (
            "hostnames:\n  - name: api.example.com\n",
            "missing-key",
            2,
            5,
            "needs `certificatePath`",
        ),
        (
            "hostnames:\n  - {name: 'a b', certificatePath: c, keyPath: k}\n",
            "bad-value",
            2,
            12,
            "no host name",
        ),
        (
            "hostnames:\n  - {name: 'a.*.b', certificatePath: c, keyPath: k}\n",
            "bad-value",
            2,
            12,
            "no host name",
        ),
        (
            "kernel:\n  deny: [300.0.0.1/8]\n  uplinks: [e]\n",
            "bad-value",
            2,
            10,
            "no address or prefix",
        ),
        (
            "kernel:\n  deny: [10.0.0.0/8]\n",
            "missing-key",
            2,
            9,
            "needs `uplinks`",
        ),
        (
            "kernel:\n  uplinks: [e]\n  deny: [10.0.0.0/8]\n  allow: [10.0.0.0/8]\n",
            "bad-value",
            4,
            10,
            "allowed and denied",
        ),
        (
            "kernel:\n  uplinks: [e]\n  uplinkMode: fast\n",
            "bad-value",
            3,
            15,
            "none of auto, native, generic, tc",
        ),
        (
            "kernel:\n  uplinks: [e]\n  dropMalformed: [short, odd]\n",
            "bad-value",
            3,
            26,
            "none of short",
        ),
        (
            "kernel:\n  uplinks: [e]\n  budgets:\n    source: {syn: 100}\n",
            "bad-value",
            4,
            19,
            "no rate such as",
        ),
        (
            "kernel:\n  uplinks: [e]\n  budgets:\n    destinations:\n    - {port: 443}\n",
            "missing-key",
            5,
            7,
            "need `address`",
        ),
        (
            "kernel:\n  uplinks: [e]\n  rateLimitBans: {refusals: 5, within: 1s, lasts: 48h}\n",
            "bad-value",
            3,
            51,
            "more than a day",
        ),
        (
            "kernel:\n  uplinks: [e]\n  rateLimitBans: {refusals: 5, within: 1s}\n",
            "missing-key",
            3,
            18,
            "needs `lasts`",
        ),
        (
            "l4:\n  services:\n    - {name: a, address: 10.0.0.1, port: 1}\n",
            "impossible",
            3,
            7,
            "needs `backends` or `tls`",
        ),
        (
            "l4:\n  services:\n    - {name: a, address: 10.0.0.1, port: 1, protocol: sctp, backends: [{address: 10.0.0.2, port: 1}]}\n",
            "bad-value",
            3,
            55,
            "none of tcp, udp",
        ),
        (
            "l4:\n  services:\n    - {name: a, address: 10.0.0.1, port: 1, backends: [{address: x, port: 1}]}\n",
            "bad-value",
            3,
            66,
            "no IP address",
        ),
        (
            "l4:\n  services:\n    - {name: a, address: 10.0.0.1, port: 1, mode: kernel, backends: [{address: '::1', port: 1}]}\n",
            "impossible",
            3,
            69,
            "one family",
        ),
        (
            "kernel:\n  uplinks: ['a/b']\n",
            "bad-value",
            2,
            13,
            "no interface name",
        ),
        (
            "kernel:\n  steer:\n    - {prefix: 10.0.0.0/8, ports: 80, listener: x}\n",
            "unknown-listener",
            3,
            49,
            "no listener `x`",
        ),
        (
            "kernel:\n  steer:\n    - {prefix: 10.0.0.0/8, ports: 90-80, listener: x}\n",
            "bad-value",
            3,
            35,
            "backwards",
        ),
        ("users:\n  - firstName: x\n", "missing-key", 2, 5, "needs `id`"),
        (
            "users:\n  - {id: a}\n  - {id: A}\n",
            "repeated-name",
            3,
            5,
            "stands twice",
        ),
        (
            "users:\n  - {id: a, registrationDate: soon}\n",
            "bad-value",
            2,
            31,
            "no date",
        ),
        (
            "certificates:\n  - {id: a}\n",
            "missing-key",
            2,
            5,
            "needs `certificatePath`",
        ),
        (
            "apis:\n  - {properties: {}}\n",
            "missing-key",
            2,
            5,
            "needs `name`",
        ),
        (
            "apis:\n  - {name: a, properties: x}\n",
            "wrong-type",
            2,
            27,
            "must be an object",
        ),
        (
            "apis:\n  - {name: a, propertys: {}}\n",
            "unknown-key",
            2,
            15,
            "`properties`",
        ),
        (
            "apis:\n  - {name: a}\n  - {name: a}\n",
            "repeated-name",
            3,
            5,
            "stands twice",
        ),
    ] {
        let (_, problems) = parse(text);
        let found = problems
            .iter()
            .find(|p| p.code == code)
            .unwrap_or_else(|| panic!("{text}: {problems:?}"));
        assert_eq!(found.severity, Severity::Fatal, "{text}");
        assert_eq!((found.line, found.column), (line, column), "{text}: {found}");
        assert!(found.message.contains(part), "{text}: {found}");
        assert_eq!(found.path, "overlay.yaml");
    }
}

#[test]
fn placeholders_that_nobody_replaced_stop_the_load() {
    for (text, line) in [
        (
            "backends:\n- name: b\n  properties: {url: 'https://{#host#}/x'}\n",
            3,
        ),
        (
            "apis:\n- name: a\n  properties:\n    protocols:\n    - '{#p#}'\n",
            5,
        ),
        (
            "subscriptions:\n- name: a\n  properties: {primaryKey: '{#k#}'}\n",
            3,
        ),
        (
            "loggers:\n- {name: l, properties: {credentials: {connectionString: '{#x#}'}}}\n",
            2,
        ),
    ] {
        let (_, problems) = parse(text);
        let found: Vec<(&str, u32)> = problems.iter().map(|p| (p.code, p.line)).collect();
        assert_eq!(found, [("placeholder", line)], "{text}");
        assert_eq!(problems[0].severity, Severity::Fatal);
    }
    assert_eq!(
        parse("tags: [{name: l, properties: {displayName: '{#x#}'}}]\n").1,
        []
    );
}

#[test]
fn a_slip_in_a_property_is_a_warning() {
    let (_, problems) = parse("subscriptions:\n  - name: a\n    properties: {primarykey: x}\n");
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].code, problems[0].line), ("unknown-property", 3));
    assert!(problems[0].message.contains("`primaryKey`"), "{}", problems[0]);
}

#[test]
fn garbage_never_panics() {
    for text in [
        "\u{0}",
        "{{{{",
        "&a *a",
        "? : ?",
        "!!binary x",
        "%YAML 9\n---\na: b",
        "\t- x",
        "'",
    ] {
        let (_, problems) = parse(text);
        assert!(
            problems.iter().any(|p| p.severity == Severity::Fatal),
            "{text:?}: {problems:?}"
        );
    }
    let mut problems = Vec::new();
    read(
        OverlayFile {
            path: "o",
            bytes: b"a: \xff",
        },
        &mut problems,
    );
    assert_eq!(problems[0].code, "not-utf8");
}

fn artifacts() -> Artifacts {
    let mut tree = crate::FileTree::new();
    let mut put = |path: &str, text: &str| tree.insert(path.to_owned(), Arc::from(text.as_bytes()));
    put(
        "apis/a/apiInformation.json",
        r#"{"properties": {"path": "a", "protocols": ["https"], "contact": {"name": "n", "url": "u"}}}"#,
    );
    put("apis/a/policy.xml", "<policies/>");
    put("apis/a/operations/x/policy.xml", "<policies/>");
    put(
        "products/p/productInformation.json",
        r#"{"properties": {"displayName": "P"}}"#,
    );
    put(
        "backends/b/backendInformation.json",
        r#"{"properties": {"url": "https://b"}}"#,
    );
    put(
        "policy fragments/f/policyFragmentInformation.json",
        r#"{"properties": {}}"#,
    );
    put("policy fragments/f/policy.xml", "<fragment/>");
    put(
        "version sets/v/versionSetInformation.json",
        r#"{"properties": {"versioningScheme": "Segment"}}"#,
    );
    let mut problems = Vec::new();
    let artifacts = crate::artifacts::read(&tree, &mut problems);
    assert_eq!(problems, []);
    artifacts
}

#[test]
fn overrides_merge_into_the_folder() {
    let (overlay, problems) = parse(
        "apimServiceName: s\n\
         apis:\n\
         - name: a\n  properties: {serviceUrl: 'https://x', protocols: [http], contact: {url: w}, apiRevision: '9'}\n  \
           policies: [{name: policy, properties: {format: rawxml, value: '<policies>1</policies>'}}]\n  \
           operations: [{name: x, policies: [{name: policy, properties: {value: '<policies>2</policies>'}}]}]\n\
         - name: missing\n\
         products: [{name: p, properties: {displayName: Q}, policies: [{name: policy, properties: {value: '<policies>3</policies>'}}]}]\n\
         backends: [{name: b, properties: {url: 'https://c'}}, {name: new, properties: {url: 'https://d'}}]\n\
         subscriptions: [{name: master, properties: {primaryKey: k, state: active}}]\n\
         policies: [{name: policy, properties: {value: '<policies>4</policies>'}}]\n\
         policyFragments: [{name: f, properties: {value: '<fragment>5</fragment>'}}, {name: ff}]\n\
         versionSets: [{name: v, properties: {versioningScheme: Query, versionQueryName: q}}]\n\
         groups: [{name: g, properties: {displayName: G}}]\n\
         tags: [{name: t}]\n",
    );
    assert_eq!(problems, []);
    let mut artifacts = artifacts();
    let mut problems = Vec::new();
    overlay.apply(&mut artifacts, &mut problems);
    let codes: Vec<&str> = problems.iter().map(|p| p.code).collect();
    assert_eq!(
        codes,
        ["nothing-to-override", "fixed-property", "nothing-to-override"]
    );
    let properties = |e: &crate::artifacts::Entity| e.properties.as_ref().unwrap().to_json().to_string();
    let api = &artifacts.apis["a"];
    assert_eq!(
        properties(api.info.as_ref().unwrap()),
        r#"{"path":"a","protocols":["http"],"contact":{"name":"n","url":"w"},"serviceUrl":"https://x"}"#
    );
    let text =
        |f: &Option<crate::artifacts::File>| String::from_utf8(f.as_ref().unwrap().bytes.to_vec()).unwrap();
    assert_eq!(text(&api.policy), "<policies>1</policies>");
    assert_eq!(text(&api.operations.get("x").cloned()), "<policies>2</policies>");
    assert_eq!(text(&artifacts.products["p"].policy), "<policies>3</policies>");
    assert_eq!(text(&artifacts.policy), "<policies>4</policies>");
    assert_eq!(text(&artifacts.fragments["f"].policy), "<fragment>5</fragment>");
    assert_eq!(properties(&artifacts.backends["b"]), r#"{"url":"https://c"}"#);
    assert!(artifacts.backends.contains_key("new") && artifacts.subscriptions.contains_key("master"));
    assert_eq!(artifacts.groups.len(), 1);
    assert!(
        matches!(artifacts.version_sets["v"].properties.as_ref().unwrap().data, Data::Map(ref m) if m.len() == 2)
    );
}

#[test]
fn another_letter_case_is_surely_a_slip() {
    let (overlay, _) = parse("backends: [{name: B, properties: {url: 'https://c'}}]\n");
    let mut artifacts = artifacts();
    let mut problems = Vec::new();
    overlay.apply(&mut artifacts, &mut problems);
    assert_eq!(problems[0].code, "same-name");
}

mod damage {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// An overlay cut or overwritten never panics, and what it says twice it says alike.
        #[test]
        fn any_damage_is_survived(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "\\PC{0,8}"), 1..5),
        ) {
            let mut chars: Vec<char> = document::example().chars().collect();
            for (at, len, new) in edits {
                let at = at.index(chars.len() + 1);
                let end = (at + len.index(60)).min(chars.len());
                chars.splice(at..end, new.chars());
            }
            let text: String = chars.into_iter().collect();
            let (overlay, problems) = parse(&text);
            let (_, again) = parse(&text);
            prop_assert_eq!(&problems, &again);
            let mut artifacts = artifacts();
            overlay.apply(&mut artifacts, &mut Vec::new());
        }
    }
}
