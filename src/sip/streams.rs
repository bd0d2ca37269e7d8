//! What leads from stream connections to the stack and back: one way in and one way out for all of them. The stack would have a
//! channel of each in both directions, at 12 KiB each, and there are as many connections as users.

use std::net::SocketAddr;
use std::sync::Arc;

use rsipstack::sip::{Header, SipMessage};
use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent, TransportLayer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::dispatch::far_end;
use super::flow::flow_key;
use super::outgoing::for_the_wire;
use super::shared::Shared;

/// Messages of the stack that are on their way to the queues of their connections, which is never long.
const OUTGOING: usize = 256;

/// Both ways, as the connections see them.
pub(super) struct Streams {
    /// Bounded by [`Shared::enqueue`].
    to_stack: mpsc::UnboundedSender<TransportEvent>,
    from_stack: mpsc::Sender<TransportEvent>,
}

impl Streams {
    /// Opens the ways, and returns where what the stack says comes out: for [`deliver_all`].
    pub(super) async fn open(layer: &TransportLayer) -> rsipstack::Result<(Self, mpsc::Receiver<TransportEvent>)> {
        let (to_stack, incoming) = mpsc::unbounded_channel();
        let (from_stack, outgoing) = mpsc::channel(OUTGOING);
        // A connection to nobody: each message brings the one with it that it came over.
        let nobody = SipAddr { r#type: None, addr: SocketAddr::from(([0; 4], 0)).into() };
        let all = ChannelConnection::create_connection_bounded(incoming, from_stack.clone(), nobody, None).await?;
        layer.add_connection(SipConnection::Channel(all));
        Ok((Self { to_stack, from_stack }, outgoing))
    }

    /// What the stack takes for the connection to `address`, until `ended`.
    pub(super) async fn connection(
        &self,
        address: SipAddr,
        ended: CancellationToken,
    ) -> rsipstack::Result<SipConnection> {
        let (_, nothing) = mpsc::unbounded_channel();
        let out = self.from_stack.clone();
        let connection = ChannelConnection::create_connection_bounded(nothing, out, address, Some(ended)).await?;
        connection.serve_loop(self.to_stack.clone()).await?; // ends at once, and takes the channel with it
        Ok(SipConnection::Channel(connection))
    }

    /// Hands the stack what came; false when there is no stack any more.
    pub(super) fn heard(&self, message: SipMessage, connection: SipConnection, from: SipAddr) -> bool {
        self.to_stack.send(TransportEvent::Incoming(message, connection, from)).is_ok()
    }
}

/// Brings what the stack says to the connections, as long as we run. What is for one that has ended is for nobody.
pub(super) async fn deliver_all(shared: Arc<Shared>, mut outgoing: mpsc::Receiver<TransportEvent>) {
    while let Some(Some(event)) = shared.shutdown.run_until_cancelled(outgoing.recv()).await {
        let TransportEvent::Incoming(message, _, to) = event else { continue };
        let Some(flow) = far_end(&to).and_then(|end| shared.flows.get(&end).map(|flow| Arc::clone(&flow))) else {
            continue;
        };
        let answered = answered(&message);
        flow.say(for_the_wire(&message.to_bytes()).into_owned());
        if let Some(request) = answered {
            flow.end(&request);
        }
    }
}

/// The request that a message is the last answer to.
fn answered(message: &SipMessage) -> Option<String> {
    let SipMessage::Response(response) = message else { return None };
    if response.status_code.code() < 200 {
        return None;
    }
    let value = |name: &str| response.headers.iter().find(|h| h.name() == name).map(Header::value);
    Some(flow_key(value("Via"), value("CSeq")))
}
