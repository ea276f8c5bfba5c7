//! Recorded answers of .NET Core 3.1 on Linux.

use super::*;

fn uri(text: &str) -> Uri {
    Uri::new(&Str::new(text), UriKind::Absolute).unwrap()
}

#[test]
fn to_string_and_absolute_uri() {
    for (text, shown, absolute) in [
        ("http://h", "http://h/", "http://h/"),
        ("http://h:80/a", "http://h/a", "http://h/a"),
        (
            "https://user:pw@h/a",
            "https://user:pw@h/a",
            "https://user:pw@h/a",
        ),
        ("https://h/a b", "https://h/a b", "https://h/a%20b"),
        (
            "https://h/a%20b%2Fc?q=%20%41&é=ü",
            "https://h/a b%2Fc?q= A&é=ü",
            "https://h/a%20b%2Fc?q=%20A&%C3%A9=%C3%BC",
        ),
        (
            "HTTPS://Host/A%20b/%7E",
            "https://host/A b/~",
            "https://host/A%20b/~",
        ),
        ("https://h/a/../b/./c", "https://h/b/c", "https://h/b/c"),
        ("https://h/a/..", "https://h/", "https://h/"),
        ("https://h/%2e%2e/b", "https://h/b", "https://h/b"),
        ("https://h//a//b", "https://h//a//b", "https://h//a//b"),
        ("http://h/a\\b", "http://h/a/b", "http://h/a/b"),
        ("http://h/a%7Eb%zz", "http://h/a~b%25zz", "http://h/a~b%25zz"),
        (
            "http://h/%5C%25%3f%40%3C",
            "http://h/%5C%25%3f%40<",
            "http://h/%5C%25%3f%40%3C",
        ),
        (
            "http://h/{a}|^`\"<>",
            "http://h/{a}|^`\"<>",
            "http://h/%7Ba%7D%7C%5E%60%22%3C%3E",
        ),
        ("http://h?x", "http://h/?x", "http://h/?x"),
        ("http://h/#", "http://h/#", "http://h/#"),
        ("  http://h/a  ", "http://h/a", "http://h/a"),
        (
            "http://h/%c3%a9/%e2%82",
            "http://h/é/%E2%82",
            "http://h/%C3%A9/%e2%82",
        ),
        (
            "http://h/a?b=c%26d#e%20f",
            "http://h/a?b=c%26d#e f",
            "http://h/a?b=c%26d#e%20f",
        ),
        (
            "http://h/a.b/.c/...",
            "http://h/a.b/.c/...",
            "http://h/a.b/.c/...",
        ),
        ("http://h/a/b/../", "http://h/a/", "http://h/a/"),
        ("http://h/../../x", "http://h/x", "http://h/x"),
        ("foo://Host:12/a?b", "foo://host:12/a?b", "foo://host:12/a?b"),
        ("foo:bar", "foo:bar", "foo:bar"),
        ("foo://", "foo:///", "foo:///"),
        ("foo:/a", "foo:/a", "foo:/a"),
        ("file:///a/b c", "file:///a/b c", "file:///a/b%20c"),
        ("/a/b", "file:///a/b", "file:///a/b"),
        ("mailto:a@b.c", "mailto:a@b.c", "mailto:a@b.c"),
        (
            "http://[::1]:8080/a",
            "http://[::1]:8080/a",
            "http://[::1]:8080/a",
        ),
        ("http://h:0/", "http://h:0/", "http://h:0/"),
        ("http://h:/", "http://h/", "http://h/"),
    ] {
        assert_eq!(uri(text).to_text(), shown, "{text}");
        assert_eq!(uri(text).absolute_uri().unwrap(), absolute, "{text}");
    }
}

#[test]
fn components() {
    let u = uri("https://user@h:8443/a/b?x=1#f");
    assert_eq!(u.authority().unwrap(), "h:8443");
    assert_eq!(
        (u.scheme().unwrap(), u.host().unwrap(), u.port().unwrap()),
        ("https", "h", 8443)
    );
    assert_eq!((u.query().unwrap(), u.fragment().unwrap()), ("?x=1", "#f"));
    assert_eq!(u.segments().unwrap(), ["/", "a/", "b"]);
    assert_eq!(u.path_and_query().unwrap(), "/a/b?x=1");
    for (part, expected) in [
        (UriPartial::Scheme, "https://"),
        (UriPartial::Authority, "https://user@h:8443"),
        (UriPartial::Path, "https://user@h:8443/a/b"),
        (UriPartial::Query, "https://user@h:8443/a/b?x=1"),
    ] {
        assert_eq!(u.left_part(part).unwrap(), expected);
    }
    for (text, host) in [
        ("http://1.2.3/", "1.2.0.3"),
        ("http://256/", "0.0.1.0"),
        ("http://1.2.3.400/", "1.2.3.400"),
        ("http://[2001:DB8:0:0::1]/", "[2001:db8::1]"),
        ("http://a_b/", "a_b"),
        ("http://h./", "h."),
    ] {
        assert_eq!(uri(text).host().unwrap(), host, "{text}");
    }
    assert_eq!(uri("http://1.2.3.4/a").host_kind().unwrap(), "IPv4");
    assert_eq!(uri("foo://h/a").port().unwrap(), -1);
    assert!(uri("http://localhost").is_loopback().unwrap() && !uri("http://h").is_loopback().unwrap());
}

#[test]
fn refusals() {
    for (text, expected) in [
        (
            "a/b",
            "Invalid URI: The format of the URI could not be determined.",
        ),
        ("", "Invalid URI: The URI is empty."),
        ("http://", "Invalid URI: The hostname could not be parsed."),
        ("http:///a", "Invalid URI: The hostname could not be parsed."),
        ("http://h:99999/", "Invalid URI: Invalid port specified."),
        ("http://h:x/", "Invalid URI: Invalid port specified."),
        ("http:a", "Invalid URI: The Authority/Host could not be parsed."),
        (
            "http//h",
            "Invalid URI: The format of the URI could not be determined.",
        ),
        (
            "://h",
            "Invalid URI: The format of the URI could not be determined.",
        ),
        ("1http://h", "Invalid URI: The URI scheme is not valid."),
        ("http://a b/", "Invalid URI: The hostname could not be parsed."),
        ("http://h..x/", "Invalid URI: The hostname could not be parsed."),
        ("http://user@/", "Invalid URI: The hostname could not be parsed."),
        (
            "http://u:p@x@h/",
            "Invalid URI: The hostname could not be parsed.",
        ),
        ("http://[::1/", "Invalid URI: The hostname could not be parsed."),
        (
            "x:y",
            "Invalid URI: A Dos path must be rooted, for example, 'c:\\\\'.",
        ),
    ] {
        assert_eq!(
            Uri::new(&Str::new(text), UriKind::Absolute).unwrap_err().message,
            expected,
            "{text}"
        );
    }
    let relative = Uri::new(&Str::new("a/b"), UriKind::Relative).unwrap();
    assert_eq!(
        relative.host().unwrap_err().message,
        "This operation is not supported for a relative URI."
    );
    assert!(Uri::new(&Str::new("http://h/a"), UriKind::Relative).is_err());
    assert!(
        !Uri::new(&Str::new("a/b"), UriKind::RelativeOrAbsolute)
            .unwrap()
            .is_absolute()
    );
}

#[test]
fn relative_ones() {
    for (base, relative, expected) in [
        ("http://h/a/b", "c", "http://h/a/c"),
        ("http://h/a/b", "/c", "http://h/c"),
        ("http://h/a/b", "../c?x", "http://h/c?x"),
        ("http://h/a/b", "http://z/q", "http://z/q"),
        ("http://h/a/b?q", "?x=1", "http://h/a/b?x=1"),
        ("http://h/a/b?q", "", "http://h/a/b?q"),
        ("http://h/a/b?q#f", "#z", "http://h/a/b?q#z"),
    ] {
        assert_eq!(
            uri(base).combine(&Str::new(relative)).unwrap().to_text(),
            expected,
            "{base} {relative}"
        );
    }
    for (from, to, expected) in [
        ("http://h/a/b", "http://h/a/c", "c"),
        ("http://h/a/b/c?q", "http://h/a/d/e?z#f", "../d/e?z#f"),
        ("http://h/a/b", "http://g/a", "http://g/a"),
    ] {
        assert_eq!(uri(from).make_relative(&uri(to)).unwrap().to_text(), expected);
    }
    assert_eq!(uri("http://h/a"), uri("http://H:80/a#x"));
    assert!(uri("http://h/a") != uri("http://h/b"));
    for (text, kind, expected) in [
        ("http://h/a b", UriKind::Absolute, false),
        ("http://h/a", UriKind::Absolute, true),
        ("http://h/é", UriKind::Absolute, true),
        ("http://h/%zz", UriKind::Absolute, false),
        ("a/b", UriKind::RelativeOrAbsolute, true),
        ("a b", UriKind::RelativeOrAbsolute, false),
    ] {
        assert_eq!(Uri::is_well_formed(&Str::new(text), kind), expected, "{text}");
    }
}
