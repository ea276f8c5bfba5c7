//! What is made from the definition: version, completion scripts, manual pages.

use std::{fs, io, path::Path};

use clap_complete::Shell;

use super::{
    Format,
    output::{Exit, complain, print},
};

pub(super) fn version(format: Format) -> Exit {
    match format {
        Format::Text => print(concat!("gateway-agent ", env!("CARGO_PKG_VERSION"), "\n")),
        Format::Json => print(concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}\n")),
    }
    Exit::Ok
}

pub(super) fn completion(shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::definition(), "gateway-agent", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Ok
}

pub(super) fn man(folder: Option<&Path>) -> Exit {
    let Some(folder) = folder else {
        return match page(super::definition()) {
            Ok(page) => {
                print(&page);
                Exit::Ok
            }
            Err(error) => failed(&error),
        };
    };
    match write_pages(folder) {
        Ok(count) => {
            print(&format!("{count} pages in {}\n", folder.display()));
            Exit::Ok
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> Exit {
    complain(&format!("the manual could not be written: {error}"));
    Exit::Problem
}

/// One page a command, named as `man` looks for them: `gateway-agent-run.1`.
fn write_pages(folder: &Path) -> io::Result<usize> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(super::definition(), folder)?;
    Ok(fs::read_dir(folder)?.count())
}

fn page(command: clap::Command) -> io::Result<String> {
    let mut out = Vec::new();
    clap_mangen::Man::new(command).render(&mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
