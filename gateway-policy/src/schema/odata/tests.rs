//! Given → expected for OData requests.

use super::*;

const EDMX: &str = r#"<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>
<Schema Namespace="Shop.Model" Alias="S" xmlns="http://docs.oasis-open.org/odata/ns/edm">
  <EntityType Name="Thing" Abstract="true"><Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32"/></EntityType>
  <EntityType Name="Product" BaseType="S.Thing"><Property Name="Name" Type="Edm.String"/><Property Name="Price" Type="Edm.Decimal"/>
    <Property Name="Active" Type="Edm.Boolean"/><Property Name="Tags" Type="Collection(Edm.String)"/><Property Name="Size" Type="Shop.Model.Size"/>
    <NavigationProperty Name="Category" Type="Shop.Model.Category"/><NavigationProperty Name="Orders" Type="Collection(Shop.Model.Order)"/></EntityType>
  <EntityType Name="Category" OpenType="true"><Key><PropertyRef Name="Code"/></Key><Property Name="Code" Type="Edm.String"/></EntityType>
  <EntityType Name="Order"><Key><PropertyRef Name="Number"/><PropertyRef Name="Line"/></Key><Property Name="Number" Type="Edm.Int32"/>
    <Property Name="Line" Type="Edm.Int32"/><Property Name="Total" Type="Edm.Double"/></EntityType>
  <ComplexType Name="Size"><Property Name="Width" Type="Edm.Int32"/></ComplexType>
  <EnumType Name="Colour"><Member Name="Red"/></EnumType>
  <Function Name="Best"><Parameter Name="count" Type="Edm.Int32"/><ReturnType Type="Collection(Shop.Model.Product)"/></Function>
  <EntityContainer Name="C"><EntitySet Name="Products" EntityType="Shop.Model.Product"/><EntitySet Name="Orders" EntityType="S.Order"/>
    <Singleton Name="Me" Type="S.Product"/><FunctionImport Name="Best" Function="S.Best"/></EntityContainer>
</Schema></edmx:DataServices></edmx:Edmx>"#;

fn judge(model: Option<&ODataModel>, path: &str, options: &[(&str, &str)]) -> String {
    let options: Vec<(String, String)> = options
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let got = check(model, Version::read("4.0").unwrap(), path, &options);
    got.err().unwrap_or_default()
}

#[test]
fn paths() {
    let model = ODataModel::new(EDMX).unwrap();
    for (path, expected) in [
        ("", ""),
        ("/$metadata", ""),
        ("/$batch", ""),
        ("/Products", ""),
        ("/Products/$count", ""),
        ("/Products(1)", ""),
        ("/Products(Id=1)/Name/$value", ""),
        ("/Products/1/Category", ""),
        ("/Products(1)/Category/Anything", ""),
        ("/Products(1)/Size/Width", ""),
        ("/Products(1)/Orders(Number=1,Line=2)/Total", ""),
        ("/Products/S.Product", ""),
        ("/Products(1)/S.Best(count=3)", ""),
        ("/Best(count=3)", ""),
        ("/Me/Orders", ""),
        ("/Nothing", "Resource not found for the segment 'Nothing'."),
        (
            "/Products(1)/Nothing",
            "Resource not found for the segment 'Nothing'.",
        ),
        (
            "/Products(1)/Size/Depth",
            "Resource not found for the segment 'Depth'.",
        ),
        ("/Products(1", "Bad Request - Error in query syntax."),
        ("/Products(Other=1)", "Bad Request - Error in query syntax."),
        ("/Products(1,2)", "Bad Request - Error in query syntax."),
        ("/Products('a)", "Bad Request - Error in query syntax."),
        ("/Products(1 eq 1 or)", "Bad Request - Error in query syntax."),
        (
            "/Orders(Number=1)",
            "The number of keys specified in the URI does not match number of key properties for the resource 'S.Order'.",
        ),
        ("/$nothing", "Resource not found for the segment '$nothing'."),
        (
            "/Products/$count/Name",
            "The request URI is not valid. The segment '$count' must be the last segment.",
        ),
    ] {
        assert_eq!(judge(Some(&model), path, &[]), expected, "{path}");
    }
    assert_eq!(judge(None, "/Nothing(1)/At('x')/All", &[]), "");
    assert_eq!(
        judge(None, "/Nothing(", &[]),
        "Bad Request - Error in query syntax."
    );
}

#[test]
fn filters() {
    let model = ODataModel::new(EDMX).unwrap();
    for (filter, expected) in [
        ("Name eq 'O''Neil'", ""),
        ("Price gt 1.5 and (Active or not contains(Name,'x'))", ""),
        ("Price add 2 mul 3 lt -4 and Price mod 2 eq 0", ""),
        ("Category/Code in ('a','b') and Id in (1, 2)", ""),
        ("Orders/any(o:o/Total gt 3 and o/Number eq $it/Id)", ""),
        ("Orders/any() and Tags/all(t:startswith(t,'a'))", ""),
        ("Orders/$count gt 2", ""),
        (
            "length(Name) eq 3 and tolower(Name) eq 'abc' and substring(Name,1,2) ne null",
            "",
        ),
        (
            "Colour has Shop.Model.Colour'Red'",
            "Could not find a property named 'Colour' on type 'Shop.Model.Product'.",
        ),
        ("Id eq @p and Name eq duration'PT1H'", ""),
        ("Category/Anything eq 2024-01-31T10:00:00Z", ""),
        ("Category/Anything eq 01234567-89ab-cdef-0123-456789abcdef", ""),
        ("cast(Id,Edm.String) eq '1' and isof(S.Product)", ""),
        ("Shop.Model.Product/Name eq 'x'", ""),
        ("case(Active:1,true:2) gt 1", ""),
        ("Name eq", "Syntax error at position 7 in 'Name eq'."),
        ("Name = 'x'", "Syntax error at position 5 in 'Name = 'x''."),
        ("(Name eq 'x'", "Syntax error at position 12 in '(Name eq 'x''."),
        (
            "Name eq 'x",
            "There is an unterminated string literal at position 10 in 'Name eq 'x'.",
        ),
        ("Price eq 1a", "Syntax error at position 9 in 'Price eq 1a'."),
        (
            "Nope eq 1",
            "Could not find a property named 'Nope' on type 'Shop.Model.Product'.",
        ),
        (
            "Orders/any(o:o/Nope eq 1)",
            "Could not find a property named 'Nope' on type 'Shop.Model.Order'.",
        ),
        (
            "nope(Name)",
            "An unknown function with name 'nope' was found. This may also be a function import or a key lookup on a navigation property, which is not allowed.",
        ),
        (
            "contains(Name)",
            "No function signature for the function with name 'contains' matches the specified arguments.",
        ),
        (
            "Price",
            "The $filter expression must evaluate to a single boolean value.",
        ),
        (
            "Name eq 1",
            "A binary operator with incompatible types was detected. Found operand types 'Text' and 'Number' for operator kind 'eq'.",
        ),
        (
            "Name and Active",
            "A binary operator with incompatible types was detected. Found operand types 'Text' and 'Boolean' for operator kind 'and'.",
        ),
        (
            "not Name",
            "A unary operator with an incompatible type was detected. Found operand type for operator kind 'Not'.",
        ),
        (
            "Shop.Model.Nope/Name eq 'x'",
            "The child type 'Shop.Model.Nope' in a cast was not an entity type or is not known.",
        ),
        ("", "Syntax error at position 0 in ''."),
    ] {
        assert_eq!(
            judge(Some(&model), "/Products", &[("$filter", filter)]),
            expected,
            "{filter}"
        );
    }
    for (filter, good) in [
        ("Any/Thing eq 1", true),
        ("Any eq", false),
        ("Any eq 1 eq 2", false),
        ("a b", false),
    ] {
        assert_eq!(
            judge(None, "/X", &[("$filter", filter)]).is_empty(),
            good,
            "{filter}"
        );
    }
}

#[test]
fn other_options() {
    let model = ODataModel::new(EDMX).unwrap();
    for (name, value, expected) in [
        ("$orderby", "Name desc,Price", ""),
        ("$orderby", "length(Name) asc, Category/Code", ""),
        (
            "$orderby",
            "Nope",
            "Could not find a property named 'Nope' on type 'Shop.Model.Product'.",
        ),
        (
            "$orderby",
            "Name down",
            "Syntax error at position 5 in 'Name down'.",
        ),
        ("$select", "Id,Name,Size/Width,*", ""),
        (
            "$select",
            "Nope",
            "Could not find a property named 'Nope' on type 'Shop.Model.Product'.",
        ),
        ("$select", "Name,", "Syntax error at position 5 in 'Name,'."),
        (
            "$expand",
            "Category,Orders($filter=Total gt 1;$select=Number;$orderby=Line desc;$levels=2)",
            "",
        ),
        ("$expand", "Orders/$ref", ""),
        ("$expand", "*", ""),
        (
            "$expand",
            "Orders($filter=Nope eq 1)",
            "Could not find a property named 'Nope' on type 'Shop.Model.Order'.",
        ),
        (
            "$expand",
            "Orders($nope=1)",
            "The query parameter '$nope' is not supported.",
        ),
        (
            "$expand",
            "Orders($top=1",
            "Syntax error at position 6 in 'Orders($top=1'.",
        ),
        (
            "$expand",
            "Name",
            "Property 'Name' on type 'Shop.Model.Product' is not a navigation property or complex property. Only navigation properties can be expanded.",
        ),
        ("$top", "10", ""),
        (
            "$skip",
            "x",
            "Invalid value 'x' for $skip query option found. The $skip query option requires a non-negative integer value.",
        ),
        ("$count", "true", ""),
        (
            "$count",
            "yes",
            "Invalid value 'yes' for $count query option found. Valid values are 'true' and 'false'.",
        ),
        ("$search", "blue OR (\"dark green\" AND NOT red)", ""),
        ("$search", "blue OR", "Syntax error at position 7 in 'blue OR'."),
        ("$search", "(blue", "Syntax error at position 5 in '(blue'."),
        ("$search", "\"blue", "Syntax error at position 0 in '\"blue'."),
        ("$compute", "Price mul 2 as Double", ""),
        (
            "$compute",
            "Price mul 2",
            "Syntax error at position 11 in 'Price mul 2'.",
        ),
        ("$apply", "groupby((Name),aggregate(Price with sum as T))", ""),
        ("$apply", "groupby((Name)", "Syntax error in 'groupby((Name)'."),
        ("$format", "json", ""),
        ("$skiptoken", "any(thing", ""),
        ("$nope", "1", "The query parameter '$nope' is not supported."),
        ("custom", "$(", ""),
        ("@p", "'x'", ""),
        (
            "@p",
            "'x",
            "There is an unterminated string literal at position 2 in ''x'.",
        ),
    ] {
        assert_eq!(
            judge(Some(&model), "/Products", &[(name, value)]),
            expected,
            "{name}={value}"
        );
    }
    assert_eq!(
        judge(Some(&model), "/Products", &[("$top", "1"), ("$top", "2")]),
        "Query option '$top' was specified more than once, but it must be specified at most once."
    );
    // What is computed can be used, wherever it stands.
    assert_eq!(
        judge(
            Some(&model),
            "/Products",
            &[("$orderby", "Twice"), ("$compute", "Price mul 2 as Twice")]
        ),
        ""
    );
}

#[test]
fn hostile_requests_are_bounded() {
    let began = std::time::Instant::now();
    let deep = "(".repeat(100_000);
    assert_eq!(
        judge(None, "/X", &[("$filter", &deep)]),
        "The expression is nested too deep."
    );
    let nots = "not ".repeat(50_000);
    assert_eq!(
        judge(None, "/X", &[("$filter", &nots)]),
        "The expression is nested too deep."
    );
    let minus = "-(".repeat(50_000);
    assert_eq!(
        judge(None, "/X", &[("$filter", &minus)]),
        "The expression is nested too deep."
    );
    let long = "a eq 1 and ".repeat(50_000);
    assert_eq!(
        judge(None, "/X", &[("$filter", &long)]),
        "The query is too long to be checked."
    );
    let expand = "A($expand=".repeat(200);
    let expand = format!("{expand}B{}", ")".repeat(200));
    assert_eq!(
        judge(None, "/X", &[("$expand", &expand)]),
        "$expand is nested too deep."
    );
    assert_eq!(
        judge(None, &"/a".repeat(1_000), &[]),
        "The URL has too many segments."
    );
    let search = "(".repeat(100_000);
    assert!(!judge(None, "/X", &[("$search", &search)]).is_empty());
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn metadata_that_is_none_says_so() {
    for (text, expected) in [
        ("<a/>", "it is no metadata document: it declares nothing"),
        ("<a", "line 1, column 3: Unexpected end of file"),
    ] {
        assert!(ODataModel::new(text).unwrap_err().starts_with(expected), "{text}");
    }
    // Bases in a circle.
    let circle = EDMX.replace(
        "Name=\"Thing\" Abstract=\"true\"",
        "Name=\"Thing\" BaseType=\"S.Product\"",
    );
    let model = ODataModel::new(&circle).unwrap();
    assert!(judge(Some(&model), "/Products", &[("$filter", "Nope eq 1")]).contains("Could not find"));
}

#[test]
fn versions() {
    let version = |t| Version::read(t);
    assert!(
        version("4.0") < version("4.01")
            && version("4.01") < version("4.1")
            && version("3.0") < version("4.0")
    );
    assert_eq!(version("4.0;NetFx"), version("4.0"));
    for bad in ["", "4", "4.x", "4.0.1", "-1.0"] {
        assert_eq!(version(bad), None, "{bad}");
    }
}
