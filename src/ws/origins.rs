//! The pages whose browsers may connect: a browser says the page's origin (RFC 6454), and the page cannot change it.

/// Origins that are let in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins {
    any: bool,
    listed: Vec<String>,
}

/// What should be an origin and is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin is SCHEME://HOST or SCHEME://HOST:PORT")]
pub struct BadOrigin;

impl Origins {
    /// Lets this one in too; `*` is everybody.
    ///
    /// # Errors
    ///
    /// It is no origin: no browser would ever say it.
    pub fn add(&mut self, origin: &str) -> Result<(), BadOrigin> {
        if origin == "*" {
            self.any = true;
            return Ok(());
        }
        let (scheme, host) = origin.split_once("://").ok_or(BadOrigin)?;
        let is_scheme = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let is_host = !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !b"/?#@\\*".contains(&b));
        if !is_scheme || !is_host {
            return Err(BadOrigin);
        }
        self.listed.push(origin.to_owned());
        Ok(())
    }

    /// Whether a page of this origin may connect.
    #[must_use]
    pub fn allow(&self, origin: &str) -> bool {
        self.any || self.listed.iter().any(|listed| listed.eq_ignore_ascii_case(origin))
    }

    /// Whether no page may connect.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.any && self.listed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_let_in_when_it_is_listed_with_its_port_and_scheme() {
        let mut origins = Origins::default();
        assert!(origins.is_empty() && !origins.allow("https://chat.example.com"));
        origins.add("https://chat.example.com").unwrap();
        assert!(origins.allow("https://CHAT.example.com"));
        for other in
            ["https://chat.example.com:8443", "http://chat.example.com", "https://chat.example.com.evil", "null"]
        {
            assert!(!origins.allow(other), "{other}");
        }
        origins.add("*").unwrap();
        assert!(origins.allow("null"));
    }

    #[test]
    fn what_no_browser_says_is_no_origin() {
        for text in ["", "chat.example.com", "https://", "https://a/", "https://*.example.com", "://a", "https://u@a"] {
            assert_eq!(Origins::default().add(text), Err(BadOrigin), "{text}");
        }
    }
}
