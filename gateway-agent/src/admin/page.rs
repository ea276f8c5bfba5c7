//! The start page of the admin endpoint: plain HTML, no script, everything escaped.

use std::fmt::Write as _;

use super::{routes::ROUTES, state::State};

/// The page.
pub(super) fn home(state: &State) -> String {
    let mut out = String::from(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>gateway-agent</title>\n\
         <style>body{font:15px sans-serif;margin:2em}td{padding:.1em 1em .1em 0}</style>\n",
    );
    let ready = if state.is_ready() { "ready" } else { "not ready" };
    let sync = state.sync.status();
    let revision = sync.active.as_ref().map_or("none", |active| &*active.revision);
    let rows = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("state", ready.to_owned()),
        ("configuration", format!("{revision} from {}", sync.source)),
        ("mode", state.kernel.state().mode().to_owned()),
    ];
    out.push_str("<h1>gateway-agent</h1>\n<table>\n");
    for (name, value) in rows {
        row(&mut out, name, &escape(&value));
    }
    out.push_str("</table>\n<h2>Paths</h2>\n<table>\n");
    for route in ROUTES {
        let link = if route.method == http::Method::GET {
            format!("<a href=\"{0}\">{0}</a>", route.path)
        } else {
            format!("POST {}", route.path)
        };
        row(&mut out, &link, &escape(route.help));
    }
    out.push_str("</table>\n");
    out
}

fn row(out: &mut String, name: &str, value: &str) {
    let write = writeln!(out, "<tr><td>{name}</td><td>{value}</td></tr>");
    debug_assert!(write.is_ok(), "writing to a String does not fail");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
