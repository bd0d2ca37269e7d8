//! How to make a Prosody: configuration, command and accounts. Its life is [`Server`](crate::Server)'s.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::bound_to_us;
use crate::server::{Options, Ports, anonymous};

/// What makes every room keep what is said in it, as long as the server runs.
const ARCHIVE: &str = r#"modules_enabled = { "muc_mam" }
  muc_log_by_default = true
  storage = { muc_log = "memory" }"#;

pub(crate) fn prepare(directory: &Path, options: &Options, ports: Ports) -> (Command, PathBuf) {
    let data = directory.join("data");
    let accounts = data.join(encode(&options.host)).join("accounts");
    std::fs::create_dir_all(&accounts).unwrap();
    std::fs::create_dir_all(directory.join("certs")).unwrap();
    for (user, password) in &options.accounts {
        let line = format!("return {{ [\"password\"] = {password:?}; }};\n");
        std::fs::write(accounts.join(format!("{}.dat", encode(user))), line).unwrap();
    }
    let modules = directory.join("modules");
    std::fs::create_dir_all(&modules).unwrap();
    for entry in options.prosody_modules.iter().flat_map(|from| std::fs::read_dir(from).unwrap()) {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), modules.join(entry.file_name())).unwrap();
    }
    for (enabled, file, changes) in NEWER {
        if options.prosody_enabled.iter().any(|module| module == enabled) {
            let original = std::fs::read_to_string(Path::new(INSTALLED).join(file)).unwrap();
            let changed = changes.iter().fold(original, |text, (old, new)| text.replace(old, new));
            std::fs::write(modules.join(Path::new(file).file_name().unwrap()), changed).unwrap();
        }
    }
    std::fs::write(directory.join("prosody.cfg.lua"), configuration(directory, options, ports)).unwrap();
    let log = log_of(directory);
    let _ = std::fs::remove_file(&log);

    let mut command = bound_to_us("prosody");
    command.arg("-F").arg("--config").arg(directory.join("prosody.cfg.lua"));
    let output = File::create(directory.join("prosody.out")).unwrap();
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    (command, log)
}

const INSTALLED: &str = "/usr/lib/prosody/modules";
/// What is written, and what in its place.
type Change = (&'static str, &'static str);
/// What keeps modules of Debian's package prosody-modules from working with Debian's Prosody, which is older: the module that is
/// enabled, the file, and what a newer Prosody would have there.
const NEWER: [(&str, &str, &[Change]); 3] = [
    ("sasl2_fast", "mod_c2s.lua", &[("features = features }", "features = features, stream = attr }")]),
    ("sasl2", "mod_sasl2/mod_sasl2.lua", &[("origin.conn:ssl_info()", "origin.conn:socket():info()")]),
    (
        "sasl2_fast",
        "mod_sasl2_fast/mod_sasl2_fast.lua",
        &[
            ("require \"util.time\".now", "os.time"),
            ("auth:get_child_attr(\"user-agent\", nil, \"id\")", "(auth:get_child(\"user-agent\") or auth).attr.id"),
        ],
    ),
];

/// Whether it listens; nothing as long as that is open.
pub(crate) fn listens(log: &str, ports: Ports, tls: bool) -> Option<bool> {
    if log.contains("Failed to open server port") {
        return Some(false);
    }
    let activated = |service: &str, port| log.contains(&format!("Activated service '{service}' on [127.0.0.1]:{port}"));
    let all = activated("c2s", ports.plain) && (!tls || activated("c2s_direct_tls", ports.direct_tls));
    all.then_some(true)
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join("prosody.log")
}

/// How Prosody writes a host or user part as the name of a file.
fn encode(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            _ => write!(out, "%{byte:02x}").unwrap(),
        }
    }
    out
}

fn configuration(directory: &Path, options: &Options, ports: Ports) -> String {
    let place = directory.display();
    let port = ports.plain;
    let (module_tls, direct, tls) = match &options.certificate {
        None => ("", String::new(), "c2s_require_encryption = false\n".to_owned()),
        Some(certificate) => {
            let (chain, key) = certificate.copy_to(directory);
            let ssl = format!("ssl = {{ certificate = {chain:?}; key = {key:?} }}\n");
            (r#", "tls""#, ports.direct_tls.to_string(), format!("c2s_require_encryption = true\n{ssl}"))
        }
    };
    let disabled_tls = if options.certificate.is_some() { "" } else { r#""tls", "# };
    let smacks = if options.smacks { r#", "smacks""# } else { "" };
    let enabled: String = options.prosody_enabled.iter().map(|module| format!(", {module:?}")).collect();
    let (module_limits, limits) = if options.stock_limits {
        // As /etc/prosody/prosody.cfg.lua has them.
        (r#", "limits""#, r#"{ c2s = { rate = "10kb/s" } }"#)
    } else {
        ("", "{}")
    };
    format!(
        r#"daemonize = false
run_as_root = true -- where the directory can be reached by root alone
pidfile = "{place}/prosody.pid"
data_path = "{place}/data"
plugin_paths = {{ "{place}/modules" }}
network_backend = "epoll"
interfaces = {{ "127.0.0.1" }}
local_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ {direct} }}
limits = {limits}
modules_enabled = {{ "roster", "saslauth", "disco", "ping", "posix", "time"{smacks}{module_tls}{module_limits}{enabled} }}
modules_disabled = {{ {disabled_tls}"s2s", "s2s_auth_certs", "http", "offline" }}
{tls}allow_unencrypted_plain_auth = true
authentication = "internal_plain"
default_storage = "memory"
storage = {{ accounts = "internal" }}
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{log}" }} }}

VirtualHost "{host}"

VirtualHost "{anon}"
  authentication = "anonymous"

{hosts}

Component "{muc}" "muc"
  {archive}
  restrict_room_creation = false
  muc_room_locking = false
  muc_room_default_public = true
  muc_room_default_history_length = {history}
  {muc_lines}
"#,
        history = if options.archive { 0 } else { 20 },
        archive = if options.archive { ARCHIVE } else { r#"modules_disabled = { "muc_mam" }"# },
        log = log_of(directory).display(),
        host = options.host,
        anon = anonymous(options),
        hosts = options.prosody_hosts,
        muc = options.muc,
        muc_lines = options.prosody_muc,
    )
}
