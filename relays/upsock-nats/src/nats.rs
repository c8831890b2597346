use std::fmt;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;
use upsock::ws::hub::{Port, Relay};

use crate::run::run;
use crate::subject::Subjects;

/// Joins hubs through NATS: given to [`HubBuilder::relay`](upsock::ws::hub::HubBuilder::relay).
///
/// A plain value with chained setters. See the [crate](crate) for an example and for what is promised.
#[derive(Clone, Debug)]
#[must_use = "it is for `HubBuilder::relay`"]
pub struct Nats {
    pub(crate) servers: Vec<Server>,
    pub(crate) subjects: Subjects,
    pub(crate) options: ConnectOptions,
    pub(crate) timeout: Duration,
    pub(crate) settle: Duration,
    pub(crate) capacity: usize,
}

/// One that may be connected to.
#[derive(Clone)]
pub(crate) struct Server {
    /// Without user and password.
    pub(crate) addr: ServerAddr,
    /// As the URL tells it.
    login: Option<Login>,
}

#[derive(Clone)]
enum Login {
    User(String, String),
    Token(String),
}

impl Server {
    pub(crate) fn log_in(&self, options: ConnectOptions) -> ConnectOptions {
        match self.login.clone() {
            None => options,
            Some(Login::User(user, password)) => options.user_and_password(user, password),
            Some(Login::Token(token)) => options.token(token),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.addr.as_url_str())
    }
}

/// A URL that is none of a NATS server: [`Nats::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadUrl {
    url: String,
    what: String,
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the URL of a NATS server: {:?}: {}", self.url, self.what)
    }
}

impl std::error::Error for BadUrl {}

impl Nats {
    /// A relay for the server at this URL: `nats://host`, or `tls://host:4222`; the port is 4222 if there is none.
    ///
    /// Of a cluster, several URLs may be given with commas between them: they are tried in turn. User and password may
    /// stand in a URL, percent-encoded, or a token alone (`nats://token@host`); for other credentials see
    /// [`options`](Self::options). Nothing is connected before the hub is built.
    ///
    /// # Errors
    /// If it is not such a URL, with what is wrong with it.
    pub fn new(url: &str) -> Result<Self, BadUrl> {
        Ok(Self {
            servers: url.split(',').map(|url| server(url.trim())).collect::<Result<_, _>>()?,
            subjects: Subjects::new("upsock"),
            options: ConnectOptions::new().name("upsock"),
            timeout: Duration::from_secs(5),
            settle: Duration::from_secs(1),
            capacity: 64 * 1024,
        })
    }

    /// What the subjects begin with; hubs with different prefixes don't hear each other. Default: `upsock`.
    ///
    /// A room's subject is `<prefix>.room.<key>`, and each process hears itself at `<prefix>.mark.>`: it must be allowed
    /// to publish and subscribe to `<prefix>.>`. Whatever in a prefix or key is not an ASCII letter, digit, `-` or `_` is
    /// percent-encoded, and what is longer than 200 characters then is hashed.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.subjects = Subjects::new(prefix);
        self
    }

    /// How the client is to connect: credentials, certificates, its name.
    ///
    /// `no_echo` must not be set: the relay knows by what it hears of itself how far the server is. Reconnecting, events,
    /// timeouts and capacities are the relay's own, whatever is set here.
    pub fn options(mut self, options: ConnectOptions) -> Self {
        self.options = options;
        self
    }

    /// How long the server may take to connect, or to answer, before the connection is given up; and, when the hub is
    /// gone, how long what it has sent may take to reach the server. Default: 5 s.
    ///
    /// A server that nothing comes from any more is noticed within about this time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.max(Duration::from_millis(10));
        self
    }

    /// After an interruption, how long what waits is held back: other processes connect again at the same time, and those
    /// that have not will miss it. Default: 1 s.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// How many messages of one room may wait to be given to the hub; beyond it they are lost, which is told as a
    /// [gap](upsock::ws::hub::Event::Gap). They may be as long as the server's `max_payload`. Default: 65,536.
    pub fn capacity(mut self, messages: usize) -> Self {
        self.capacity = messages.max(1);
        self
    }
}

impl Relay for Nats {
    async fn run(self, port: Port) {
        run(self, port).await;
    }
}

fn server(text: &str) -> Result<Server, BadUrl> {
    let bad = |what: &str| BadUrl {
        // Not the password.
        url: text.rsplit('@').next().unwrap_or_default().to_owned(),
        what: what.to_owned(),
    };
    let addr: ServerAddr = text.parse().map_err(|error: std::io::Error| bad(&error.to_string()))?;
    if addr.is_websocket() {
        return Err(bad("only nats:// and tls:// are supported"));
    }
    if addr.host().is_empty() {
        return Err(bad("it has no host"));
    }
    let decode = |part: &str| match percent_decode_str(part).decode_utf8() {
        Ok(part) => Ok(part.into_owned()),
        Err(_) => Err(bad("user or password is not UTF-8")),
    };
    let login = match (addr.username(), addr.password()) {
        (None, None) => None,
        (Some(token), None) => Some(Login::Token(decode(token)?)),
        (user, Some(password)) => Some(Login::User(decode(user.unwrap_or_default())?, decode(password)?)),
    };
    let mut url = addr.into_inner();
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    let addr = cleared.ok().and_then(|()| ServerAddr::from_url(url).ok());
    let addr = addr.ok_or_else(|| bad("it has no host"))?;
    Ok(Server { addr, login })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_url_is_named_and_its_password_is_not() {
        for (url, what) in [
            ("", "no host"),
            ("nats://", "no host"),
            ("http://host", "http"),
            ("ws://host", "ws"),
            ("nats://host:99999", "port"),
            ("nats://good,nats://me:secret@bad host", "bad host"),
            ("nats://%ff:secret@host", "UTF-8"),
        ] {
            let error = Nats::new(url).expect_err(url).to_string();
            assert!(error.contains(what), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_url_may_tell_who_connects() {
        let relay = Nats::new("one, nats://user:p%40ss@two:7, tls://token@[::1]").unwrap();
        let [one, two, three] = &relay.servers[..] else {
            panic!("{relay:?}");
        };
        assert_eq!((one.addr.host(), one.addr.port()), ("one", 4222));
        assert!(one.login.is_none());
        assert_eq!((two.addr.host(), two.addr.port()), ("two", 7));
        assert!(matches!(&two.login, Some(Login::User(user, password)) if user == "user" && password == "p@ss"));
        assert_eq!((three.addr.host(), three.addr.scheme()), ("::1", "tls"));
        assert!(matches!(&three.login, Some(Login::Token(token)) if token == "token"));
        assert!(!format!("{relay:?}").contains("p%40ss"));
    }
}
