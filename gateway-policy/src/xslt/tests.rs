//! Stylesheets as tables: body of the stylesheet, source, expected result.

use super::{Limits, Stylesheet};

fn sheet(body: &str) -> String {
    format!(
        "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'><xsl:output omit-xml-declaration='yes'/>{body}</xsl:stylesheet>"
    )
}

#[track_caller]
fn check(body: &str, source: &str, expected: &str) {
    let stylesheet = Stylesheet::compile(&sheet(body)).unwrap_or_else(|e| panic!("{body}: {e}"));
    let result = stylesheet.transform(source, &[], Limits::DEFAULT);
    assert_eq!(
        result.unwrap_or_else(|e| format!("error: {e}")),
        expected,
        "{body}"
    );
}

const LIST: &str = "<l><i n='2'>b</i><i n='10'>a</i><i n='1'>c</i></l>";

#[test]
fn built_in_rules_give_the_text() {
    check("", "<a>x<b>y</b><!--c--></a>", "xy");
    check(
        "<xsl:template match='b'>[<xsl:apply-templates/>]</xsl:template>",
        "<a>x<b>y</b></a>",
        "x[y]",
    );
}

#[test]
fn the_best_rule_wins() {
    let rules = "<xsl:template match='*'>any</xsl:template><xsl:template match='i'>i</xsl:template>\
        <xsl:template match='i[@n=1]'>one</xsl:template><xsl:template match='l'><xsl:apply-templates/></xsl:template>";
    check(rules, LIST, "iione");
    let last = "<xsl:template match='i'>first</xsl:template><xsl:template match='i'>last</xsl:template>";
    check(last, "<i/>", "last");
    let modes = "<xsl:template match='/'><xsl:apply-templates select='//i' mode='m'/></xsl:template>\
        <xsl:template match='i' mode='m'><xsl:value-of select='position()'/></xsl:template>";
    check(modes, LIST, "123");
}

#[test]
fn loops_sort_by_text_and_number() {
    let each = |sort: &str| {
        format!(
            "<xsl:template match='/'><xsl:for-each select='l/i'>{sort}<xsl:value-of select='.'/></xsl:for-each></xsl:template>"
        )
    };
    check(&each(""), LIST, "bac");
    check(&each("<xsl:sort/>"), LIST, "abc");
    check(
        &each("<xsl:sort select='@n' data-type='number' order='descending'/>"),
        LIST,
        "abc",
    );
    check(&each("<xsl:sort select='@n'/>"), LIST, "cab");
}

#[test]
fn variables_parameters_and_named_templates() {
    let body = "<xsl:variable name='g' select='3'/>\
        <xsl:template name='down'><xsl:param name='n' select='1'/><xsl:if test='$n &gt; 0'><xsl:value-of select='$n'/>\
        <xsl:call-template name='down'><xsl:with-param name='n' select='$n - 1'/></xsl:call-template></xsl:if></xsl:template>\
        <xsl:template match='/'><xsl:call-template name='down'><xsl:with-param name='n' select='$g'/></xsl:call-template></xsl:template>";
    check(body, "<a/>", "321");
    let fragment = "<xsl:template match='/'><xsl:variable name='f'><x>1</x><y/></xsl:variable><r><xsl:copy-of select='$f'/></r></xsl:template>";
    check(fragment, "<a/>", "<r><x>1</x><y /></r>");
}

#[test]
fn elements_attributes_and_copies_are_made() {
    let identity = "<xsl:template match='@*|node()'><xsl:copy><xsl:apply-templates select='@*|node()'/></xsl:copy></xsl:template>";
    check(
        identity,
        "<a b='1'><!--c--><d>t</d></a>",
        "<a b=\"1\"><!--c--><d>t</d></a>",
    );
    let renamed = format!("{identity}<xsl:template match='d'><e><xsl:apply-templates/></e></xsl:template>");
    check(&renamed, "<a><d>t</d></a>", "<a><e>t</e></a>");
    let made = "<xsl:template match='/'><xsl:element name='{/a/@n}'><xsl:attribute name='k'>v<xsl:value-of select='1+1'/></xsl:attribute>\
        <xsl:comment>c</xsl:comment></xsl:element></xsl:template>";
    check(made, "<a n='made'/>", "<made k=\"v2\"><!--c--></made>");
    let choose = "<xsl:template match='/'><xsl:choose><xsl:when test='/a/@x'>x</xsl:when><xsl:otherwise>o</xsl:otherwise></xsl:choose></xsl:template>";
    check(choose, "<a x='1'/>", "x");
    check(choose, "<a/>", "o");
}

#[test]
fn keys_numbers_and_functions() {
    let keys = "<xsl:key name='k' match='i' use='@n'/><xsl:template match='/'><xsl:value-of select=\"key('k', '10')\"/></xsl:template>";
    check(keys, LIST, "a");
    let value =
        |select: &str| format!("<xsl:template match='/'><xsl:value-of select=\"{select}\"/></xsl:template>");
    check(&value("format-number(1234.5, '#,##0.00')"), "<a/>", "1,234.50");
    check(&value("generate-id(/a) = generate-id(/*)"), "<a/>", "true");
    check(
        &value("generate-id(/a/b[1]) = generate-id(/a/b[2])"),
        "<a><b/><b/></a>",
        "false",
    );
    check(
        &value("document('x')"),
        "<a/>",
        "error: document() is not supported: there is nothing to load from.",
    );
    let numbers = "<xsl:template match='i'><xsl:number format='I. '/></xsl:template>";
    check(numbers, LIST, "I. II. III. ");
}

#[test]
fn outputs_differ_by_method() {
    let body = |method: &str| {
        sheet(&format!(
            "<xsl:output method='{method}'/><xsl:template match='/'><p a='&lt;'>1 &lt; 2<br/></p></xsl:template>"
        ))
    };
    for (method, expected) in [
        ("xml", "<p a=\"&lt;\">1 &lt; 2<br /></p>"),
        ("html", "<p a=\"<\">1 &lt; 2<br></p>"),
        ("text", "1 < 2"),
    ] {
        let stylesheet = Stylesheet::compile(&body(method)).unwrap();
        assert_eq!(
            stylesheet.transform("<a/>", &[], Limits::DEFAULT).unwrap(),
            expected
        );
    }
}

#[test]
fn namespaces_and_white_space() {
    let body = "<xsl:template match='/' xmlns:s='urn:s'><t:r xmlns:t='urn:t'><xsl:value-of select='s:a/s:b'/></t:r></xsl:template>";
    check(
        body,
        "<a xmlns='urn:s'><b>1</b></a>",
        "<t:r xmlns:s=\"urn:s\" xmlns:t=\"urn:t\">1</t:r>",
    );
    check("<xsl:strip-space elements='*'/>", "<a> <b>x</b> </a>", "x");
    check("", "<a> <b>x</b> </a>", " x ");
}

#[test]
fn hostile_stylesheets_end() {
    let endless = "<xsl:template name='t' match='/'><xsl:call-template name='t'/></xsl:template>";
    check(endless, "<a/>", "error: Templates are more than 100 deep.");
    let again = "<xsl:template match='*'><xsl:apply-templates select='.'/></xsl:template>";
    check(again, "<a/>", "error: Templates are more than 100 deep.");
    let doubling = "<xsl:template name='t'><xsl:param name='n'/><xsl:if test='$n &lt; 60'><xsl:call-template name='t'><xsl:with-param name='n' select='$n+1'/></xsl:call-template>\
        <xsl:call-template name='t'><xsl:with-param name='n' select='$n+1'/></xsl:call-template></xsl:if></xsl:template><xsl:template match='/'><xsl:call-template name='t'><xsl:with-param name='n' select='0'/></xsl:call-template></xsl:template>";
    check(
        doubling,
        "<a/>",
        "error: The transformation takes too many steps.",
    );
}

#[test]
fn mistakes_are_told() {
    for (body, expected) in [
        (
            "<xsl:template match='/'><xsl:value-of/></xsl:template>",
            "`xsl:value-of` needs the attribute `select`.",
        ),
        (
            "<xsl:template match='/'><xsl:nothing/></xsl:template>",
            "`xsl:nothing` is not supported by this gateway.",
        ),
        (
            "<xsl:template match='/'><a b='{'/></xsl:template>",
            "The braces of `{` do not match.",
        ),
        (
            "<xsl:include href='x'/>",
            "`xsl:include` is not supported: there is nothing to load from.",
        ),
    ] {
        assert_eq!(
            Stylesheet::compile(&sheet(body)).unwrap_err().0,
            expected,
            "{body}"
        );
    }
    assert!(Stylesheet::compile("<a/>").is_err());
    let two = sheet("").replace("version='1.0'", "version='2.0'");
    assert_eq!(
        Stylesheet::compile(&two).unwrap_err().0,
        "Only stylesheets of version 1.0 are supported."
    );
}
