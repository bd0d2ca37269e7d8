//! `/live`, `/ready`, `/metrics`: what probes ask over HTTP. Reads only; there is no command here and no secret.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics::Metrics;
use crate::sip::port::Readiness;

/// How long a request that is under way may take after shutdown was asked for.
const GRACE: Duration = Duration::from_secs(1);

/// Media type of OpenMetrics text.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The endpoints, bound and not yet answering.
#[derive(Debug)]
pub struct Endpoints {
    listener: TcpListener,
    address: SocketAddr,
}

impl Endpoints {
    /// Binds the address; port 0 asks the system for one.
    ///
    /// # Errors
    ///
    /// The address is taken, or not of this machine.
    pub async fn bind(listen: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// What was bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is ready. `readiness` is asked at each `/ready` and must not wait.
    ///
    /// # Errors
    ///
    /// None in practice: a failing accept is tried again.
    pub async fn serve(
        self,
        metrics: Arc<Metrics>,
        readiness: impl Fn() -> Readiness + Clone + Send + Sync + 'static,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = Router::new()
            .route("/live", get(|| async { "live\n" }))
            .route("/ready", get(move || std::future::ready(ready(readiness()))))
            .route("/metrics", get(move || std::future::ready(exposition(&metrics))));
        let (asked, mut was_asked) = tokio::sync::watch::channel(());
        let server = axum::serve(self.listener, router).with_graceful_shutdown(async move {
            shutdown.await;
            drop(asked);
        });
        tokio::select! {
            result = server => result,
            // A peer that never finishes its request does not keep the process up.
            () = async { let _ = was_asked.changed().await; tokio::time::sleep(GRACE).await } => Ok(()),
        }
    }
}

fn ready(readiness: Readiness) -> (StatusCode, &'static str) {
    match readiness {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        Readiness::Overloaded | Readiness::Busy => (StatusCode::SERVICE_UNAVAILABLE, "overloaded\n"),
    }
}

fn exposition(metrics: &Metrics) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, OPENMETRICS)], metrics.exposition())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;

    /// The whole response to a request of this method and path.
    async fn ask(address: SocketAddr, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    struct Running {
        address: SocketAddr,
        metrics: Arc<Metrics>,
        readiness: Arc<Mutex<Readiness>>,
        stop: oneshot::Sender<()>,
        task: tokio::task::JoinHandle<io::Result<()>>,
    }

    async fn running() -> Running {
        let endpoints = Endpoints::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, metrics) = (endpoints.address(), Arc::new(Metrics::new()));
        let readiness = Arc::new(Mutex::new(Readiness::Ready));
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = Arc::clone(&readiness);
        let task = tokio::spawn(
            endpoints.serve(Arc::clone(&metrics), move || *shared.lock().unwrap(), async move { drop(stopped.await) }),
        );
        Running { address, metrics, readiness, stop, task }
    }

    #[tokio::test]
    async fn ready_follows_the_focus_and_live_does_not() {
        let server = running().await;
        assert!(ask(server.address, "GET", "/ready").await.starts_with("HTTP/1.1 200"));
        for down in [Readiness::Draining, Readiness::Overloaded] {
            *server.readiness.lock().unwrap() = down;
            assert!(ask(server.address, "GET", "/ready").await.starts_with("HTTP/1.1 503"));
            assert!(ask(server.address, "GET", "/live").await.starts_with("HTTP/1.1 200"));
        }
    }

    #[tokio::test]
    async fn metrics_are_openmetrics_text() {
        let server = running().await;
        server.metrics.legs.inc();
        let response = ask(server.address, "GET", "/metrics").await;
        assert!(response.contains("content-type: application/openmetrics-text; version=1.0.0"), "{response}");
        assert!(response.contains("\nmucfocus_legs 1\n") && response.contains("# EOF"), "{response}");
    }

    #[tokio::test]
    async fn anything_but_a_read_is_405_and_anything_else_404() {
        let server = running().await;
        for path in ["/live", "/ready", "/metrics"] {
            for method in ["POST", "PUT", "DELETE", "PATCH"] {
                let response = ask(server.address, method, path).await;
                assert!(response.starts_with("HTTP/1.1 405"), "{method} {path}: {response}");
            }
        }
        assert!(ask(server.address, "GET", "/").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn a_request_that_never_ends_does_not_hold_up_shutdown() {
        // In the midst of a first header, of a body, and of a second header.
        let halves = [
            "GET /live HTTP/1.1\r\nHos",
            "POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
            "GET /live HTTP/1.1\r\nHost: x\r\n\r\nGET /li",
        ];
        for half in halves {
            let server = running().await;
            let mut slow = TcpStream::connect(server.address).await.unwrap();
            slow.write_all(half.as_bytes()).await.unwrap();
            // Once this one is answered, the slow one was accepted.
            assert!(ask(server.address, "GET", "/live").await.starts_with("HTTP/1.1 200"));
            server.stop.send(()).unwrap();
            tokio::time::timeout(Duration::from_secs(10), server.task).await.expect(half).unwrap().unwrap();
        }
    }
}
