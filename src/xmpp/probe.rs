//! One login and a few questions, for whoever wants to know what a server is like (`mucfocus check --online`). Sends no
//! presence, enters no room and leaves nothing behind.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt as _};
use jid::{FullJid, Jid};
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;
use tokio_xmpp::Stanza;
use tokio_xmpp::xmlstream::{ReadError, XmppStream, XmppStreamElement};
use xmpp_parsers::bind::{BindQuery, BindResponse};
use xmpp_parsers::disco::{DiscoInfoQuery, DiscoInfoResult, DiscoItemsQuery, DiscoItemsResult};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::StanzaError;

use super::connect::{Buffered, Connector};
use super::settings::{Account, Tls};
use crate::hub::mail::StreamEnd;

/// How long one answer may take: it may come from another server.
const ANSWER: Duration = Duration::from_secs(10);
/// How long goodbye may take.
const CLOSE: Duration = Duration::from_secs(2);

/// Logs in, again and again if asked.
pub struct Prober {
    connector: Connector,
}

/// A login.
pub struct Probe {
    stream: XmppStream<Buffered>,
    jid: FullJid,
    offers: Offers,
    asked: u32,
}

/// What a server offers after login.
#[derive(Debug, Clone, Default)]
pub struct Offers {
    /// Streams that can be resumed (XEP-0198).
    pub resumption: bool,
    /// Client state indication (XEP-0352).
    pub client_state: bool,
    /// Octets of the largest stanza (XEP-0478), where the server says so.
    pub max_stanza: Option<usize>,
}

/// What somebody says of himself (XEP-0030).
#[derive(Debug, Clone, Default)]
pub struct Info {
    /// `category/type` of each identity.
    pub identities: Vec<String>,
    /// Names of features.
    pub features: BTreeSet<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// He says no, with this condition (RFC 6120 §8.3.3).
    #[error("{0}")]
    Refused(String),
    /// It cannot be understood.
    #[error("an answer that is none: {0}")]
    Malformed(String),
    /// The stream is gone.
    #[error("the stream ended: {0}")]
    Gone(String),
    /// He says nothing.
    #[error("no answer within 10 s")]
    Silent,
}

impl Default for Prober {
    fn default() -> Self {
        Self { connector: Connector::new("check") }
    }
}

impl Prober {
    /// Where the server of this domain is, by DNS, else the domain itself: hosts and ports in the order in which they are tried.
    /// None where DNS says that there is no such service.
    pub async fn locate(&self, domain: &str, tls: Tls) -> Vec<(String, u16)> {
        self.connector.locate(domain, tls).await
    }

    /// The certificate that the server of an account shows; `None` where nothing is encrypted.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or shows one that is not taken.
    pub async fn certificate(&self, account: &Account) -> Result<Option<CertificateDer<'static>>, StreamEnd> {
        self.connector.certificate(account).await
    }

    /// Logs in and binds a resource of the server's choice.
    ///
    /// # Errors
    ///
    /// As for every stream.
    pub async fn log_in(&self, account: &Account) -> Result<Probe, StreamEnd> {
        let (features, stream) = self.connector.log_in_classically(account).await?;
        let named = |ns: &str| features.others.iter().any(|element| element.ns() == ns);
        let max_stanza = features.limits.as_ref().and_then(|limits| limits.max_bytes);
        let offers = Offers {
            resumption: features.stream_management.is_some(),
            client_state: named("urn:xmpp:csi:0"),
            max_stanza: max_stanza.and_then(|octets| usize::try_from(octets.get()).ok()),
        };
        // Stands in for its own until the server has given one.
        let jid = account.jid.with_resource_str("check").map_err(|e| StreamEnd::Lost(e.to_string()))?;
        let mut probe = Probe { stream, jid, offers, asked: 0 };
        let bound = probe.ask(|id| Iq::from_set(id, BindQuery::new(None))).await;
        let bound = bound.map_err(|why| StreamEnd::Lost(format!("the server binds no resource: {why}")))?;
        probe.jid = BindResponse::try_from(bound).map_err(|e| StreamEnd::Lost(e.to_string()))?.jid;
        Ok(probe)
    }
}

impl Probe {
    /// Who we are.
    #[must_use]
    pub const fn jid(&self) -> &FullJid {
        &self.jid
    }

    /// What the server offers.
    #[must_use]
    pub const fn offers(&self) -> &Offers {
        &self.offers
    }

    /// What `jid` says of himself.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub async fn info(&mut self, jid: &Jid) -> Result<Info, NoAnswer> {
        let answer = self.ask(|id| Iq::from_get(id, DiscoInfoQuery { node: None }).with_to(jid.clone())).await?;
        let answer = DiscoInfoResult::try_from(answer).map_err(|e| NoAnswer::Malformed(e.to_string()))?;
        let identities = answer.identities.iter().map(|i| format!("{}/{}", i.category, i.type_)).collect();
        Ok(Info { identities, features: answer.features })
    }

    /// Who `jid` says belongs to him: of a MUC service, its public rooms.
    ///
    /// # Errors
    ///
    /// [`NoAnswer`].
    pub async fn items(&mut self, jid: &Jid) -> Result<Vec<Jid>, NoAnswer> {
        let query = DiscoItemsQuery { node: None, rsm: None };
        let answer = self.ask(|id| Iq::from_get(id, query).with_to(jid.clone())).await?;
        let answer = DiscoItemsResult::try_from(answer).map_err(|e| NoAnswer::Malformed(e.to_string()))?;
        Ok(answer.items.into_iter().map(|item| item.jid).collect())
    }

    /// Says goodbye.
    pub async fn close(mut self) {
        let _ = timeout(CLOSE, SinkExt::<&XmppStreamElement>::close(&mut self.stream)).await;
    }

    async fn ask(&mut self, request: impl FnOnce(String) -> Iq) -> Result<xmpp_parsers::minidom::Element, NoAnswer> {
        self.asked += 1;
        let id = format!("check-{}", self.asked);
        let request = XmppStreamElement::Stanza(Stanza::Iq(request(id.clone())));
        self.stream.send(&request).await.map_err(|e| NoAnswer::Gone(e.to_string()))?;
        timeout(ANSWER, self.answer(&id)).await.unwrap_or(Err(NoAnswer::Silent))
    }

    async fn answer(&mut self, ours: &str) -> Result<xmpp_parsers::minidom::Element, NoAnswer> {
        loop {
            match self.stream.next().await.map(|read| read.and_then(|element| element.into_read_error())) {
                Some(Ok(XmppStreamElement::Stanza(Stanza::Iq(Iq::Result { id, payload, .. })))) if id == ours => {
                    return payload.ok_or_else(|| NoAnswer::Malformed("it is empty".to_owned()));
                }
                Some(Ok(XmppStreamElement::Stanza(Stanza::Iq(Iq::Error { id, error, .. })))) if id == ours => {
                    return Err(NoAnswer::Refused(condition(&error)));
                }
                // What others say is nothing to us, whether we understand it or not.
                Some(Ok(_) | Err(ReadError::SoftTimeout | ReadError::ParseError(_))) => {}
                Some(Err(error)) => return Err(NoAnswer::Gone(error.to_string())),
                None => return Err(NoAnswer::Gone("closed by the server".to_owned())),
            }
        }
    }
}

/// The defined condition by its name in the RFC.
fn condition(error: &StanzaError) -> String {
    let name = format!("{:?}", error.defined_condition);
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
