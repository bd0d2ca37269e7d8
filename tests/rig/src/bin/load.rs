//! What SIP users cost beside raw XMPP clients, on real servers: `load target/release/mucfocus [MODE]… [KEY=VALUE]…`.
//!
//! Status 1 when a target was missed. See `mucfocus_rig::load` for the method; without arguments it says what there is.

use std::process::ExitCode;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    mucfocus_rig::load::run(&arguments).await
}
