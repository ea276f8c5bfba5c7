//! What a configuration may say and the node does not act on yet: said at load, in one place.
//!
//! Whoever builds one of these in the agent deletes its line here.

use crate::{
    network::{Hostname, Listener, ListenerLimits},
    problem::Problem,
};

/// Warns once for every entity and feature.
pub(super) fn report(
    overlay_path: &str,
    listeners: &[Listener],
    hostnames: &[Hostname],
    problems: &mut Vec<Problem>,
) {
    let mut warn = |path: &str, element: &str, effect: &str| {
        let message = format!("`{element}` is kept, but the node does not act on it yet: {effect}");
        problems.push(Problem::warning("no-effect-yet", path, message).on(element));
    };
    for _ in hostnames.iter().filter(|h| !h.http2) {
        warn(overlay_path, "http2", "HTTP/2 is offered for every host name");
    }
    for listener in listeners {
        if listener.limits != ListenerLimits::default() {
            warn(
                overlay_path,
                "limits",
                "the settings `limits.*` hold for all listeners",
            );
        }
        if !listener.http.http1 || !listener.http.http2 {
            warn(overlay_path, "http1, http2", "both are served on every listener");
        }
    }
}
