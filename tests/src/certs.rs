//! Certificates for one run, made by the `openssl` program: an authority and leaves for named hosts.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::process::run;

/// Days a test certificate lives; a run takes minutes.
const DAYS: &str = "7";

/// Files of one run's authority.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// A leaf certificate with its chain, and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Leaf first, then the authority.
    pub chain: PathBuf,
    /// PKCS#8 private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes a P-256 authority in `folder`.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let authority = Self {
            folder: folder.to_owned(),
        };
        run(Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args(["-subj", "/CN=gateway test authority", "-days", DAYS])
            .args(["-addext", "basicConstraints=critical,CA:TRUE"])
            .arg("-keyout")
            .arg(folder.join("ca.key"))
            .arg("-out")
            .arg(authority.certificate()))?;
        Ok(authority)
    }

    /// The authority's certificate, for `curl --cacert`.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A P-256 leaf for `names`: DNS names, or addresses.
    pub fn leaf(&self, file: &str, names: &[&str]) -> Result<Leaf> {
        let [key, request, certificate, chain] =
            ["key", "csr", "crt", "pem"].map(|extension| self.folder.join(format!("{file}.{extension}")));
        let alternatives = names
            .iter()
            .map(|name| alternative(name))
            .collect::<Vec<_>>()
            .join(",");
        run(Command::new("openssl")
            .args([
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ])
            .args(["-subj", &format!("/CN={}", names.first().unwrap_or(&file))])
            .args(["-addext", &format!("subjectAltName={alternatives}")])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&request))?;
        run(Command::new("openssl")
            .args([
                "x509",
                "-req",
                "-copy_extensions",
                "copy",
                "-days",
                DAYS,
                "-CAcreateserial",
            ])
            .arg("-in")
            .arg(&request)
            .arg("-CA")
            .arg(self.certificate())
            .arg("-CAkey")
            .arg(self.folder.join("ca.key"))
            .arg("-out")
            .arg(&certificate))?;
        let pem = std::fs::read_to_string(&certificate)? + &std::fs::read_to_string(self.certificate())?;
        std::fs::write(&chain, pem)?;
        Ok(Leaf { chain, key })
    }
}

fn alternative(name: &str) -> String {
    let kind = if name.parse::<std::net::IpAddr>().is_ok() {
        "IP"
    } else {
        "DNS"
    };
    format!("{kind}:{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{skip::Need, skip_unless};

    #[test]
    fn the_leaf_verifies_against_the_authority() {
        skip_unless!(Need::Program("openssl", "openssl"));
        let folder = std::env::temp_dir().join(format!("gateway-certs-{}", std::process::id()));
        let authority = Authority::new(&folder).unwrap();
        let leaf = authority.leaf("node", &["node.example", "192.0.2.1"]).unwrap();
        let verified = run(Command::new("openssl")
            .arg("verify")
            .arg("-CAfile")
            .arg(authority.certificate())
            .arg(leaf.chain));
        std::fs::remove_dir_all(folder).unwrap();
        assert!(verified.unwrap().contains("OK"));
    }
}
