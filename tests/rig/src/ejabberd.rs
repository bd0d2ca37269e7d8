//! How to make an ejabberd: configuration, command and accounts. Its life is [`Server`](crate::Server)'s.
//!
//! It is started as the Erlang machine that it is, without `ejabberdctl`: no node name, so no distribution and no epmd,
//! and accounts are made by the same machine as soon as it is up (a tenth of a second for all of them; `ejabberdctl
//! register` takes a second for each).

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use crate::process::bound_to_us;
use crate::server::{Options, Ports, anonymous, indented};

/// The key of the tokens that `jwt.HOST` takes as passwords (HS256).
pub const JWT_SECRET: &str = "Thy lips are warm; a key of thirty-two octets or more";

/// What says that accounts are there, on standard output.
const UP: &str = "up and peopled";

/// Registers the accounts, then says so. In the order of the command line this comes after ejabberd has started.
const PEOPLE: &str = r#"
    {ok, All} = file:consult("accounts"),
    [ok = ejabberd_auth:try_register(User, Host, Password) || {User, Host, Password} <- All],
    io:format("up and peopled~n")."#;

/// The name of a file in the server's directory with [`JWT_SECRET`] as a JSON Web Key.
const JWT_KEY: &str = "key.jwk";

pub(crate) fn jwt_host(options: &Options) -> String {
    format!("jwt.{}", options.host)
}

/// A password for `jwt.HOST`: a token that names the JID in its claim `jid`, until `life` from now.
pub fn token(jid: &str, life: Duration) -> String {
    let expires = (SystemTime::now() + life).duration_since(UNIX_EPOCH).unwrap().as_secs();
    let parts = [r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(), format!(r#"{{"jid":{jid:?},"exp":{expires}}}"#)];
    let signed = parts.map(|part| BASE64URL.encode(part)).join(".");
    format!("{signed}.{}", BASE64URL.encode(crate::certificate::hmac_sha256(JWT_SECRET.as_bytes(), signed.as_bytes())))
}

pub(crate) fn prepare(directory: &Path, options: &Options, ports: Ports) -> (Command, PathBuf) {
    let database = directory.join("database");
    let _ = std::fs::remove_dir_all(&database);
    std::fs::create_dir_all(&database).unwrap();
    // Without a directory of translations, none are loaded: a fifth of the time that it takes to start.
    std::fs::create_dir_all(directory.join("translations")).unwrap();
    std::fs::write(directory.join("accounts"), accounts(options)).unwrap();
    std::fs::write(directory.join(JWT_KEY), format!(r#"{{"kty":"oct","k":"{}"}}"#, BASE64URL.encode(JWT_SECRET)))
        .unwrap();
    // Names are looked up in this file alone, so no helper program for DNS is started.
    std::fs::write(directory.join("inetrc"), "{lookup,[file]}.\n{host,{127,0,0,1},[\"localhost\"]}.\n").unwrap();
    std::fs::write(directory.join("ejabberd.yml"), configuration(directory, options, ports)).unwrap();
    // What the machine prints: its log, when accounts are there, and why it did not start.
    let log = directory.join("ejabberd.out");

    let mut command = bound_to_us("erl");
    // One scheduler that does not spin: these tests share a small machine.
    command.args("+S 1:1 +SDcpu 1:1 +SDio 1 +sbwt none +sbwtdcpu none +sbwtdio none".split(' '));
    command.arg("-pa").arg(modules());
    command.args(["-noinput", "-mnesia", "dir", &format!("{:?}", database.display().to_string())]);
    command.args(["-s", "ejabberd", "-eval", PEOPLE]);
    command.current_dir(directory).env("HOME", directory).env("ERL_LIBS", libraries());
    command
        .env("EJABBERD_CONFIG_PATH", directory.join("ejabberd.yml"))
        .env("EJABBERD_LOG_PATH", directory.join("ejabberd.log"));
    command.env("EJABBERD_MSGS_PATH", directory.join("translations"));
    command.env("ERL_INETRC", directory.join("inetrc")).env("ERL_CRASH_DUMP_BYTES", "0");
    let output = File::create(&log).unwrap();
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    (command, log)
}

/// Whether it listens and has its accounts; nothing as long as that is open.
pub(crate) fn listens(log: &str, ports: &[u16]) -> Option<bool> {
    if log.contains("Failed to open socket") || log.contains("[critical]") {
        return Some(false);
    }
    let accepts = |port: &u16| log.contains(&format!(" connections at 127.0.0.1:{port} for ejabberd_c2s"));
    (ports.iter().all(accepts) && log.contains(UP)).then_some(true)
}

/// Where Debian keeps ejabberd: `/usr/lib/ARCHITECTURE/ejabberd-VERSION`.
fn libraries() -> PathBuf {
    let is_ejabberd = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("ejabberd-"));
    let lib = Path::new("/usr/lib");
    let mut candidates = std::iter::once(lib.to_owned()).chain(entries(lib).filter(|path| path.is_dir()));
    candidates.find(|path| entries(path).any(|inner| is_ejabberd(&inner))).expect("ejabberd (apt-get install ejabberd)")
}

/// A directory, beside the running program, with links to every module of ejabberd and of what it is built on.
///
/// The machine looks for each of 350 modules in forty directories one after the other: a quarter of what it costs to
/// start. Where a link leads nowhere any more, it goes on looking as if this was not there.
fn modules() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let all = program.with_file_name("ejabberd-modules");
    if all.exists() {
        return all;
    }
    // Made under another name first: many tests start at once.
    let mine = all.with_extension(std::process::id().to_string());
    std::fs::create_dir_all(&mine).unwrap();
    let folders = [Path::new("/usr/lib/erlang/lib"), &libraries()].map(|lib| entries(lib).map(|lib| lib.join("ebin")));
    // eimp looks for its program beside its modules, and never stops looking.
    let is_to_stay = |folder: &PathBuf| folder.to_string_lossy().contains("eimp-");
    for file in folders.into_iter().flatten().filter(|folder| !is_to_stay(folder)).flat_map(|folder| entries(&folder)) {
        let _ = std::os::unix::fs::symlink(&file, mine.join(file.file_name().unwrap()));
    }
    if std::fs::rename(&mine, &all).is_err() {
        let _ = std::fs::remove_dir_all(&mine);
    }
    all
}

fn entries(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Erlang terms, one for each account.
fn accounts(options: &Options) -> String {
    options.accounts.iter().fold(String::new(), |mut text, (user, password)| {
        let _ = writeln!(text, "{{<<{user:?}/utf8>>, <<{:?}/utf8>>, <<{password:?}/utf8>>}}.", options.host);
        text
    })
}

fn configuration(directory: &Path, options: &Options, ports: Ports) -> String {
    let (host, anon, jwt) = (&options.host, anonymous(options), jwt_host(options));
    let certificate = options.certificate.as_ref().map(|certificate| certificate.copy_to(directory));
    let certfiles =
        certificate.as_ref().map_or(String::new(), |(chain, key)| format!("certfiles: [{chain:?}, {key:?}]"));
    let listeners = if certificate.is_some() {
        listener(ports.plain, "starttls: true, starttls_required: true") + &listener(ports.direct_tls, "tls: true")
    } else {
        listener(ports.plain, "starttls: false")
    };
    let (sessions, shaper, occupants) = if options.stock_limits {
        // As /etc/ejabberd/ejabberd.yml has them, and ejabberd itself.
        ("max_user_sessions: 10, c2s_shaper: normal", "normal: {rate: 3000, burst_size: 20000}", 200)
    } else {
        ("max_user_sessions: 1000, c2s_shaper: none", "", 10_000)
    };
    let smacks = if options.smacks { "  mod_stream_mgmt: {resend_on_timeout: false}" } else { "" };
    let rooms = indented(&options.ejabberd_rooms, "      ");
    let key = directory.join(JWT_KEY);
    format!(
        r#"loglevel: info
hosts: [{host:?}, {anon:?}, {jwt:?}]
{certfiles}
listen:
{listeners}
s2s_access: none
acme: {{auto: false}}
auth_method: internal
auth_password_format: plain
disable_sasl_mechanisms: [digest-md5, X-OAUTH2]
host_config:
  {anon:?}:
    auth_method: anonymous
    anonymous_protocol: sasl_anon
    allow_multiple_connections: true
  {jwt:?}:
    auth_method: jwt
    jwt_key: {key:?}
    jwt_jid_field: jid
shaper: {{{shaper}}}
shaper_rules: {{{sessions}}}
modules:
  mod_disco: {{}}
  mod_ping: {{}}
{smacks}
{mam}
  mod_muc:
    host: {muc:?}
    access: all
    access_create: all
    access_persistent: all
    history_size: {history}
    min_message_interval: 0
    min_presence_interval: 0
    max_users: {occupants}
    default_room_options:
      max_users: {occupants}
      mam: {archive}
{rooms}"#,
        history = if options.archive { 0 } else { 20 },
        archive = options.archive,
        mam = if options.archive { "  mod_mam: {db_type: mnesia, default: always}" } else { "" },
        muc = options.muc,
    )
}

fn listener(port: u16, tls: &str) -> String {
    format!(
        "  - {{port: {port}, ip: \"127.0.0.1\", backlog: 1024, module: ejabberd_c2s, max_stanza_size: 262144, \
         shaper: c2s_shaper, access: all, {tls}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_else_has_is_not_waited_for() {
        let accepting = "Start accepting TCP connections at 127.0.0.1:5 for ejabberd_c2s\n";
        assert_eq!(listens(accepting, &[5]), None);
        assert_eq!(listens(&format!("{accepting}{UP}"), &[5]), Some(true));
        assert_eq!(listens(&format!("{accepting}{UP}"), &[5, 6]), None);
        assert_eq!(listens("[error] Failed to open socket at 127.0.0.1:5 for ejabberd_c2s", &[5]), Some(false));
    }
}
