use std::fmt;
use std::sync::Arc;

use super::Handshake;

/// Which pages may open a WebSocket (RFC 6455 §10.2).
///
/// Browsers let any page open a WebSocket to any server, and send their cookies along: without a check, a hostile page
/// speaks to your server as your user (cross-site WebSocket hijacking). They also say truthfully, in `Origin`, which
/// page it is.
///
/// The default is [`same_host`](Self::same_host). Requests without `Origin` do not come from a browser's page and are
/// not refused by any of these. What is refused gets `403`
/// ([`Rejection::Origin`](crate::Rejection::Origin)).
///
/// ```
/// # use upsock::ws::{self, Origins};
/// # let closure = |socket: ws::WebSocket| async move {};
/// ws::upgrade(closure).origins(Origins::list(["https://example.com", "https://admin.example.com"]))
/// # ;
/// ```
#[derive(Clone, Default)]
pub struct Origins(Policy);

#[derive(Clone, Default)]
enum Policy {
    #[default]
    SameHost,
    List(Arc<[String]>),
    Predicate(Arc<dyn Fn(&str) -> bool + Send + Sync>),
    Any,
}

impl Origins {
    /// Pages of the host and port that the request was sent to, over http or https.
    ///
    /// A reverse proxy in front of the server must pass the client's `Host` on, as most do or can be told to; else use
    /// a [`list`](Self::list).
    pub fn same_host() -> Self {
        Self(Policy::SameHost)
    }

    /// These origins, each written `scheme://host` or `scheme://host:port`, compared without case.
    pub fn list<T: Into<String>>(origins: impl IntoIterator<Item = T>) -> Self {
        Self(Policy::List(origins.into_iter().map(Into::into).collect()))
    }

    /// Those that `allow` returns true for, given the value of `Origin`.
    pub fn predicate(allow: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Policy::Predicate(Arc::new(allow)))
    }

    /// All. Only for servers that do not authenticate by what a browser sends by itself: cookies, HTTP
    /// authentication, client certificates, or being in the same network.
    pub fn any() -> Self {
        Self(Policy::Any)
    }

    pub(crate) fn allow(&self, handshake: &Handshake) -> bool {
        let Some(origin) = handshake.origin() else {
            return true;
        };
        match &self.0 {
            Policy::SameHost => split(origin).is_some_and(|(scheme, host)| {
                without_default_port(scheme, host).eq_ignore_ascii_case(without_default_port(scheme, handshake.host()))
            }),
            Policy::List(origins) => origins.iter().any(|allowed| same(allowed, origin)),
            Policy::Predicate(allow) => allow(origin),
            Policy::Any => true,
        }
    }
}

fn same(a: &str, b: &str) -> bool {
    match (split(a), split(b)) {
        (Some((a_scheme, a_host)), Some((b_scheme, b_host))) => {
            a_scheme.eq_ignore_ascii_case(b_scheme)
                && without_default_port(a_scheme, a_host).eq_ignore_ascii_case(without_default_port(b_scheme, b_host))
        }
        // Such as `null`, which a sandboxed page sends: only who lists it gets it.
        _ => a == b,
    }
}

fn split(origin: &str) -> Option<(&str, &str)> {
    origin.trim_end_matches('/').split_once("://")
}

fn without_default_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let port = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        ":80"
    };
    host.strip_suffix(port).unwrap_or(host)
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Policy::SameHost => f.write_str("same_host"),
            Policy::List(origins) => origins.fmt(f),
            Policy::Predicate(_) => f.write_str("predicate"),
            Policy::Any => f.write_str("any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn allow(origins: &Origins, host: &str, origin: &str) -> bool {
        let request = Request::builder()
            .header("host", host)
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13")
            .header("origin", origin);
        origins.allow(&Handshake::from_request(&request.body(()).unwrap()).unwrap())
    }

    #[test]
    fn same_host() {
        let origins = Origins::default();
        for (host, origin) in [
            ("example.com", "https://example.com"),
            ("Example.com", "http://EXAMPLE.com"),
            ("example.com:443", "https://example.com"),
            ("example.com", "http://example.com:80"),
            ("localhost:8080", "http://localhost:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("[::1]", "https://[::1]:443"),
        ] {
            assert!(allow(&origins, host, origin), "{host} {origin}");
        }
        for (host, origin) in [
            ("example.com", "https://evil.example"),
            ("example.com", "https://example.com.evil.example"),
            ("example.com", "https://sub.example.com"),
            ("example.com", "https://example.com:8443"),
            ("example.com:80", "https://example.com"),
            ("example.com", "null"),
            ("example.com", ""),
            ("example.com", "example.com"),
            ("", "null"),
        ] {
            assert!(!allow(&origins, host, origin), "{host} {origin}");
        }
    }

    #[test]
    fn the_other_policies() {
        let list = Origins::list(["https://a.example/", "http://b.example:80", "null"]);
        assert!(allow(&list, "server", "https://A.example:443"));
        assert!(allow(&list, "server", "http://b.example"));
        assert!(allow(&list, "server", "null"));
        assert!(!allow(&list, "server", "http://a.example"));
        assert!(!allow(&list, "server", "http://server"));
        let predicate = Origins::predicate(|origin| origin.ends_with(".example"));
        assert!(allow(&predicate, "server", "https://x.example"));
        assert!(!allow(&predicate, "server", "https://x.test"));
        assert!(allow(&Origins::any(), "server", "null"));
    }
}
