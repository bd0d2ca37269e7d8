//! `mucfocus serve`: puts the parts together, says what it listens on, and takes them apart again.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::address::sip_uri::SipUri;
use mucfocus_core::leg::Policy;
use mucfocus_core::msrp::limits::Limits;
use mucfocus_core::room::Timeouts;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::{FAILED, state, threads};
use crate::config::change::{self, Changes};
use crate::config::live::Live;
use crate::config::{Config, ConfigErrors, Level};
use crate::control::desk::{Desk, Order};
use crate::control::protocol::Reloaded;
use crate::control::server::Control;
use crate::hub::directory::{self, Directory, Outbound};
use crate::msrp_net::addresses::Addresses;
use crate::msrp_net::connection::Context;
use crate::msrp_net::listener::{self, Door};
use crate::msrp_net::settings::Listen;
use crate::observe::http::Endpoints;
use crate::observe::ladder::Ladder;
use crate::observe::metrics::Metrics;
use crate::sip::port::{Focus as _, PLACED, Placed};
use crate::sip::settings::TrustedPeer;
use crate::sip::{Driver, GateObserver};
use crate::tls::Tls;
use crate::xmpp::journal::Journal;
use crate::xmpp::pool::Pool;

/// What a stack frame of a worker may need: XML is nested, and its decoder recurses (the framer allows a depth of 64).
const WORKER_STACK: usize = 4 << 20;
/// What is kept of `timeouts.drain` for streams to say goodbye after the legs have ended.
const STREAMS_CLOSE: Duration = Duration::from_secs(1);
/// Orders of operators that wait for their turn.
const ORDERS: usize = 8;

/// Runs until SIGTERM or SIGINT; a second one ends at once. `file` is where `config` was read, and is read again on SIGHUP.
#[must_use]
pub fn run(config: Config, file: PathBuf) -> ExitCode {
    match start().and_then(|runtime| runtime.block_on(serve(config, file))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!("{why}");
            ExitCode::from(FAILED)
        }
    }
}

fn start() -> Result<Runtime, String> {
    let workers = threads::workers().map_err(|wrong| wrong.to_string())?;
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(workers).enable_all().thread_stack_size(WORKER_STACK).build();
    runtime.map_err(|error| format!("the runtime does not start: {error}"))
}

async fn serve(config: Config, file: PathBuf) -> Result<(), String> {
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let mut hang_up = on(SignalKind::hangup())?;
    let (sender, mut orders) = mpsc::channel(ORDERS);
    let mut running = Running::start(config, file, sender).await?;
    announce(&running.listening);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // The log has what came of it.
            _ = hang_up.recv() => drop(running.reload().await),
            Some(order) = orders.recv() => match order {
                Order::Reload(answer) => drop(answer.send(running.reload().await)),
                Order::Drain => {
                    tracing::info!("draining: every leg is ended, no new ones begin");
                    running.focus.start_drain();
                }
            },
        }
    }
    drop(orders);
    tracing::info!("going down: every leg is ended");
    tokio::select! {
        () = running.stop() => {}
        _ = terminate.recv() => tracing::warn!("stopped at once"),
        _ = interrupt.recv() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

fn on(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("cannot listen to signals: {error}"))
}

/// `ready udp:127.0.0.1:5060 …`: the one line on standard output, once everything is bound.
fn announce(listening: &[String]) {
    let mut out = std::io::stdout().lock();
    // Nobody may be reading.
    let _ = writeln!(out, "ready {}", listening.join(" "));
    let _ = out.flush();
    tracing::info!(listening = listening.join(" "), "ready");
}

/// Everything that runs.
struct Running {
    sip: Driver,
    focus: Arc<Directory>,
    pool: Arc<Pool>,
    /// Who is believed, for the MSRP listeners.
    trusted: Arc<Live<Vec<TrustedPeer>>>,
    /// What of the settings of the focus stays when the configuration is read again.
    stays: Stays,
    file: PathBuf,
    config: Arc<Config>,
    listening: Vec<String>,
    control: Option<JoinHandle<()>>,
}

/// What calls are told of this node's MSRP side, and where what they say is noted.
#[derive(Clone)]
struct Stays {
    msrp: Addresses,
    msrp_limits: Limits,
    policy: Policy,
    tls: Option<Arc<Tls>>,
    ladder: Ladder,
    /// Who makes the calls of rooms.
    calls: mpsc::Sender<Placed>,
}

/// Counts what the SIP driver does not let in.
struct CountRefusals(Arc<Metrics>, Ladder);

impl GateObserver for CountRefusals {
    fn refused(&self, reason: &'static str) {
        self.0.sip_gate_refusal(reason);
    }

    fn received(&self, method: &str) {
        self.0.sip_request(method);
    }

    fn ladder(&self) -> &Ladder {
        &self.1
    }
}

impl Running {
    async fn start(config: Config, file: PathBuf, orders: mpsc::Sender<Order>) -> Result<Self, String> {
        let config = Arc::new(config);
        let metrics = Arc::new(Metrics::new().with_legs_limit(config.limits.legs));
        let pool = Pool::observed(config.xmpp.clone(), Arc::clone(&metrics));
        let tls = config.tls.clone().map(Tls::new).transpose().map_err(|error| error.to_string())?;
        let context = Context {
            sessions: Arc::default(),
            limits: Arc::new(config.msrp.limits),
            metrics: Arc::clone(&metrics),
            tls: tls.clone(),
        };
        // Before all that takes calls: it says whether another process runs by this configuration.
        let control = match &config.control {
            Some(path) => Some(Control::bind(path).await.map_err(|error| error.to_string())?),
            None => None,
        };
        let ladder = if control.is_some() { Ladder::on() } else { Ladder::off() };
        let (msrp, bound) = bind_msrp(&config.msrp.listen)?;
        resume_streams(&pool, &config);
        let (calls, placed) = mpsc::channel(PLACED);
        let stays = Stays {
            calls,
            msrp: Addresses { listen: bound.clone(), advertise: config.msrp.advertise.clone() },
            msrp_limits: config.msrp.limits,
            policy: config.msrp.policy,
            tls: tls.clone(),
            ladder: ladder.clone(),
        };
        let settings = focus_settings(&config, stays.clone());
        let focus = Directory::new(settings, Arc::clone(&pool), context.clone(), Arc::clone(&metrics));
        tokio::spawn(focus.load().watch());
        let observer = Arc::new(CountRefusals(Arc::clone(&metrics), ladder.clone()));
        let sip_settings = crate::sip::settings::Settings { tls: tls.clone(), ..config.sip.clone() };
        let sip = Driver::start(sip_settings, Arc::clone(&focus) as _, observer).await;
        let mut sip = sip.map_err(|error| error.to_string())?;
        if let Some(outbound) = &config.outbound {
            sip.place_calls(outbound.route.clone(), placed);
        }
        let mut listening: Vec<String> =
            sip.addresses().iter().map(|listen| format!("{}:{}", listen.transport, listen.address)).collect();
        let trusted = Arc::new(Live::new(config.sip.trusted_peers.clone()));
        let believed = Arc::clone(&trusted);
        let is_trusted = move |ip| believed.now().iter().any(|peer| peer.network.contains(&ip));
        let origins = config.msrp.allowed_origins.clone();
        let door = Door::new(context, origins, config.sip.sources.connections, is_trusted);
        for (listener, listen) in msrp.into_iter().zip(&bound) {
            listening.push(format!("msrp:{listen}"));
            tokio::spawn(listener::accept(listener, listen.kind, Arc::clone(&door)));
        }
        if let Some(tls) = tls {
            tokio::spawn(tls.follow_files());
        }
        if let Some(address) = config.http {
            listening.push(format!("http:{}", serve_http(address, metrics, &focus).await?));
        }
        let desk = Desk {
            node: config.node.clone(),
            listening: listening.clone(),
            focus: Arc::clone(&focus),
            pool: Arc::clone(&pool),
            ladder,
            since: std::time::Instant::now(),
            orders,
        };
        let control = control.map(|control| tokio::spawn(control.serve(Arc::new(desk))));
        Ok(Self { sip, focus, pool, trusted, stays, file, config, listening, control })
    }

    /// Reads the configuration again. All that can be followed is, at once; or nothing is, when something is wrong.
    async fn reload(&mut self) -> Result<Reloaded, String> {
        let file = self.file.clone();
        // Files are read, and a hundred thousand accounts take a moment.
        let loaded = tokio::task::spawn_blocking(move || Config::load(&file)).await;
        let (mut config, warnings) = match loaded {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(errors)) => {
                let why = format!("nothing is changed: {}", described(&errors));
                tracing::error!("{why}");
                return Err(why);
            }
            Err(error) => return Err(format!("nothing is changed: {error}")),
        };
        let Changes { live: changed, mut new_calls, restart: needs_restart } = change::compare(&self.config, &config);
        change::follow(&self.config, &mut config);
        // From here on nothing fails.
        let config = Arc::new(config);
        self.focus.reconfigure(focus_settings(&config, self.stays.clone()));
        self.sip.reconfigure(config.sip.clone());
        self.trusted.replace(config.sip.trusted_peers.clone());
        crate::observe::log::set_level(config.log.level);
        self.config = config;
        let warnings = warnings.iter().map(|warning| warnings.line(warning)).collect::<Vec<_>>();
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        if self.focus.legs() == 0 {
            new_calls.clear(); // there are no others
        }
        tracing::info!(
            changed = changed.join(" "),
            new_calls_only = new_calls.join(" "),
            needs_restart = needs_restart.join(" "),
            "the configuration was read again"
        );
        Ok(Reloaded { changed, new_calls_only: new_calls, needs_restart, warnings })
    }

    /// Every leg gets a BYE, every occupant leaves, then sockets close. Takes `timeouts.drain` at most: callers who do not
    /// answer their BYE are not waited for any longer.
    async fn stop(self) {
        let drain = self.config.timeouts.drain;
        let deadline = Instant::now() + drain;
        let for_streams = STREAMS_CLOSE.min(drain / 3);
        if timeout_at(deadline - for_streams, self.focus.drain()).await.is_err() {
            tracing::warn!("some callers did not answer their BYE in time");
        }
        self.pool.shutdown(for_streams).await;
        let _ = timeout_at(deadline, self.sip.shutdown()).await;
        if let Some(control) = self.control {
            // With it goes the socket's file.
            control.abort();
            let _ = control.await;
        }
    }
}

/// What is wrong with a configuration, on one line.
fn described(errors: &ConfigErrors) -> String {
    match errors {
        ConfigErrors::Wrong(findings) => {
            let wrong = findings.iter().filter(|finding| finding.level == Level::Error);
            wrong.map(|finding| findings.line(finding)).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// Streams are resumed where somebody will know of those that a killed process leaves behind.
fn resume_streams(pool: &Arc<Pool>, config: &Config) {
    let Some(folder) = state::folder() else {
        return tracing::warn!(
            "XMPP streams are not resumed: set STATE_DIRECTORY to a folder that survives this process"
        );
    };
    match Journal::open(&folder, &config.node) {
        Ok((journal, left)) => {
            pool.resume_streams(journal, left, |user| config.account_for(&SipUri::parse(user).ok()?).ok())
        }
        Err(error) => {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "XMPP streams are not resumed: set STATE_DIRECTORY to a folder of our own");
        }
    }
}

fn focus_settings(config: &Arc<Config>, stays: Stays) -> directory::Settings {
    let Stays { msrp, msrp_limits, policy, tls, ladder, calls } = stays;
    let accounts = Arc::clone(config);
    directory::Settings {
        rooms: Arc::new(config.rooms_of_calls()),
        timeouts: Timeouts {
            join: config.timeouts.join,
            reflection: config.timeouts.reflection,
            lost_leg: config.timeouts.lost_leg,
            muc_outage: config.timeouts.muc_outage,
            self_ping: config.timeouts.self_ping,
        },
        max_legs: config.limits.legs,
        legs_per_user: config.limits.legs_per_user,
        joins_per_user: config.limits.joins_per_user,
        messages_per_user: config.limits.messages_per_user,
        subscriptions_per_user: config.limits.subscriptions_per_user,
        invitations_per_user: config.limits.invitations_per_user,
        presences: config.limits.xmpp_presences,
        msrp,
        tls,
        outbound: config.outbound.as_ref().map(|outbound| Outbound {
            allow: outbound.allow.clone(),
            domains: config.sip.domains.clone(),
            proxy: outbound.route.address(),
            calls,
        }),
        msrp_limits,
        policy,
        account_for: Box::new(move |user| accounts.account_for(user)),
        ladder,
    }
}

fn bind_msrp(listen: &[Listen]) -> Result<(Vec<TcpListener>, Vec<Listen>), String> {
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    for wanted in listen {
        let (listener, address) = listener::bind(wanted.address, wanted.is_for_both(listen))
            .map_err(|error| format!("cannot listen for MSRP on {wanted}: {error}"))?;
        listeners.push(listener);
        bound.push(Listen { address, ..*wanted });
    }
    Ok((listeners, bound))
}

async fn serve_http(address: SocketAddr, metrics: Arc<Metrics>, focus: &Arc<Directory>) -> Result<SocketAddr, String> {
    let endpoints = Endpoints::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let bound = endpoints.address();
    let focus = Arc::clone(focus);
    // They go with the process: who probes wants to see that it drains.
    tokio::spawn(endpoints.serve(metrics, move || focus.readiness(), std::future::pending()));
    Ok(bound)
}
