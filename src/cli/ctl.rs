//! `mucfocus ctl`: asks a running mucfocus over its control socket, and shows what it answers.

mod show;
mod table;

use std::io::{BufRead as _, BufReader, Error, ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use super::args::{CtlArgs, CtlCommand};
use super::{FAILED, tell};
use crate::config::CONTROL_SOCKET;
use crate::control::protocol::{Reply, Request, Room};

/// How long it may take to be let in, and each line of the answer to come, but for the rungs of a call that goes on. No room is
/// waited for as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where configuration and secrets are read again.
const RELOAD_PATIENCE: Duration = Duration::from_secs(60);
/// What a message that crosses just now is given until the two sides of a room have to agree.
const CROSSING: Duration = Duration::from_millis(200);
/// How often a room is looked at until its two sides agree.
const LOOKS: usize = 10;

pub(super) fn run(args: &CtlArgs) -> ExitCode {
    let socket = args.socket.clone().unwrap_or_else(|| socket_of(&args.config));
    let asked = match &args.command {
        CtlCommand::Room { name } => room(&socket, name, args.json),
        command => ask(&socket, &request(command), |reply| out(&show::reply(reply), reply, args.json)),
    };
    match asked {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            if !why.is_empty() {
                tell(&format!("mucfocus: {why}"));
            }
            ExitCode::from(FAILED)
        }
    }
}

fn request(command: &CtlCommand) -> Request {
    match command.clone() {
        CtlCommand::Status => Request::Status,
        CtlCommand::Rooms => Request::Rooms,
        CtlCommand::Room { name } => Request::Room { name },
        CtlCommand::Leg { id } => Request::Leg { id },
        CtlCommand::Ladder { call_id, follow } => Request::Ladder { call_id, follow },
        CtlCommand::Kick { id } => Request::Kick { id },
        CtlCommand::Bans => Request::Bans,
        CtlCommand::Unban { room, user } => Request::Unban { room, user },
        CtlCommand::Reload => Request::Reload,
        CtlCommand::Drain => Request::Drain,
    }
}

/// Shows a room, once its two sides agree; or as it is when they still do not, which is a failure.
fn room(socket: &Path, name: &str, json: bool) -> Result<(), String> {
    let mut looks = 1;
    loop {
        let mut found: Option<Reply> = None;
        ask(socket, &Request::Room { name: name.to_owned() }, |reply| {
            found = Some(reply.clone());
            Ok(())
        })?;
        let differs = |room: &Room| room.at_rest && !room.differences.is_empty();
        let reply = found.ok_or("the process closed the control socket without an answer")?;
        let has_failed = matches!(&reply, Reply::Room(room) if differs(room));
        if !has_failed || looks == LOOKS {
            out(&show::reply(&reply), &reply, json)?;
            return if has_failed { Err("the two sides of the room differ".into()) } else { Ok(()) };
        }
        looks += 1;
        std::thread::sleep(CROSSING);
    }
}

/// Asks once, and hands over each line of the answer.
fn ask(socket: &Path, request: &Request, mut take: impl FnMut(&Reply) -> Result<(), String>) -> Result<(), String> {
    let unreachable = |error: Error| {
        let shown = socket.display();
        format!(
            "cannot reach the control socket {shown}: {error}; is mucfocus running, with [control] in its configuration, and may you write there?"
        )
    };
    let patience = if *request == Request::Reload { RELOAD_PATIENCE } else { PATIENCE };
    let silent = || {
        format!(
            "mucfocus does not answer on the control socket {} within {} s: it may be stopped or stuck, and may still do what was asked; the \
             log says what it does",
            socket.display(),
            patience.as_secs()
        )
    };
    let lost = |error: Error| if is_timeout(&error) { silent() } else { unreachable(error) };
    let mut stream = connect(socket, patience).map_err(lost)?;
    let mut line = serde_json::to_vec(request).map_err(|error| error.to_string())?;
    line.push(b'\n');
    stream.write_all(&line).map_err(lost)?;
    let follows = matches!(request, Request::Ladder { follow: true, .. });
    let mut answered = false;
    for line in BufReader::new(&stream).lines() {
        let ended =
            |error: Error| if is_timeout(&error) { silent() } else { format!("the answer ended early: {error}") };
        let line = line.map_err(ended)?;
        if follows && !answered {
            stream.set_read_timeout(None).map_err(unreachable)?;
        }
        let reply: Reply = serde_json::from_str(&line)
            .map_err(|error| format!("the process is of another version and its answer is not understood: {error}"))?;
        if let Reply::Failed { why } = reply {
            return Err(why);
        }
        answered = true;
        take(&reply)?;
    }
    if answered { Ok(()) } else { Err("the process closed the control socket without an answer".into()) }
}

/// A connection on which nothing blocks for longer than `patience`: neither being let in, nor a write, nor a read.
fn connect(socket: &Path, patience: Duration) -> std::io::Result<UnixStream> {
    let stream = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Of a Unix socket this also bounds `connect`, which waits where nobody accepts.
    stream.set_write_timeout(Some(patience))?;
    stream.set_read_timeout(Some(patience))?;
    stream.connect(&SockAddr::unix(socket)?)?;
    Ok(OwnedFd::from(stream).into())
}

fn is_timeout(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// For people, or as it came. A closed standard output ends it without a word.
fn out(text: &str, reply: &Reply, json: bool) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    let written = match json {
        true => writeln!(out, "{}", show::json(reply)),
        false => write!(out, "{text}"),
    };
    written.and_then(|()| out.flush()).map_err(|_| String::new())
}

/// The socket that a configuration names. It need not be readable, since it may hold secrets, nor right: then it is the default.
fn socket_of(config: &Path) -> PathBuf {
    let text = std::fs::read_to_string(config).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let socket = table.get("control").and_then(|control| control.get("socket")).and_then(toml::Value::as_str);
    let folder = config.parent().unwrap_or(Path::new(""));
    socket.map_or_else(|| PathBuf::from(CONTROL_SOCKET), |socket| folder.join(socket))
}
