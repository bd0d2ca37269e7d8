//! One SASL2 exchange as a state machine: what the server says in, what we say out. Pure; knows mechanisms, and no connection.

use mucfocus_core::xmpp_stream::sasl2::{Reply, Success, response};
use sasl::client::Mechanism;
use sasl::client::mechanisms::{Anonymous, Plain, Scram};
use sasl::common::Credentials;
use sasl::common::scram::{Sha1, Sha256};
use secrecy::SecretString;

use super::token::HashedToken;

/// No mechanism of ours is challenged more often.
const MAX_CHALLENGES: u8 = 4;
/// The most rounds of a hash that a server may ask for: a second's work. Servers ask for some 10,000.
const MAX_ROUNDS: u32 = 1_000_000;

/// One attempt to log in.
pub(in crate::xmpp) struct Exchange {
    mechanism: Box<dyn Mechanism + Send>,
    shows_token: bool,
    challenges: u8,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::xmpp) enum Step {
    /// Say this.
    Say(String),
    /// We are in, and the server has shown that it is the one.
    In(Success),
}

/// Why we are not in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::xmpp) enum Failure {
    /// The token is not taken, for this reason.
    Token(String),
    /// The credentials are not taken, for this reason.
    Credentials(String),
    /// They cannot be looked at now.
    NotNow,
    /// The server does something else than this protocol.
    Trouble(String),
}

impl Exchange {
    /// With a password, or whatever else `credentials` are. `None` if there is no such mechanism.
    pub(in crate::xmpp) fn new(mechanism: &str, credentials: Credentials) -> Option<Self> {
        let mechanism: Box<dyn Mechanism + Send> = match mechanism {
            "SCRAM-SHA-256" => Box::new(Scram::<Sha256>::from_credentials(credentials).ok()?),
            "SCRAM-SHA-1" => Box::new(Scram::<Sha1>::from_credentials(credentials).ok()?),
            "PLAIN" => Box::new(Plain::from_credentials(credentials).ok()?),
            "ANONYMOUS" => Box::new(Anonymous::new()),
            _ => return None,
        };
        Some(Self { mechanism, shows_token: false, challenges: 0 })
    }

    /// With a token.
    pub(in crate::xmpp) fn with_token(user: &str, token: SecretString) -> Self {
        Self { mechanism: Box::new(HashedToken::new(user, token)), shows_token: true, challenges: 0 }
    }

    pub(in crate::xmpp) fn mechanism(&self) -> &str {
        self.mechanism.name()
    }

    pub(in crate::xmpp) const fn shows_token(&self) -> bool {
        self.shows_token
    }

    /// The first message.
    pub(in crate::xmpp) fn initial(&mut self) -> Vec<u8> {
        self.mechanism.initial()
    }

    /// The server has said something.
    pub(in crate::xmpp) fn take(&mut self, reply: Reply) -> Result<Step, Failure> {
        match reply {
            Reply::Challenge(_) if self.challenges >= MAX_CHALLENGES => {
                Err(Failure::Trouble("challenges without end".to_owned()))
            }
            Reply::Challenge(challenge) => {
                self.challenges += 1;
                if rounds(&challenge).is_some_and(|rounds| !(1..=MAX_ROUNDS).contains(&rounds)) {
                    return Err(Failure::Trouble("a challenge that nobody should answer".to_owned()));
                }
                let answer = self.mechanism.response(&challenge);
                answer.map(|answer| Step::Say(response(&answer))).map_err(|e| Failure::Trouble(e.to_string()))
            }
            Reply::Success(success) => {
                let proof = success.data.as_deref().unwrap_or_default();
                self.mechanism.success(proof).map_err(|e| Failure::Trouble(e.to_string()))?;
                Ok(Step::In(success))
            }
            Reply::Failure(condition) => Err(self.refused(condition)),
            Reply::Features { .. } => Err(Failure::Trouble("stream features in place of an answer".to_owned())),
            Reply::Other(name) => Err(Failure::Trouble(format!("<{name}/> in place of an answer"))),
        }
    }

    /// RFC 6120 §6.5: which of them are about the credentials.
    fn refused(&self, condition: String) -> Failure {
        match condition.as_str() {
            _ if self.shows_token => Failure::Token(condition),
            "not-authorized" | "account-disabled" | "credentials-expired" => Failure::Credentials(condition),
            "temporary-auth-failure" => Failure::NotNow,
            _ => Failure::Trouble(condition),
        }
    }
}

/// How often a challenge of SCRAM has us hash (RFC 5802 §7); more than anybody can for what cannot be read.
fn rounds(challenge: &[u8]) -> Option<u32> {
    let rounds = challenge.split(|byte| *byte == b',').find_map(|part| part.strip_prefix(b"i="))?;
    let rounds = std::str::from_utf8(rounds).ok().and_then(|rounds| rounds.parse().ok());
    Some(rounds.unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scram() -> Exchange {
        let credentials = Credentials::default().with_username("romeo").with_password("verona");
        Exchange::new("SCRAM-SHA-256", credentials).expect("a mechanism")
    }

    /// A challenge to what `exchange` has said.
    fn challenge(exchange: &mut Exchange, rounds: &str) -> Reply {
        let initial = String::from_utf8(exchange.initial()).expect("text");
        let (_, nonce) = initial.split_once("r=").expect("a nonce");
        Reply::Challenge(format!("r={nonce}server,s=c2FsdA==,i={rounds}").into_bytes())
    }

    fn troubles(result: &Result<Step, Failure>) -> bool {
        matches!(result, Err(Failure::Trouble(_)))
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_not_believed() {
        let mut exchange = scram();
        let challenge = challenge(&mut exchange, "4096");
        assert!(matches!(exchange.take(challenge), Ok(Step::Say(_))));
        for proof in [None, Some(b"v=d3Jvbmc=".to_vec())] {
            let success = Success { data: proof, ..Success::default() };
            assert!(troubles(&exchange.take(Reply::Success(success))));
        }
    }

    #[test]
    fn a_server_that_lets_one_in_before_it_has_asked_is_not_believed() {
        let mut exchange = scram();
        exchange.initial();
        assert!(troubles(&exchange.take(Reply::Success(Success::default()))));
    }

    #[test]
    fn nobody_hashes_for_ever() {
        for rounds in ["0", "1000001", "4294967295", "99999999999999999999", "-1", "x"] {
            let mut exchange = scram();
            let challenge = challenge(&mut exchange, rounds);
            assert!(troubles(&exchange.take(challenge)), "{rounds}");
        }
    }

    #[test]
    fn nobody_is_challenged_for_ever() {
        let mut exchange = Exchange::new("PLAIN", Credentials::default().with_username("r").with_password("v"));
        let exchange = exchange.as_mut().expect("a mechanism");
        for _ in 0..MAX_CHALLENGES {
            assert!(exchange.take(Reply::Challenge(Vec::new())).is_ok());
        }
        assert!(troubles(&exchange.take(Reply::Challenge(Vec::new()))));
    }

    #[test]
    fn what_a_refusal_is_about_decides_what_comes_of_it() {
        let said = |condition: &str| scram().take(Reply::Failure(condition.to_owned()));
        assert_eq!(said("not-authorized"), Err(Failure::Credentials("not-authorized".into())));
        assert_eq!(said("temporary-auth-failure"), Err(Failure::NotNow));
        for condition in ["", "malformed-request", "invalid-mechanism", "aborted"] {
            assert_eq!(said(condition), Err(Failure::Trouble(condition.into())));
        }
        let mut token = Exchange::with_token("romeo", "t".to_owned().into());
        let condition = "temporary-auth-failure".to_owned();
        assert_eq!(token.take(Reply::Failure(condition.clone())), Err(Failure::Token(condition)));
        assert!(troubles(&token.take(Reply::Other("continue".into()))));
    }
}
