//! One connection after another, for as long as the hub lives.

use std::convert::Infallible;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisError, Value};
use tokio::time::{Instant, sleep, timeout};
use upsock::ws::hub::{Port, Publication, Relay};

use crate::Redis;
use crate::error::{Error, Kind};
use crate::id::{self, Id};
use crate::interest::Interest;
use crate::shard::{self, Shard};

/// What outlives a connection.
pub(crate) struct Session {
    pub(crate) redis: Redis,
    pub(crate) port: Port,
    pub(crate) interest: Interest,
    /// When the hub was built.
    began: Instant,
}

/// Where this process is, in what it sends and what it reads.
pub(crate) struct Progress {
    /// Taken from the hub, and perhaps sent: they are sent again until they are acknowledged.
    pub(crate) unacknowledged: Vec<Publication>,
    pub(crate) shards: Vec<Shard>,
    /// The hub has said what it wants; from then on it tells changes.
    asked: bool,
}

/// The least and the most that a relay waits before it connects again, without jitter.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

impl Relay for Redis {
    async fn run(self, port: Port) {
        let mut progress = Progress {
            unacknowledged: Vec::new(),
            shards: (0..self.streams).map(|shard| Shard::new(self.stream(shard))).collect(),
            asked: false,
        };
        let session = Session {
            redis: self,
            port,
            interest: Interest::default(),
            began: Instant::now(),
        };
        let mut pause = PAUSES.0;
        loop {
            let began = Instant::now();
            let Err(error) = session.run(&mut progress).await else {
                return;
            };
            session.port.down();
            session.redis.tell(&error);
            // One that has held for a while has ended for a reason that may be over soon.
            if began.elapsed() > PAUSES.1 {
                pause = PAUSES.0;
            }
            tokio::select! {
                () = session.port.closed() => return,
                // So that not all processes come back at once.
                () = sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64())) => {}
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn keeps_history(&self) -> bool {
        true
    }
}

impl Session {
    /// Connects, and works until the connection fails, or the hub is gone and all that it has sent is published.
    async fn run(&self, progress: &mut Progress) -> Result<(), Error> {
        let connected = tokio::select! {
            () = self.port.closed() => return Ok(()),
            connected = self.connect(&mut progress.shards) => connected?,
        };
        if !std::mem::replace(&mut progress.asked, true) {
            for room in self.port.topics() {
                self.interest.subscribe(room);
            }
        }
        self.interest.restart();
        let (commands, blocking) = connected;
        // In one task: what a member does before it says so elsewhere is known here before an answer comes.
        tokio::select! {
            biased;
            done = self.publish(commands.clone(), &mut progress.unacknowledged) => done,
            read = self.read(commands, blocking, &mut progress.shards) => read.map(|never: Infallible| match never {}),
        }
    }

    /// Two connections: one on which answers come at once, and one for commands that wait.
    async fn connect(&self, shards: &mut [Shard]) -> Result<(MultiplexedConnection, MultiplexedConnection), Error> {
        let redis = &self.redis;
        let config = |response_timeout| {
            AsyncConnectionConfig::new()
                .set_connection_timeout(None)
                .set_response_timeout(response_timeout)
        };
        let (quick, waiting) = (config(Some(redis.response_timeout)), config(None));
        let connect = |config| async move {
            let connecting = redis.client.get_multiplexed_async_connection_with_config(config);
            match timeout(redis.connect_timeout, connecting).await {
                Ok(connection) => Ok(connection?),
                Err(_) => Err(Error::from(Kind::Silent(redis.connect_timeout))),
            }
        };
        let (mut commands, blocking) = tokio::try_join!(connect(&quick), connect(&waiting))?;
        self.agree(&mut commands).await?;
        self.look(&mut commands, shards, |_| true).await?;
        Ok((commands, blocking))
    }

    /// With another number of streams, a process would miss rooms of the others, and none would notice.
    async fn agree(&self, connection: &mut MultiplexedConnection) -> Result<(), Error> {
        let key = format!("{}:streams", self.redis.prefix);
        let here = self.redis.streams;
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SETNX").arg(&key).arg(here).ignore();
        pipeline.cmd("GET").arg(&key);
        let (there,): (String,) = pipeline.query_async(connection).await?;
        if there != here.to_string() {
            return Err(Kind::Streams { here, there }.into());
        }
        Ok(())
    }

    /// Looks whether these streams still have what was not read, and tells the hub if not.
    pub(crate) async fn look(
        &self,
        connection: &mut MultiplexedConnection,
        shards: &mut [Shard],
        which: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        let mut shards: Vec<_> = (0..).zip(shards).filter(|(at, _)| which(*at)).collect();
        let pipeline = shard::ask(shards.iter().map(|(_, shard)| &**shard));
        let mut replies = answers(connection, &pipeline).await?.into_iter();
        let age = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let began = id::time(replies.next())?.saturating_sub(age);
        let mut lost = false;
        for ((_, shard), reply) in shards.iter_mut().zip(replies) {
            lost |= shard.look(shard::info(reply)?, Id::at(began), self.redis.max_len);
        }
        if lost {
            self.port.gap(None);
            self.redis.tell(&Kind::Gap.into());
        }
        Ok(())
    }
}

/// The answers to all of a pipeline, errors among them.
pub(crate) async fn answers(
    connection: &mut MultiplexedConnection,
    pipeline: &Pipeline,
) -> Result<Vec<Value>, RedisError> {
    connection.send_packed_commands(pipeline, 0, pipeline.len()).await
}
