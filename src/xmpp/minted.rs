//! Passwords that are made when they are needed: for servers that take a secret shared with us in place of a password for each
//! account. Pure; what time it is, the caller says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jid::BareJid;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

/// How long a token is good for, in seconds. A login takes no longer, and clocks agree to that much.
pub const TOKEN_LIFE: u64 = 60;
/// What a password is about, so that the same secret used elsewhere gives nothing that is good here.
const PURPOSE: &str = "mucfocus-1";

/// The password of an account whose server checks it with `mod_auth_mucfocus`: HMAC-SHA-256 under the octets of `secret` over
/// `mucfocus-1`, NUL and the bare JID, as 64 lower-case hexadecimal digits. It is the same until the secret changes.
#[must_use]
pub fn password(secret: &SecretString, jid: &BareJid) -> SecretString {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(64);
    for octet in mac(secret, &format!("{PURPOSE}\0{jid}")).as_ref() {
        let _ = write!(hex, "{octet:02x}"); // a String takes everything
    }
    hex.into()
}

/// The password of an account whose server checks it as ejabberd's `auth_method: jwt` does: a token (RFC 7519) signed with HS256
/// under the octets of `secret`, with the claims `jid`, `iat`, and `exp` which is [`TOKEN_LIFE`] later. `now` is in seconds since
/// 1970.
#[must_use]
pub fn token(secret: &SecretString, jid: &BareJid, now: u64) -> SecretString {
    let header = BASE64URL.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let (jid, expires) = (serde_json::Value::from(jid.as_str()), now.saturating_add(TOKEN_LIFE));
    let claims = BASE64URL.encode(format!(r#"{{"jid":{jid},"iat":{now},"exp":{expires}}}"#));
    let signed = format!("{header}.{claims}");
    let signature = BASE64URL.encode(mac(secret, &signed));
    format!("{signed}.{signature}").into()
}

/// What ejabberd's `jwt_key` file has to hold for tokens under `secret`: a symmetric JSON Web Key (RFC 7518 §6.4) of its octets.
#[must_use]
pub fn key_file(secret: &SecretString) -> SecretString {
    format!(r#"{{"kty":"oct","k":"{}"}}"#, BASE64URL.encode(secret.expose_secret())).into()
}

fn mac(secret: &SecretString, text: &str) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    hmac::sign(&key, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SecretString {
        SecretString::from("It is the east, and Juliet is the sun.")
    }

    fn romeo() -> BareJid {
        BareJid::new("romeo@phones.example.net").expect("a JID")
    }

    /// Against: printf 'mucfocus-1\0romeo@phones.example.net' | openssl dgst -sha256 -hmac "$secret"
    #[test]
    fn a_minted_password_is_what_anybody_with_the_secret_computes() {
        let expected = "c3634a32602b549809efb77642fc4e9d76f05ea88d44d0d40e72a2e15aa3b531";
        assert_eq!(password(&secret(), &romeo()).expose_secret(), expected);
    }

    #[test]
    fn another_account_or_another_secret_has_another_password() {
        let ours = password(&secret(), &romeo());
        let juliet = BareJid::new("juliet@phones.example.net").expect("a JID");
        let other = SecretString::from("Arise, fair sun, and kill the envious moon.");
        assert_ne!(ours.expose_secret(), password(&secret(), &juliet).expose_secret());
        assert_ne!(ours.expose_secret(), password(&other, &romeo()).expose_secret());
    }

    /// Against: openssl dgst -sha256 -hmac "$secret" -binary | basenc --base64url, over the first two parts.
    #[test]
    fn a_token_names_the_account_and_dies_after_a_minute() {
        let token = token(&secret(), &romeo(), 1_795_253_400);
        let parts: Vec<_> = token.expose_secret().split('.').collect();
        let [header, claims, signature] = parts.as_slice() else { panic!("{parts:?}") };
        let json = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&BASE64URL.decode(part).expect("base64url")).expect("JSON")
        };
        assert_eq!(json(header), serde_json::json!({ "alg": "HS256", "typ": "JWT" }));
        let expected =
            serde_json::json!({ "jid": "romeo@phones.example.net", "iat": 1_795_253_400, "exp": 1_795_253_460 });
        assert_eq!(json(claims), expected);
        assert_eq!(*signature, "F8um-rODBbJXQLyqLPvkaCGBNoc7cai-R419BXC8UvI");
    }

    #[test]
    fn the_key_file_of_the_server_holds_the_octets_of_the_secret() {
        let json: serde_json::Value = serde_json::from_str(key_file(&secret()).expose_secret()).expect("JSON");
        assert_eq!(json.get("kty").and_then(|kty| kty.as_str()), Some("oct"));
        let key = json.get("k").and_then(|k| k.as_str()).expect("a key");
        assert_eq!(BASE64URL.decode(key).expect("base64url"), secret().expose_secret().as_bytes());
    }
}
