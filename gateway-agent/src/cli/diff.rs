//! `diff`: what differs between two configurations, by entity and in what would be served.

use std::{collections::BTreeSet, path::Path, path::PathBuf, sync::Arc};

use clap::Args;
use gateway_config::{
    FileTree, Input, Secret, SecretRef, Settings, Severity, Snapshot, load, overlay::OverlayFile,
};
use serde_json::json;

use super::{
    Format,
    output::{Exit, print},
};
use crate::{
    cli::complain,
    settings,
    sync::{
        backup::Store,
        tree::{self, Bounds},
    },
};

/// Largest overlay, as for a node.
const OVERLAY_BYTES: u64 = 32 << 20;

/// Options of `diff`.
#[derive(Args, Debug)]
pub(super) struct DiffArgs {
    /// The configuration before: an artifact folder, or the folder of a backup
    before: PathBuf,
    /// The configuration after
    after: PathBuf,
    /// Overlay of both
    #[arg(long, value_name = "FILE")]
    overlay: Option<PathBuf>,
    /// Settings file: the gateway's name, and the key of backups
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// How to print it
    #[arg(long, short = 'o', value_enum, default_value_t)]
    format: Format,
}

pub(super) fn main(args: &DiffArgs) -> Exit {
    let gathered = settings::gather(args.settings.as_deref());
    let read = |path: &Path| side(path, args.overlay.as_deref(), &gathered.settings);
    let (before, after) = match (read(&args.before), read(&args.after)) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(error), _) | (_, Err(error)) => {
            complain(&error);
            return Exit::Usage;
        }
    };
    let entities = load::diff(&before, &after);
    let (old, new) = (before.content(), after.content());
    let (old, new): (BTreeSet<&str>, BTreeSet<&str>) = (old.lines().collect(), new.lines().collect());
    let gone: Vec<&str> = old.difference(&new).copied().collect();
    let come: Vec<&str> = new.difference(&old).copied().collect();
    let same = gone.is_empty() && come.is_empty();
    let text = match args.format {
        Format::Json => {
            let value = json!({ "entities": entities, "before": gone, "after": come, "servesTheSame": same });
            format!("{value:#}\n")
        }
        Format::Text => {
            let mut out = format!("entities: {entities}\n");
            for (sign, lines) in [("-", &gone), ("+", &come)] {
                for line in lines {
                    out += &format!("{sign} {line}\n");
                }
            }
            if same {
                out += "both serve the same\n";
            }
            out
        }
    };
    print(&text);
    if same { Exit::Ok } else { Exit::Problem }
}

/// What a folder, or the copy in a folder of backups, would serve.
fn side(path: &Path, overlay: Option<&Path>, settings: &Settings) -> Result<Arc<Snapshot>, String> {
    let files = files(path, settings)?;
    let bytes = overlay
        .map(|file| tree::read_file(file, OVERLAY_BYTES).map_err(|error| error.to_string()))
        .transpose()?;
    let name = overlay.map(|file| file.display().to_string()).unwrap_or_default();
    // Secrets are not at hand here; that they are other ones shows nowhere but at their place.
    let secrets = |reference: &SecretRef| Ok(Secret::new(format!("{reference:?}")));
    let loaded = load(&Input {
        tree: &files,
        overlay: bytes.as_ref().map(|bytes| OverlayFile { path: &name, bytes }),
        settings,
        secrets: &secrets,
        previous: None,
    });
    loaded.snapshot.ok_or_else(|| {
        let fatal = loaded.problems.iter().find(|p| p.severity == Severity::Fatal);
        let why = fatal.map_or_else(String::new, ToString::to_string);
        format!("{} cannot be loaded: {why}", path.display())
    })
}

fn files(path: &Path, settings: &Settings) -> Result<FileTree, String> {
    if path.join("configuration.backup").exists() {
        let key = settings.config.backup_key_path.as_deref().map(Path::new);
        let backup = Store::open(path, key).and_then(|store| store.load());
        return backup
            .map(|backup| backup.files)
            .map_err(|error| error.to_string());
    }
    let tree = tree::read(path, &Bounds::default()).map_err(|error| error.to_string())?;
    Ok(tree.files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::scratch::Scratch;

    #[test]
    fn differences_decide_the_status() {
        let scratch = Scratch::new();
        for (side, path) in [("a", "one"), ("b", "one"), ("c", "two")] {
            scratch.write(
                &format!("{side}/apis/x/apiInformation.json"),
                format!(r#"{{"properties": {{"path": "{path}"}}}}"#),
            );
        }
        let exit = |before: &str, after: &str| {
            main(&DiffArgs {
                before: scratch.path().join(before),
                after: scratch.path().join(after),
                overlay: None,
                settings: None,
                format: Format::Json,
            })
        };
        assert_eq!(exit("a", "b"), Exit::Ok);
        assert_eq!(exit("a", "c"), Exit::Problem);
        assert_eq!(exit("a", "none"), Exit::Usage);
    }
}
