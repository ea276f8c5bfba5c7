//! `docs/overlay.md`: the annotated example, made from the key tables.

use std::fmt::Write as _;

use super::keys::{Key, TOP};

/// The reference page. A test reads the example back through the parser.
pub fn markdown() -> String {
    let mut out = String::from(
        "# The overlay file\n\n\
         Generated from the tables in gateway-config/src/overlay/keys.rs; `cargo test -p gateway-config` compares it.\n\n\
         The setting `config.overlay.path` names one YAML file that holds what an APIOps artifact folder cannot:\n\
         subscription keys, secret values, host names, certificates, listeners, users, kernel options. Entity kinds\n\
         have the shape of APIOps' `configuration.{env}.yaml`, so such a file works as it is. Overrides merge deep\n\
         into the folder's properties: objects member by member, lists and scalars replaced. Every member is\n\
         optional. An unknown key, a wrong type or a missing needed key is refused with line and column, and the last\n\
         good configuration goes on serving. `{env: NAME}` and `{file: PATH}` are read by the agent; a value that\n\
         cannot be read keeps its last value, and without one refuses only the entity it belongs to.\n\n```yaml\n",
    );
    out += &example();
    out += "```\n";
    out
}

/// The example alone.
pub(super) fn example() -> String {
    let mut out = String::new();
    for key in TOP {
        render(key, 0, false, &mut out);
    }
    out
}

fn render(key: &Key, indent: usize, dash: bool, out: &mut String) {
    let pad = " ".repeat(indent);
    let lead = if dash {
        format!("{}- ", " ".repeat(indent.saturating_sub(2)))
    } else {
        pad
    };
    if key.children.is_empty() {
        let _ = writeln!(out, "{lead}{}: {}  # {}", key.name, key.example, key.help);
        return;
    }
    let _ = writeln!(out, "{lead}{}:  # {}", key.name, key.help);
    for (index, child) in key.children.iter().enumerate() {
        let deeper = if key.list { indent + 4 } else { indent + 2 };
        render(child, deeper, key.list && index == 0, out);
    }
}
