//! Given → expected for `validate-parameters`.

use http::{HeaderName, HeaderValue};

use crate::test_support::{check_defined, check_load};

const OPENAPI: &str = r##"{"openapi": "3.0.1", "parameters": [
    {"name": "id", "in": "path", "required": true, "schema": {"$ref": "#/components/schemas/Id"}},
    {"name": "size", "in": "query", "schema": {"type": "string", "enum": ["s", "m"]}},
    {"name": "page", "in": "query", "required": true, "schema": {"type": "integer", "minimum": 1}},
    {"name": "tag", "in": "query", "schema": {"type": "array", "maxItems": 2, "items": {"type": "string", "pattern": "^[a-z]+$"}}},
    {"name": "filter", "in": "query", "style": "deepObject", "schema": {"type": "object", "properties": {"min": {"type": "integer"}}, "additionalProperties": false}},
    {"name": "box", "in": "query", "schema": {"type": "object", "properties": {"w": {"type": "integer"}, "h": {"type": "integer"}}}},
    {"name": "lost", "in": "query", "schema": {"$ref": "#/components/schemas/Lost"}},
    {"name": "loop", "in": "query", "schema": {"$ref": "#/components/schemas/Loop"}},
    {"name": "X-Trace", "in": "header", "schema": {"type": "string", "format": "uuid"}}
], "components": {"schemas": {
    "Id": {"type": "integer", "maximum": 99}, "Loop": {"allOf": [{"$ref": "#/components/schemas/Loop"}]}
}}}"##;

const STRICT: &str =
    "<validate-parameters specified-parameter-action='prevent' unspecified-parameter-action='prevent'/>";

/// Query and headers (`name=value|name=value`) through a policy.
#[track_caller]
fn call(policy: &str, id: &'static str, query: &str, headers: &'static str, expected: &str) {
    let text = format!("{policy}<set-method>GET</set-method>");
    let change = |context: &mut crate::Context| {
        context.request.matched_parameters = vec![("id".into(), id.into())];
        context.request.original_url.query = query.to_owned();
        for (name, value) in headers.split('|').filter_map(|h| h.split_once('=')) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            context
                .request
                .headers
                .append(name, HeaderValue::from_static(value));
        }
    };
    check_defined(OPENAPI, "inbound", &text, change, &[], expected);
}

#[track_caller]
fn refused(id: &'static str, query: &str, headers: &'static str, details: &str) {
    let public = if details.starts_with("Value of the") && !details.contains("parsed") {
        format!(" public 'The v{}'", &details[1..])
    } else {
        String::new()
    };
    let expected = format!("400 validate-parameters/Bad request '{details}'{public}");
    call(STRICT, id, query, headers, &expected);
}

#[test]
fn documented_parameters_pass_when_their_values_do() {
    for query in [
        "page=1",
        "page=2&size=s&tag=a&tag=b",
        "PAGE=2&tag=a",
        "page=1&filter[min]=3&w=1&h=2",
        "page=1&filter%5Bmin%5D=3",
        // The key of the API's own configuration (the name of the test's API is empty, so the default).
        "page=1",
    ] {
        call(STRICT, "42", query, "", "forward; 200");
    }
    call(
        STRICT,
        "42",
        "page=1",
        "x-trace=2eb8aa08-aa98-11ea-b4aa-73b441d16380|ocp-apim-subscription-key=k",
        "forward x-trace: 2eb8aa08-aa98-11ea-b4aa-73b441d16380 ocp-apim-subscription-key: k; 200",
    );
}

#[test]
fn wrong_values_are_refused_with_the_documented_texts() {
    for (id, query, headers, details) in [
        (
            "42",
            "page=1&x=1",
            "",
            "Unspecified query parameter x is not allowed.",
        ),
        (
            "42",
            "page=1",
            "x-other=1",
            "Unspecified header x-other is not allowed.",
        ),
        (
            "42",
            "page=1&page=2",
            "",
            "Request cannot contain multiple values for the query parameter page.",
        ),
        (
            "42",
            "",
            "",
            "Value of the query parameter page does not conform to the definition. The query parameter is required. Line: 1, Position: 0",
        ),
        (
            "100",
            "page=1",
            "",
            "Value of the path parameter id does not conform to the definition. Integer 100 exceeds maximum value of 99. Line: 1, Position: 3",
        ),
        (
            "42",
            "page=0",
            "",
            "Value of the query parameter page does not conform to the definition. Integer 0 is less than minimum value of 1. Line: 1, Position: 1",
        ),
        (
            "42",
            "page=1&size=xl",
            "",
            "Value of the query parameter size does not conform to the definition. Value \"xl\" is not defined in enum. Line: 1, Position: 2",
        ),
        (
            "42",
            "page=1&tag=a&tag=B",
            "",
            "Value of the query parameter tag does not conform to the definition. String 'B' does not match regex pattern '^[a-z]+$'. Line: 1, Position: 3",
        ),
        (
            "42",
            "page=1&tag=a&tag=b&tag=c",
            "",
            "Value of the query parameter tag does not conform to the definition. Array item count 3 exceeds maximum count of 2. Line: 1, Position: 5",
        ),
        (
            "42",
            "page=1&filter[max]=3",
            "",
            "Value of the query parameter filter does not conform to the definition. Property 'max' has not been defined and the schema does not allow additional properties. Line: 1, Position: 0",
        ),
        (
            "42",
            "page=1",
            "x-trace=1",
            "Value of the header X-Trace does not conform to the definition. String '1' does not validate against format 'uuid'. Line: 1, Position: 1",
        ),
    ] {
        refused(id, query, headers, details);
    }
}

#[test]
fn mistakes_of_the_definition_are_not_shown_to_clients() {
    let internal =
        "public 'The request could not be processed due to an internal error. Contact the API owner.'";
    for (query, details) in [
        (
            "page=1&lost=1",
            "API's schema does not contain definition Lost, which is associated with the query parameter lost.",
        ),
        (
            "page=1&loop=1",
            "Query parameter loop cannot be validated. Its schemas refer to each other without end.",
        ),
    ] {
        let expected = format!("400 validate-parameters/Bad request '{details}' {internal}");
        call(STRICT, "42", query, "", &expected);
    }
    call(
        STRICT,
        "42",
        "page=x",
        "",
        "400 validate-parameters/Bad request 'Value of the query parameter page cannot be parsed according to the \
         definition. Could not convert 'x' to integer.' public 'The value of the query parameter page couldn't be \
         parsed according to the definition. Could not convert 'x' to integer.'",
    );
}

#[test]
fn narrower_actions_win_over_wider_ones() {
    let with = |children: &str| {
        format!(
            "<validate-parameters specified-parameter-action='prevent' unspecified-parameter-action='prevent' \
             errors-variable-name='e'>{children}</validate-parameters>"
        )
    };
    for (children, query, expected) in [
        (
            "<query specified-parameter-action='ignore'/>",
            "page=0",
            "forward; 200",
        ),
        (
            "<query unspecified-parameter-action='ignore'/>",
            "page=1&x=1",
            "forward; 200",
        ),
        (
            "<query><parameter name='X' action='ignore'/></query>",
            "page=1&x=1",
            "forward; 200",
        ),
        (
            "<query unspecified-parameter-action='prevent'><parameter name='page' action='ignore'/></query>",
            "page=0",
            "forward; 200",
        ),
        (
            "<query specified-parameter-action=\"@(context.Request.Method == &quot;GET&quot; ? &quot;detect&quot; : &quot;prevent&quot;)\"/>",
            "page=0",
            r#"forward; 200 $e=[{"Name":"page","Type":"QueryParameter","ValidationRule":"IncorrectMessage","Details":"Value of the query parameter page does not conform to the definition. Integer 0 is less than minimum value of 1. Line: 1, Position: 1","Action":"detect"}]"#,
        ),
    ] {
        call(&with(children), "42", query, "", expected);
    }
    // Several errors are all listed; the first that is prevented answers.
    call(
        &with("<query specified-parameter-action='detect'/>"),
        "42",
        "page=0&x=1",
        "",
        r#"400 validate-parameters/Bad request 'Unspecified query parameter x is not allowed.' $e=[{"Name":"page","Type":"QueryParameter","ValidationRule":"IncorrectMessage","Details":"Value of the query parameter page does not conform to the definition. Integer 0 is less than minimum value of 1. Line: 1, Position: 1","Action":"detect"},{"Name":"x","Type":"QueryParameter","ValidationRule":"Unspecified","Details":"Unspecified query parameter x is not allowed.","Action":"prevent"}]"#,
    );
}

#[test]
fn attributes() {
    for (text, expected) in [
        (
            "<validate-parameters specified-parameter-action='prevent'/>",
            "missing-attribute: `validate-parameters` needs the attribute `unspecified-parameter-action`",
        ),
        (
            "<validate-parameters specified-parameter-action='prevent' unspecified-parameter-action='detect'><path unspecified-parameter-action='ignore'/></validate-parameters>",
            "unknown-attribute: `path` has no attribute `unspecified-parameter-action`",
        ),
        (
            "<validate-parameters specified-parameter-action='prevent' unspecified-parameter-action='detect'><headers><parameter name='a'/></headers></validate-parameters>",
            "missing-attribute: `parameter` needs the attribute `action`",
        ),
        (
            &format!("{STRICT}{STRICT}"),
            "not-allowed-here: `validate-parameters` may stand only once in a section",
        ),
    ] {
        check_load("inbound", text, expected);
    }
}
