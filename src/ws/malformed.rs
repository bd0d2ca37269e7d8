//! What somebody reads whose request can become no WebSocket at all.

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

/// The answer in HTTP (RFC 6455 §4.2.1, §4.4; RFC 9110 §15.5); `None` where nobody is left to read it.
pub(super) fn answer(error: &Error, hint: &str) -> Option<String> {
    let Error::Protocol(wrong) = error else {
        let is_http = matches!(error, Error::Http(_) | Error::HttpFormat(_) | Error::Url(_) | Error::Capacity(_));
        return is_http.then(|| response("400 Bad Request", "", hint));
    };
    Some(match wrong {
        ProtocolError::HandshakeIncomplete => return None,
        ProtocolError::WrongHttpMethod => response("405 Method Not Allowed", "Allow: GET\r\n", hint),
        ProtocolError::WrongHttpVersion => response("505 HTTP Version Not Supported", "", hint),
        ProtocolError::MissingConnectionUpgradeHeader
        | ProtocolError::MissingUpgradeWebSocketHeader
        | ProtocolError::MissingSecWebSocketVersionHeader => {
            response("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", hint)
        }
        _ => response("400 Bad Request", "", hint),
    })
}

fn response(status: &str, more: &str, hint: &str) -> String {
    let connection = if more.starts_with("Upgrade") { "close, Upgrade" } else { "close" };
    format!(
        "HTTP/1.1 {status}\r\n{more}Connection: {connection}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{hint}",
        hint.len()
    )
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::{Origins, Protocol, upgrade};

    const PROTOCOL: Protocol = Protocol { name: "sip", hint: "This is for SIP.\n" };
    const GOOD: &str = "GET / HTTP/1.1\r\nHost: focus1.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                        Sec-WebSocket-Protocol: sip\r\n\r\n";

    /// What comes back to this request, and whether it became a WebSocket.
    async fn ask(request: &str) -> (String, bool) {
        let (mut client, server) = tokio::io::duplex(4096);
        client.write_all(request.as_bytes()).await.unwrap();
        let upgraded = upgrade(server, PROTOCOL, &Origins::default(), 1024).await.is_ok();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        (answer, upgraded)
    }

    /// WS-01.
    #[tokio::test]
    async fn who_asks_for_no_websocket_is_told_what_to_ask_for() {
        let without = |field: &str| {
            let lines = GOOD.split_inclusive("\r\n").filter(|line| !line.starts_with(field));
            lines.collect::<String>()
        };
        for (request, status) in [
            (GOOD.to_owned(), "101 "),
            (without("Upgrade"), "426 "),
            (without("Connection"), "426 "),
            (without("Sec-WebSocket-Version"), "426 "),
            (GOOD.replace("Version: 13", "Version: 8"), "426 "),
            (without("Sec-WebSocket-Key"), "400 "),
            (without("Sec-WebSocket-Protocol"), "400 "),
            (GOOD.replace("GET", "POST"), "405 "),
            (GOOD.replace("HTTP/1.1", "HTTP/1.0"), "505 "),
            ("MSRP d93kswow SEND\r\n\r\n".to_owned(), "400 "),
            (format!("{GOOD}junk"), "400 "),
        ] {
            let (answer, upgraded) = ask(&request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}\n{answer}");
            assert_eq!(upgraded, status == "101 ");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(upgraded || body == PROTOCOL.hint || status == "400 ", "{answer}");
            assert_eq!(head.contains("\r\nSec-WebSocket-Version: 13"), status == "426 ");
        }
    }
}
