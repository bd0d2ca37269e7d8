//! A certificate for a host and the authority that signed it, made by the `openssl` program.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

/// A certificate, its key, and its authority's certificate, as files.
#[derive(Clone)]
pub struct Certificate(Arc<TempDir>);

impl Certificate {
    /// Makes one for `host`.
    pub fn for_host(host: &str) -> Self {
        let directory = TempDir::with_prefix("certificate-").unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let subject = |name: &dyn Display| format!("/CN={name}");
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let (ca, ca_key, leaf, leaf_key, request, extensions) =
            (at("ca.pem"), at("ca.key"), at("leaf.pem"), at("leaf.key"), at("leaf.csr"), at("leaf.cnf"));
        std::fs::write(&extensions, format!("basicConstraints=CA:FALSE\nsubjectAltName=DNS:{host}\n")).unwrap();
        let authority = subject(&"mucfocus test authority");
        let mut sign = vec!["req", "-x509", "-days", "2", "-subj", &authority, "-keyout", &ca_key, "-out", &ca];
        sign.extend(key);
        openssl(&sign);
        let name = subject(&host);
        let mut ask = vec!["req", "-new", "-subj", &name, "-keyout", &leaf_key, "-out", &request];
        ask.extend(key);
        openssl(&ask);
        openssl(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-CAcreateserial",
            "-in",
            &request,
            "-CA",
            &ca,
            "-CAkey",
            &ca_key,
            "-extfile",
            &extensions,
            "-out",
            &leaf,
        ]);
        Self(Arc::new(directory))
    }

    /// The certificate of the authority, for `ca_file`.
    pub fn authority(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// Copies certificate and key into a directory, and says where they are.
    pub fn copy_to(&self, directory: &Path) -> (PathBuf, PathBuf) {
        let copy = |name: &str| {
            let to = directory.join(name);
            std::fs::copy(self.0.path().join(name), &to).unwrap();
            to
        };
        (copy("leaf.pem"), copy("leaf.key"))
    }
}

fn openssl(arguments: &[&str]) {
    let output =
        Command::new("openssl").args(arguments).output().expect("the program openssl (apt-get install openssl)");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
