//! One connection, whatever the topology: to the server, to the one that Sentinels name, or to all of
//! a cluster.
//!
//! What a reader would get wrong: the library's own connection manager would do, but for the
//! password. It keeps the one it began with, while ours may be changed in its file at any time. So
//! connections are made anew by one loop ([`super::keeper`]), and each time the file is read.
//!
//! Changes by others come on the same connection (RESP3), so that losing it and missing something are
//! one event. A server that knows RESP2 only gets a second connection for them.

use std::{fs, sync::Arc};

use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo,
    RedisError, RedisFuture, RedisResult, ServerErrorKind, TlsCertificates, TlsMode, Value,
    aio::{ConnectionLike, MultiplexedConnection, PubSub},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClientBuilder, SentinelServerType},
};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    store::config::{Certificates, Login, Node, Settings, Topology},
    units::Secret,
};

/// A way to ask. Clones share the connection.
#[derive(Clone)]
pub(in crate::store) enum Conn {
    Many(ClusterConnection),
    One(MultiplexedConnection),
}

/// What has been opened.
pub(super) struct Opened {
    pub(super) conn: Conn,
    /// The server says by itself which keys changed that were read here.
    pub(super) tracks: bool,
    /// Present while a second connection listens.
    _ear: Option<Ear>,
}

/// Where pushes go.
pub(super) type Tell = mpsc::Sender<PushInfo>;

impl Opened {
    /// Connects and listens on `channel`. `turn` says with which of the nodes to begin, so that one
    /// that never answers is not asked first each time.
    pub(super) async fn open(
        settings: &Settings,
        channel: &str,
        turn: usize,
        tell: &Tell,
    ) -> RedisResult<Self> {
        match Self::open_with(settings, channel, turn, tell, ProtocolVersion::RESP3).await {
            Err(error) if knows_no_resp3(&error) => {
                Self::open_with(settings, channel, turn, tell, ProtocolVersion::RESP2).await
            }
            opened => opened,
        }
    }

    async fn open_with(
        settings: &Settings,
        channel: &str,
        turn: usize,
        tell: &Tell,
        protocol: ProtocolVersion,
    ) -> RedisResult<Self> {
        let pushes = (protocol == ProtocolVersion::RESP3).then_some(tell);
        let mut nodes = settings.nodes.clone();
        let turns = nodes.len().max(1);
        nodes.rotate_left(turn % turns);
        let place = Place {
            settings,
            nodes,
            user: login(&settings.user, settings.database, protocol)?,
        };
        let (mut conn, client) = match settings.topology {
            Topology::Cluster => (Conn::Many(place.cluster(pushes).await?), None),
            Topology::Sentinel => place.one(place.master().await?, pushes).await?,
            Topology::Standalone => place.one(place.standalone()?, pushes).await?,
        };
        if pushes.is_none() {
            let client = match client {
                Some(client) => client,
                None => place.standalone()?,
            };
            return Ok(Self {
                conn,
                tracks: false,
                _ear: Some(Ear::open(&client, channel, tell.clone()).await?),
            });
        }
        let tracks = match &mut conn {
            Conn::Many(cluster) => {
                cluster.subscribe(channel).await?;
                false
            }
            Conn::One(one) => {
                one.subscribe(channel).await?;
                // Optional: an ACL may forbid it, and some services do not have it.
                let tracking = redis::cmd("CLIENT")
                    .arg("TRACKING")
                    .arg("ON")
                    .arg("NOLOOP")
                    .clone();
                tracking.query_async::<()>(one).await.is_ok()
            }
        };
        Ok(Self {
            conn,
            tracks,
            _ear: None,
        })
    }
}

/// Where to connect to, as whom.
struct Place<'a> {
    settings: &'a Settings,
    nodes: Vec<Node>,
    user: RedisConnectionInfo,
}

impl Place<'_> {
    fn standalone(&self) -> RedisResult<Client> {
        let node = self.nodes.first().ok_or_else(no_node)?;
        let info = info(node, &self.user)?;
        if uses_tls(node) {
            Client::build_with_tls(info, certificates(&self.settings.certificates))
        } else {
            Client::open(info)
        }
    }

    /// The server that the Sentinels say is written to; they are asked each time.
    async fn master(&self) -> RedisResult<Client> {
        let settings = self.settings;
        let role = SentinelServerType::Master;
        let addresses = self.nodes.iter().map(connection_address);
        let mut builder = SentinelClientBuilder::new(addresses, &settings.master, role)?
            .set_client_to_redis_db(settings.database)
            .set_client_to_redis_protocol(self.user.protocol());
        if let Some(name) = self.user.username() {
            builder = builder.set_client_to_redis_username(name);
        }
        if let Some(password) = self.user.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        let sentinel = login(&settings.sentinel_user, 0, ProtocolVersion::RESP2)?;
        if let Some(name) = sentinel.username() {
            builder = builder.set_client_to_sentinel_username(name);
        }
        if let Some(password) = sentinel.password() {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if self.nodes.iter().any(uses_tls) {
            let certificates = certificates(&settings.certificates);
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        builder.build()?.async_get_client().await
    }

    async fn one(
        &self,
        client: Client,
        pushes: Option<&Tell>,
    ) -> RedisResult<(Conn, Option<Client>)> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.settings.connect_timeout))
            // Whoever asks has a deadline of its own.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
            .set_concurrency_limit(AT_ONCE);
        if let Some(tell) = pushes {
            config = config.set_push_sender(push_sender(tell.clone()));
        }
        let opening = client.get_multiplexed_async_connection_with_config(&config);
        Ok((Conn::One(opening.await?), Some(client)))
    }

    async fn cluster(&self, pushes: Option<&Tell>) -> RedisResult<ClusterConnection> {
        let settings = self.settings;
        let nodes = self.nodes.iter().map(|node| info(node, &self.user));
        let nodes = nodes.collect::<RedisResult<Vec<_>>>()?;
        let mut builder = ClusterClientBuilder::new(nodes)
            .connection_timeout(settings.connect_timeout)
            .response_timeout(settings.deadline)
            .retries(CLUSTER_RETRIES)
            .min_retry_wait(1)
            .max_retry_wait(20)
            .connection_concurrency_limit(AT_ONCE)
            .use_protocol(self.user.protocol());
        if let Some(name) = self.user.username() {
            builder = builder.username(name);
        }
        if let Some(password) = self.user.password() {
            builder = builder.password(password);
        }
        if self.nodes.iter().any(uses_tls) {
            builder = builder
                .tls(TlsMode::Secure)
                .certs(certificates(&settings.certificates));
        }
        if let Some(tell) = pushes {
            builder = builder.push_sender(push_sender(tell.clone()));
        }
        builder.build()?.get_async_connection().await
    }
}

/// A second connection that only listens, for servers without RESP3.
struct Ear(JoinHandle<()>);

impl Ear {
    async fn open(client: &Client, channel: &str, tell: Tell) -> RedisResult<Self> {
        let mut ear: PubSub = client.get_async_pubsub().await?;
        ear.subscribe(channel).await?;
        let listening = async move {
            let mut messages = ear.into_on_message();
            while let Some(message) = messages.next().await {
                let channel = message.get_channel_name().as_bytes().to_vec();
                let payload = message.get_payload_bytes().to_vec();
                let data = vec![Value::BulkString(channel), Value::BulkString(payload)];
                let kind = PushKind::Message;
                if tell.send(PushInfo { kind, data }).await.is_err() {
                    return;
                }
            }
            let kind = PushKind::Disconnection;
            // Nobody is left to hear it only if nobody needs to.
            let _ = tell.send(PushInfo { kind, data: vec![] }).await;
        };
        Ok(Self(tokio::spawn(listening)))
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ConnectionLike for Conn {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Many(many) => many.req_packed_command(cmd),
            Self::One(one) => one.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Many(many) => many.req_packed_commands(cmd, offset, count),
            Self::One(one) => one.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Many(many) => many.get_db(),
            Self::One(one) => one.get_db(),
        }
    }
}

/// Hands pushes over without waiting. One that does not fit is a message missed, and the connection
/// is as good as lost: the receiver sees the end of its queue.
fn push_sender(
    tell: Tell,
) -> impl Fn(PushInfo) -> Result<(), mpsc::error::TrySendError<PushInfo>> + Send + Sync + 'static {
    let tell = Arc::new(std::sync::Mutex::new(Some(tell)));
    move |info| {
        let mut held = tell
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(sender) = held.as_ref() else {
            return Ok(());
        };
        let sent = sender.try_send(info);
        if sent.is_err() {
            *held = None;
        }
        sent
    }
}

fn info(node: &Node, user: &RedisConnectionInfo) -> RedisResult<ConnectionInfo> {
    let info = connection_address(node).into_connection_info()?;
    Ok(info.set_redis_settings(user.clone()))
}

fn connection_address(node: &Node) -> ConnectionAddr {
    match node {
        Node::Tcp {
            host,
            port,
            tls: false,
        } => ConnectionAddr::Tcp(host.clone(), *port),
        Node::Tcp {
            host,
            port,
            tls: true,
        } => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: false,
            tls_params: None,
        },
        Node::Unix(path) => ConnectionAddr::Unix(path.clone()),
    }
}

fn uses_tls(node: &Node) -> bool {
    matches!(node, Node::Tcp { tls: true, .. })
}

fn certificates(certificates: &Certificates) -> TlsCertificates {
    let own = certificates.own.clone();
    TlsCertificates {
        client_tls: own.map(|(client_cert, client_key)| redis::ClientTlsConfig {
            client_cert,
            client_key,
        }),
        root_cert: certificates.ca.clone(),
    }
}

/// Name and password, the latter as its file says now.
fn login(
    user: &Login,
    database: i64,
    protocol: ProtocolVersion,
) -> RedisResult<RedisConnectionInfo> {
    let mut info = RedisConnectionInfo::default()
        .set_db(database)
        .set_protocol(protocol)
        .set_lib_name("subzero", env!("CARGO_PKG_VERSION"));
    if let Some(name) = &user.name {
        info = info.set_username(name);
    }
    if let Some(file) = &user.password_file {
        let password = Secret::new(&fs::read_to_string(file)?);
        info = info.set_password(password.expose());
    }
    Ok(info)
}

/// Whether the server, or what it lets us do, ends at RESP2.
fn knows_no_resp3(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::RESP3NotSupported | ErrorKind::Server(ServerErrorKind::NoPerm)
    )
}

fn no_node() -> RedisError {
    (ErrorKind::InvalidClientConfig, "no address").into()
}

/// Questions on their way to one connection; more wait at their own deadline.
const QUEUE: usize = 256;

/// Questions without an answer yet, on one connection.
const AT_ONCE: usize = 4096;

/// How often a cluster is asked again where a key has moved to.
const CLUSTER_RETRIES: u32 = 3;
