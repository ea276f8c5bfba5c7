//! Artifact folders: an OpenAPI specification becomes operations.

use std::sync::Arc;

use gateway_config::{FileTree, Input, Settings, load};

use crate::Target;

/// The specification of an API in JSON or YAML.
pub(crate) const OPENAPI: Target = Target {
    name: "openapi",
    run: import,
    seeds: &[
        "openapi: 3.0.1\ninfo: {title: t, version: '1'}\nservers: [{url: 'https://b.example.com/{v}', variables: {v: {default: v1}}}]\npaths:\n  /items/{id}:\n    get:\n      operationId: get-item\n      parameters:\n        - {name: id, in: path, required: true, schema: {type: string}}\n      responses: {'200': {description: ok}}\n",
        "{\"swagger\":\"2.0\",\"host\":\"b\",\"basePath\":\"/v1\",\"schemes\":[\"https\"],\"paths\":{\"/a\":{\"post\":{\"consumes\":[\"application/json\"],\"parameters\":[{\"$ref\":\"#/parameters/p\"}],\"responses\":{\"default\":{}}}}},\"parameters\":{\"p\":{\"name\":\"p\",\"in\":\"query\"}}}",
        "paths: &a\n  /x: {get: {responses: *a}}\n",
    ],
    words: &[
        "openapi: 3.0.1\n",
        "paths:\n",
        "  /a/{b}:\n",
        "    get:\n",
        "$ref: '#/",
        "parameters:",
        "- ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "|\n",
        "'",
        "\"",
        "components",
        "in: path",
        "!!binary ",
    ],
};

fn import(input: &[u8]) {
    let extension = if input.first() == Some(&b'{') {
        "json"
    } else {
        "yaml"
    };
    let information: &[u8] = br#"{"properties":{"displayName":"a","path":"a","protocols":["https"],"serviceUrl":"https://b.example.com"}}"#;
    let tree: FileTree = [
        ("apis/a/apiInformation.json".to_owned(), Arc::from(information)),
        (format!("apis/a/specification.{extension}"), Arc::from(input)),
    ]
    .into();
    let loaded = load(&Input {
        tree: &tree,
        overlay: None,
        settings: &Settings::default(),
        secrets: &|_| Err("there are no secrets".into()),
        previous: None,
    });
    for problem in &loaded.problems {
        assert!(!problem.to_string().is_empty());
    }
    assert!(loaded.summary.apis <= 1, "{:?}", loaded.summary);
}
