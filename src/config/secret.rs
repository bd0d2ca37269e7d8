//! Secrets: from a file, from systemd, or, with a warning, from the configuration itself. They are read once and never
//! shown.

use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use toml::Spanned;

use super::check::Report;
use super::raw;

/// Longest secret that is read from a file, in octets: a bound, so that a mistaken path does not read a disk.
const MAX_SECRET: u64 = 4096;

/// The three ways to give one secret.
pub(super) struct Given<'a> {
    pub(super) inline: Option<&'a raw::Text>,
    pub(super) file: Option<&'a raw::Text>,
    pub(super) credential: Option<&'a raw::Text>,
    /// What is said when there is none, and where.
    pub(super) owner: Range<usize>,
}

/// Reads the secret, which must be given in exactly one way.
pub(super) fn password(given: &Given<'_>, report: &mut Report<'_>) -> Option<SecretString> {
    let ways: Vec<&raw::Text> = [given.inline, given.file, given.credential].into_iter().flatten().collect();
    if let [_, second, ..] = ways.as_slice() {
        let help = "keep one of password_file, password_credential and password";
        report.error(Some(second.span()), "the password is given more than once", help);
        return None;
    }
    if let Some(text) = given.inline {
        let password = not_empty(text.get_ref(), text.span(), report)?;
        let help = "write it into a file that only mucfocus can read, and its path as password_file";
        report.warning(
            Some(text.span()),
            "the password stands in the configuration, where backups and people see it",
            help,
        );
        return Some(password);
    }
    if let Some(path) = given.file {
        return from_file(path, report);
    }
    if let Some(name) = given.credential {
        return from_credential(name, std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref(), report);
    }
    let help = "write password_file = \"/etc/mucfocus/romeo.xmpp\", the path of a file that holds nothing else";
    report.error(Some(given.owner.clone()), "this account has no password", help);
    None
}

fn from_file(path: &Spanned<String>, report: &mut Report<'_>) -> Option<SecretString> {
    let file = report.folder.join(path.get_ref());
    let shown = file.display();
    match std::fs::metadata(&file) {
        Err(error) => {
            let help = "create it, or write the path of the file that holds the password";
            report.error(Some(path.span()), format!("cannot read {shown}: {error}"), help);
            return None;
        }
        Ok(meta) if meta.is_file() && meta.permissions().mode() & 0o066 != 0 => {
            let mode = meta.permissions().mode() & 0o777;
            let message = format!("others can read or change {shown} (mode {mode:03o})");
            report.error(Some(path.span()), message, format!("run: chmod 600 {shown}"));
            return None;
        }
        Ok(_) => {}
    }
    read(&file, path.span(), report)
}

fn from_credential(name: &Spanned<String>, folder: Option<&Path>, report: &mut Report<'_>) -> Option<SecretString> {
    let plain = !name.get_ref().is_empty() && !name.get_ref().contains('/') && name.get_ref() != "..";
    let Some(folder) = folder else {
        let help =
            format!("start by systemd with LoadCredential={}:/path/to/file, or use password_file", name.get_ref());
        report.error(Some(name.span()), "systemd gave no credentials (CREDENTIALS_DIRECTORY is not set)", help);
        return None;
    };
    if !plain {
        let help = "write the name alone, as in LoadCredential=NAME:/path/to/file";
        report.error(Some(name.span()), "this is not the name of a credential", help);
        return None;
    }
    // systemd keeps others out of the folder; the files' own modes do not tell.
    read(&folder.join(name.get_ref()), name.span(), report)
}

fn read(file: &Path, span: Range<usize>, report: &mut Report<'_>) -> Option<SecretString> {
    use std::io::Read as _;
    let mut text = String::new();
    let result = std::fs::File::open(file).and_then(|f| f.take(MAX_SECRET + 1).read_to_string(&mut text));
    match result {
        Err(error) => {
            let help = "make it readable for the user that mucfocus runs as; it holds the password, in UTF-8, and nothing else";
            report.error(Some(span), format!("cannot read {}: {error}", file.display()), help);
            None
        }
        Ok(n) if u64::try_from(n).unwrap_or(u64::MAX) > MAX_SECRET => {
            let help = "it should hold the password and nothing else";
            report.error(Some(span), format!("{} is too long for a password", file.display()), help);
            None
        }
        Ok(_) => not_empty(text.trim_end_matches(['\r', '\n']), span, report),
    }
}

fn not_empty(text: &str, span: Range<usize>, report: &mut Report<'_>) -> Option<SecretString> {
    if text.is_empty() {
        report.error(Some(span), "the password is empty", "write the password of the XMPP account");
        return None;
    }
    Some(SecretString::from(text.to_owned()))
}
