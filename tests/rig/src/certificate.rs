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
    /// Makes one for `host` and the hosts right below it.
    pub fn for_host(host: &str) -> Self {
        let directory = TempDir::with_prefix("certificate-").unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let subject = |name: &dyn Display| format!("/CN={name}");
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let (ca, ca_key, leaf, leaf_key, request, extensions) =
            (at("ca.pem"), at("ca.key"), at("leaf.pem"), at("leaf.key"), at("leaf.csr"), at("leaf.cnf"));
        std::fs::write(&extensions, format!("basicConstraints=CA:FALSE\nsubjectAltName=DNS:{host},DNS:*.{host}\n"))
            .unwrap();
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

    /// Makes one that a client signs itself, as MSRP clients do.
    pub fn self_signed(name: &str) -> Self {
        let directory = TempDir::with_prefix("certificate-").unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let (subject, names) = (format!("/CN={name}"), format!("subjectAltName=DNS:{name}"));
        openssl(&[
            "req",
            "-x509",
            "-days",
            "2",
            "-subj",
            &subject,
            "-addext",
            &names,
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            &at("leaf.key"),
            "-out",
            &at("leaf.pem"),
        ]);
        Self(Arc::new(directory))
    }

    /// Where certificate and key are.
    pub fn files(&self) -> (PathBuf, PathBuf) {
        (self.0.path().join("leaf.pem"), self.0.path().join("leaf.key"))
    }

    /// The fingerprint of the certificate as `a=fingerprint` has it behind the name of the hash (RFC 8122 §5); `hash` as openssl
    /// calls it, `sha256`.
    pub fn fingerprint(&self, hash: &str) -> String {
        let file = self.files().0;
        let option = format!("-{hash}");
        let output =
            Command::new("openssl").args(["x509", "-noout", "-fingerprint", &option, "-in"]).arg(file).output();
        let text = String::from_utf8(output.expect("the program openssl").stdout).unwrap();
        text.trim().split_once('=').expect("NAME Fingerprint=…").1.to_owned()
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

/// HMAC-SHA-256 (RFC 2104) of `data`.
pub(crate) fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    let directory = TempDir::with_prefix("hmac-").unwrap();
    let (from, to) = (directory.path().join("data"), directory.path().join("mac"));
    std::fs::write(&from, data).unwrap();
    let hex: String = key.iter().map(|octet| format!("{octet:02x}")).collect();
    let (key, to_name) = (format!("hexkey:{hex}"), to.display().to_string());
    let mac = ["dgst", "-sha256", "-mac", "HMAC", "-macopt", &key, "-binary", "-out", &to_name];
    openssl(&[&mac[..], &[&from.display().to_string()]].concat());
    std::fs::read(to).unwrap()
}

fn openssl(arguments: &[&str]) {
    let output =
        Command::new("openssl").args(arguments).output().expect("the program openssl (apt-get install openssl)");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
