//! Secrets: from a file, from systemd, or, with a warning, from the configuration itself. They are read once and never
//! shown.

use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::raw::{self, At};
use super::report::Report;

/// Longest secret that is read from a file, in octets: a bound, so that a mistaken path does not read a disk.
const MAX_SECRET: u64 = 4096;

/// What a secret is called in messages and keys.
#[derive(Clone, Copy)]
pub(super) struct Wording {
    /// For people: "password".
    what: &'static str,
    /// The key; with `_file` and `_credential` behind it the two others.
    key: &'static str,
    /// Where it may be found.
    example: &'static str,
    /// What is said where there is none and there must be one.
    missing: &'static str,
}

/// Of an `[[accounts]]`.
pub(super) const ACCOUNT: Wording = Wording {
    what: "password",
    key: "password",
    example: "/etc/mucfocus/romeo.xmpp",
    missing: "this account has no password",
};
/// Of a `[[sip.auth.users]]`.
pub(super) const SIP_USER: Wording = Wording {
    what: "password",
    key: "password",
    example: "/etc/mucfocus/romeo.pw",
    missing: "this SIP user has no password",
};
/// Of `[sip.outbound]`.
pub(super) const PROXY: Wording = Wording {
    what: "password",
    key: "password",
    example: "/etc/mucfocus/proxy.pw",
    missing: "there is no password for this user name",
};
/// Of `[[rooms]]`.
pub(super) const ROOM: Wording = Wording {
    what: "password",
    key: "password",
    example: "/etc/mucfocus/capulet.room",
    missing: "this room has no password",
};
/// Of hmac and jwt.
pub(super) const MINT: Wording = Wording {
    what: "secret",
    key: "secret",
    example: "/etc/mucfocus/mint.key",
    missing: "this login has no secret to make passwords with",
};
/// Of nonces.
pub(super) const NONCE_KEY: Wording = Wording {
    what: "nonce key",
    key: "nonce_key",
    example: "/etc/mucfocus/nonce.key",
    missing: "there is no nonce key",
};

/// The three ways to give one secret.
pub(super) struct Given<'a> {
    pub(super) wording: Wording,
    pub(super) inline: Option<&'a raw::Text>,
    pub(super) file: Option<&'a raw::Text>,
    pub(super) credential: Option<&'a raw::Text>,
}

impl<'a> Given<'a> {
    /// The first way that was taken.
    pub(super) fn any(&self) -> Option<&'a raw::Text> {
        self.inline.or(self.file).or(self.credential)
    }

    /// Reads the secret, which must be given in exactly one way; where there is none, says so at `owner`.
    pub(super) fn required(&self, owner: Range<usize>, report: &mut Report<'_>) -> Option<SecretString> {
        let Wording { key, example, missing, .. } = self.wording;
        let names = [key.to_owned(), format!("{key}_file"), format!("{key}_credential")];
        if self.any().is_none() && !names.iter().any(|name| report.is_unusable(owner.start, name)) {
            let help = format!("write {key}_file = \"{example}\", the path of a file that holds nothing else");
            report.error(Some(owner), missing, help);
            return None;
        }
        self.optional(report)
    }

    /// Reads the secret, which must not be given in more than one way.
    pub(super) fn optional(&self, report: &mut Report<'_>) -> Option<SecretString> {
        let (what, key) = (self.wording.what, self.wording.key);
        let span = self.any()?.span();
        let octets = self.octets(report)?;
        let Ok(text) = String::from_utf8(octets) else {
            let help = format!("it must be UTF-8; made by: openssl rand -hex 32 > {}", self.wording.example);
            report.error(Some(span), format!("the {what} is no text"), help);
            return None;
        };
        if let Some(inline) = self.inline {
            let help = format!("write it into a file that only mucfocus can read, and its path as {key}_file");
            let message = format!("the {what} stands in the configuration, where backups and people see it");
            report.warning(Some(inline.span()), message, help);
        }
        Some(SecretString::from(text))
    }

    /// Reads the secret as octets, without the end of the line if it is text.
    pub(super) fn octets(&self, report: &mut Report<'_>) -> Option<Vec<u8>> {
        let Wording { what, key, .. } = self.wording;
        let ways: Vec<&raw::Text> = [self.inline, self.file, self.credential].into_iter().flatten().collect();
        if let [_, second, ..] = ways.as_slice() {
            let help = format!("keep one of {key}_file, {key}_credential and {key}");
            report.error(Some(second.span()), format!("the {what} is given more than once"), help);
            return None;
        }
        let at = ways.first()?;
        let octets = match (self.inline, self.file) {
            (Some(inline), _) => inline.get_ref().clone().into_bytes(),
            (None, Some(path)) => from_file(path, what, report)?,
            (None, None) => from_credential(at, self.wording, credentials_folder().as_deref(), report)?,
        };
        if octets.is_empty() {
            report.error(Some(at.span()), format!("the {what} is empty"), format!("write the {what}"));
            return None;
        }
        Some(octets)
    }
}

fn from_file(path: &At<String>, what: &str, report: &mut Report<'_>) -> Option<Vec<u8>> {
    let file = private_file(path, what, report)?;
    read(&file, path.span(), what, report)
}

/// The file of a secret, which nobody else may read or change.
pub(super) fn private_file(path: &At<String>, what: &str, report: &mut Report<'_>) -> Option<PathBuf> {
    let file = report.folder.join(path.get_ref());
    let shown = file.display();
    match std::fs::metadata(&file) {
        Err(error) => {
            let help = if error.kind() == std::io::ErrorKind::PermissionDenied {
                "let the user that mucfocus runs as enter its folder".to_owned()
            } else {
                format!("create it, or write the path of the file that holds the {what}")
            };
            report.error(Some(path.span()), format!("cannot read {shown}: {error}"), help);
            None
        }
        Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o066 != 0 => {
            let mode = meta.permissions().mode() & 0o777;
            let message = format!("others can read or change {shown} (mode {mode:03o})");
            // The file is there, so its plain path is known: what is printed works from every folder.
            let plain = std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
            report.error(Some(path.span()), message, format!("run: chmod 600 {}", for_a_shell(&plain)));
            None
        }
        Ok(_) => Some(file),
    }
}

/// A path as it is pasted into a shell.
fn for_a_shell(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn from_credential(
    name: &At<String>,
    wording: Wording,
    folder: Option<&Path>,
    report: &mut Report<'_>,
) -> Option<Vec<u8>> {
    let file = credential(name, wording.key, folder, report)?;
    read(&file, name.span(), wording.what, report)
}

/// The file of a credential that systemd gave us in `folder`. systemd keeps others out of the folder; the files' own modes do not
/// tell. `key` is what the secret is called in the configuration.
pub(super) fn credential(
    name: &At<String>,
    key: &str,
    folder: Option<&Path>,
    report: &mut Report<'_>,
) -> Option<PathBuf> {
    let plain = !name.get_ref().is_empty() && !name.get_ref().contains('/') && name.get_ref() != "..";
    let Some(folder) = folder else {
        let help = format!("start by systemd with LoadCredential={}:/path/to/file, or use {key}_file", name.get_ref());
        report.error(Some(name.span()), "systemd gave no credentials (CREDENTIALS_DIRECTORY is not set)", help);
        return None;
    };
    if !plain {
        let help = "write the name alone, as in LoadCredential=NAME:/path/to/file";
        report.error(Some(name.span()), "this is not the name of a credential", help);
        return None;
    }
    Some(folder.join(name.get_ref()))
}

/// Where systemd puts credentials.
pub(super) fn credentials_folder() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

fn read(file: &Path, span: Range<usize>, what: &str, report: &mut Report<'_>) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut octets = Vec::new();
    let result = std::fs::File::open(file).and_then(|f| f.take(MAX_SECRET + 1).read_to_end(&mut octets));
    match result {
        Err(error) => {
            let help =
                format!("make it readable for the user that mucfocus runs as; it holds the {what} and nothing else");
            report.error(Some(span), format!("cannot read {}: {error}", file.display()), help);
            None
        }
        Ok(n) if u64::try_from(n).unwrap_or(u64::MAX) > MAX_SECRET => {
            let help = format!("it should hold the {what} and nothing else");
            report.error(Some(span), format!("{} is too long for a {what}", file.display()), help);
            None
        }
        Ok(_) => {
            if std::str::from_utf8(&octets).is_ok() {
                let ends = octets.iter().rev().take_while(|octet| matches!(octet, b'\r' | b'\n')).count();
                octets.truncate(octets.len().saturating_sub(ends));
            }
            Some(octets)
        }
    }
}
