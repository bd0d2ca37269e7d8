//! Real SIPp, playing one scenario once.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::process::tail;
use crate::prosody::free_port;
use crate::sip::Transport;

/// Plays `scenario` towards `peer`, with `service` as the user part that it calls, for at most `seconds`. Panics with
/// SIPp's own account when it fails.
pub async fn play(scenario: &Path, peer: SocketAddr, transport: Transport, service: &str, seconds: u64) {
    let place = tempfile::tempdir().unwrap();
    let (errors, messages) = (place.path().join("errors"), place.path().join("messages"));
    let flag = match transport {
        Transport::Udp => "u1",
        Transport::Tcp => "t1",
    };
    let (port, control) = (free_port().to_string(), free_port().to_string());
    let status = Command::new("sipp")
        .args([&peer.to_string(), "-t", flag, "-m", "1", "-s", service, "-nostdin"])
        .args(["-timeout_error", "-timeout", &format!("{seconds}s")])
        .args(["-i", "127.0.0.1", "-p", &port, "-ci", "127.0.0.1", "-cp", &control])
        .args(["-trace_err", "-trace_msg", "-sf"])
        .arg(scenario)
        .arg("-error_file")
        .arg(&errors)
        .arg("-message_file")
        .arg(&messages)
        .current_dir(place.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .expect("the program sipp (apt-get install sip-tester)");
    if !status.success() {
        let (errors, messages) = (tail(&errors, 60), tail(&messages, 200));
        panic!("SIPp ended with {status}\n---- its errors\n{errors}\n---- its messages\n{messages}");
    }
}
