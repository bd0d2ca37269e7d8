//! `mucfocus serve`: puts the parts together, says what it listens on, and takes them apart again.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mucfocus_core::leg::MsrpAddresses;
use mucfocus_core::room::Timeouts;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, timeout_at};

use super::FAILED;
use crate::config::Config;
use crate::hub::directory::{self, Directory};
use crate::msrp_net::connection::Context;
use crate::msrp_net::listener::{self, Door};
use crate::msrp_net::settings::{Kind, Listen};
use crate::observe::http::Endpoints;
use crate::observe::metrics::Metrics;
use crate::sip::port::Focus as _;
use crate::sip::{Driver, GateObserver};
use crate::sockets::literal;
use crate::tls::Tls;
use crate::xmpp::pool::Pool;

/// What a stack frame of a worker may need: XML is nested, and its decoder recurses (the framer allows a depth of 64).
const WORKER_STACK: usize = 4 << 20;
/// What is kept of `timeouts.drain` for streams to say goodbye after the legs have ended.
const STREAMS_CLOSE: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT; a second one ends at once.
#[must_use]
pub fn run(config: Config) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(WORKER_STACK).build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve(config)),
        Err(error) => Err(format!("the runtime does not start: {error}")),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tracing::error!("{why}");
            ExitCode::from(FAILED)
        }
    }
}

async fn serve(config: Config) -> Result<(), String> {
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let mut hang_up = on(SignalKind::hangup())?;
    let running = Running::start(config).await?;
    announce(&running.listening);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // Its default would end the process without a word to anybody.
            _ = hang_up.recv() => tracing::warn!("SIGHUP: this version reads its configuration at the start only"),
        }
    }
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
    drain: Duration,
    listening: Vec<String>,
}

/// Counts what the SIP driver does not let in.
struct CountRefusals(Arc<Metrics>);

impl GateObserver for CountRefusals {
    fn refused(&self, reason: &'static str) {
        self.0.sip_gate_refusal(reason);
    }

    fn received(&self, method: &str) {
        self.0.sip_request(method);
    }
}

impl Running {
    async fn start(config: Config) -> Result<Self, String> {
        let metrics = Arc::new(Metrics::new().with_legs_limit(config.limits.legs));
        let pool = Pool::observed(config.xmpp.clone(), Arc::clone(&metrics));
        let tls = config.tls.clone().map(Tls::new).transpose().map_err(|error| error.to_string())?;
        let context = Context {
            sessions: Arc::default(),
            limits: Arc::new(config.msrp.limits),
            metrics: Arc::clone(&metrics),
            tls: tls.clone(),
        };
        let (msrp, bound) = bind_msrp(&config.msrp.listen).await?;
        let origins = config.msrp.allowed_origins.clone();
        let drain = config.timeouts.drain;
        let (mut sip_settings, http) = (config.sip.clone(), config.http);
        sip_settings.tls.clone_from(&tls);
        let focus = Directory::new(
            focus_settings(config, &bound, tls.clone()),
            Arc::clone(&pool),
            context.clone(),
            Arc::clone(&metrics),
        );
        tokio::spawn(focus.load().watch());
        let observer = Arc::new(CountRefusals(Arc::clone(&metrics)));
        let sip = Driver::start(sip_settings.clone(), Arc::clone(&focus) as _, observer).await;
        let sip = sip.map_err(|error| error.to_string())?;
        let mut listening: Vec<String> =
            sip.addresses().iter().map(|listen| format!("{}:{}", listen.transport, listen.address)).collect();
        let trusted = sip_settings.trusted_peers;
        let is_trusted = move |ip| trusted.iter().any(|peer| peer.network.contains(&ip));
        let door = Door::new(context, origins, sip_settings.sources.connections, is_trusted);
        for (listener, listen) in msrp.into_iter().zip(&bound) {
            listening.push(format!("msrp:{listen}"));
            tokio::spawn(listener::accept(listener, listen.kind, Arc::clone(&door)));
        }
        if let Some(tls) = tls {
            tokio::spawn(tls.follow_files());
        }
        if let Some(address) = http {
            listening.push(format!("http:{}", serve_http(address, metrics, &focus).await?));
        }
        Ok(Self { sip, focus, pool, drain, listening })
    }

    /// Every leg gets a BYE, every occupant leaves, then sockets close. Takes `timeouts.drain` at most: callers who do not
    /// answer their BYE are not waited for any longer.
    async fn stop(self) {
        let deadline = Instant::now() + self.drain;
        let for_streams = STREAMS_CLOSE.min(self.drain / 3);
        if timeout_at(deadline - for_streams, self.focus.drain()).await.is_err() {
            tracing::warn!("some callers did not answer their BYE in time");
        }
        self.pool.shutdown(for_streams).await;
        let _ = timeout_at(deadline, self.sip.shutdown()).await;
    }
}

fn focus_settings(config: Config, msrp: &[Listen], tls: Option<Arc<Tls>>) -> directory::Settings {
    let rooms = Arc::new(config.rooms_of_calls());
    let advertised = config.msrp.advertise.clone();
    let concrete = msrp.iter().map(|listen| listen.address.ip()).find(|ip| !ip.is_unspecified());
    // All listeners are of one kind where a port is advertised.
    let advertised_port = advertised.as_ref().and_then(|(_, port)| *port);
    let port = |kind: Kind| {
        let listen = msrp.iter().find(|listen| listen.kind == kind)?;
        Some(advertised_port.unwrap_or(listen.address.port()))
    };
    directory::Settings {
        rooms,
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
        msrp: MsrpAddresses {
            host: advertised.map(|(host, _)| host).or_else(|| concrete.map(literal)).unwrap_or_default(),
            tcp: port(Kind::Tcp),
            tls: port(Kind::Tls),
            ws: port(Kind::Ws),
            wss: port(Kind::Wss),
            certificate: None,
        },
        tls,
        msrp_limits: config.msrp.limits,
        policy: config.msrp.policy,
        account_for: Box::new(move |user| config.account_for(user)),
    }
}

async fn bind_msrp(listen: &[Listen]) -> Result<(Vec<TcpListener>, Vec<Listen>), String> {
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    for wanted in listen {
        let (listener, address) = listener::bind(wanted.address)
            .await
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
