//! Credentials, and logging in the classic way (RFC 6120 §6): what is offered, what we take, what we show, and what it means to be
//! refused. Owns the credentials for as long as that takes; never sees a connection being made.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

use sasl::common::{ChannelBinding, Credentials};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio_xmpp::error::AuthError;
use tokio_xmpp::xmlstream::{InitiatingStream, XmppStream};
use xmpp_parsers::sasl::DefinedCondition;

use super::connect::unreachable;
use super::minted;
use super::settings::{Account, Login};
use crate::hub::mail::StreamEnd;

/// Logs in on a stream whose server offers the mechanisms `offered`.
pub(super) async fn authenticate<Io>(
    stream: XmppStream<Io>,
    offered: BTreeSet<String>,
    account: &Account,
) -> Result<InitiatingStream<Io>, StreamEnd>
where
    Io: AsyncBufRead + AsyncWrite + Unpin,
{
    let ours = mechanisms(&account.login);
    let usable = offered.into_iter().filter(|offer| ours.contains(&offer.as_str())).collect();
    let credentials = credentials(account, SystemTime::now())?;
    tokio_xmpp::client_login(stream, usable, credentials).await.map_err(|error| refused(error, &account.login))
}

/// What we log in with, the best first; the library tries them in this order. Whatever else it knows would log somebody else in. PLAIN is sent in
/// clear text to loopback alone, as everything is.
pub(super) const fn mechanisms(login: &Login) -> &'static [&'static str] {
    match login {
        Login::Password(_) | Login::Hmac(_) => &["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"],
        // Nobody but the signer has a token before it is shown.
        Login::Jwt(_) => &["PLAIN"],
        Login::Anonymous => &["ANONYMOUS"],
    }
}

pub(super) fn credentials(account: &Account, now: SystemTime) -> Result<Credentials, StreamEnd> {
    let Some(password) = password(account, now) else {
        // The library wants a name and a password all the same, and sends neither.
        return Ok(Credentials::default().with_username("anonymous").with_password(""));
    };
    let Some(node) = account.jid.node() else {
        return Err(StreamEnd::LoginRefused("the account has no user part".to_owned()));
    };
    // Claiming a channel binding makes the library insist on -PLUS mechanisms, which servers offer and then fail.
    Ok(Credentials::default()
        .with_username(node.as_str())
        .with_password(password.expose_secret())
        .with_channel_binding(ChannelBinding::None))
}

/// The password of this very login, where it needs one.
fn password(account: &Account, now: SystemTime) -> Option<Cow<'_, SecretString>> {
    match &account.login {
        Login::Password(password) => Some(Cow::Borrowed(password)),
        Login::Hmac(secret) => Some(Cow::Owned(minted::password(secret, &account.jid))),
        Login::Jwt(secret) => {
            let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            Some(Cow::Owned(minted::token(secret, &account.jid, now)))
        }
        Login::Anonymous => None,
    }
}

/// What the server said of our credentials, apart from everything that can go wrong on the way.
fn refused(error: tokio_xmpp::Error, login: &Login) -> StreamEnd {
    match error {
        tokio_xmpp::Error::Auth(AuthError::Fail(DefinedCondition::TemporaryAuthFailure)) => {
            unreachable("login: the server says temporary-auth-failure")
        }
        tokio_xmpp::Error::Auth(AuthError::Fail(condition)) => {
            StreamEnd::LoginRefused(format!("{}{}", sasl_name(&condition), advice(login)))
        }
        tokio_xmpp::Error::Auth(AuthError::NoMechanism) => {
            let ours = mechanisms(login).join(", ");
            StreamEnd::LoginRefused(format!("the server offers none of {ours}{}", advice(login)))
        }
        tokio_xmpp::Error::Auth(error) => StreamEnd::LoginRefused(error.to_string()),
        error => unreachable(format!("login: {error}")),
    }
}

/// The server ended the stream where it should have said how to log in. Prosody does so when it has nothing to offer.
pub(super) fn not_offered(error: impl Display, login: &Login) -> StreamEnd {
    unreachable(format!("no stream features: {error}{}", advice(login)))
}

/// Where to look, for the log. A password can be wrong in one way only.
pub(super) const fn advice(login: &Login) -> &'static str {
    match login {
        Login::Password(_) => "",
        Login::Hmac(_) => {
            "; the virtual host needs authentication = \"mucfocus\" (mod_auth_mucfocus) with the same secret and with our \
             address in mucfocus_addresses, and without TLS allow_unencrypted_plain_auth = true"
        }
        Login::Jwt(_) => {
            "; the domain needs auth_method: jwt, a jwt_key made from the same secret and jwt_jid_field: jid, and both clocks \
             have to agree"
        }
        Login::Anonymous => "; the domain has to let people in without a name (SASL ANONYMOUS)",
    }
}

/// RFC 6120 §6.5.
const fn sasl_name(condition: &DefinedCondition) -> &'static str {
    match condition {
        DefinedCondition::Aborted => "aborted",
        DefinedCondition::AccountDisabled => "account-disabled",
        DefinedCondition::CredentialsExpired => "credentials-expired",
        DefinedCondition::EncryptionRequired => "encryption-required",
        DefinedCondition::IncorrectEncoding => "incorrect-encoding",
        DefinedCondition::InvalidAuthzid => "invalid-authzid",
        DefinedCondition::InvalidMechanism => "invalid-mechanism",
        DefinedCondition::MalformedRequest => "malformed-request",
        DefinedCondition::MechanismTooWeak => "mechanism-too-weak",
        DefinedCondition::NotAuthorized => "not-authorized",
        DefinedCondition::TemporaryAuthFailure => "temporary-auth-failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logins() -> [Login; 4] {
        let secret = || SecretString::from("secret");
        [Login::Password(secret()), Login::Hmac(secret()), Login::Jwt(secret()), Login::Anonymous]
    }

    #[test]
    fn a_server_that_cannot_check_a_password_now_has_not_refused_it() {
        for login in logins() {
            let failed = |condition| refused(tokio_xmpp::Error::Auth(AuthError::Fail(condition)), &login);
            assert!(matches!(failed(DefinedCondition::TemporaryAuthFailure), StreamEnd::Unreachable(_)));
            let StreamEnd::LoginRefused(why) = failed(DefinedCondition::AccountDisabled) else { panic!() };
            assert!(why.starts_with("account-disabled"), "{why}");
            let nothing = refused(tokio_xmpp::Error::Auth(AuthError::NoMechanism), &login);
            assert!(matches!(nothing, StreamEnd::LoginRefused(_)));
            assert!(matches!(refused(tokio_xmpp::Error::Disconnected, &login), StreamEnd::Unreachable(_)));
        }
    }

    #[test]
    fn nobody_is_logged_in_as_somebody_else_than_was_meant() {
        for login in logins() {
            let anonymous = matches!(login, Login::Anonymous);
            assert_eq!(mechanisms(&login).contains(&"ANONYMOUS"), anonymous);
            assert_eq!(mechanisms(&login).contains(&"PLAIN"), !anonymous);
        }
    }
}
