//! `dissect DIRECTORY`: what Wireshark makes of all that our program said in the captures there. Status 1 where it complains.
//!
//! The captures come from running tests with `MUCFOCUS_CAPTURE=DIRECTORY`. What the tests' clients say is left out: much of it is
//! wrong on purpose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a program for tests")]

use std::process::ExitCode;

use mucfocus_rig::dissector::read_ours;

fn main() -> ExitCode {
    let directory = std::env::args_os().nth(1).expect("usage: dissect DIRECTORY");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (mut seen, mut wrong) = (0, 0);
    for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "pcap")) {
        for packet in read_ours(&file) {
            seen += 1;
            for complaint in packet.complaints() {
                wrong += 1;
                println!(
                    "{}, packet {}: {complaint}",
                    file.display(),
                    packet.value("frame.number").unwrap_or_default()
                );
            }
        }
    }
    println!("{seen} packets of ours, {wrong} complaints");
    if wrong == 0 && seen > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
