//! Opening the connection: TLS, sign-in, and whether it is a cluster.

use gateway_config::settings::Redis;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    Pipeline, RedisConnectionInfo, RedisError, RedisFuture, TlsCertificates, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
};

use super::Config;

/// Times the cluster's client asks again after a redirection or a lost node; more would outlast the limit of an
/// operation anyway.
const CLUSTER_RETRIES: u32 = 3;

/// A connection that many operations share.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(Box<ClusterConnection>),
}

impl Connection {
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Connects to the first endpoint that answers, and to its whole cluster when it belongs to one.
pub(super) async fn open(config: &Config) -> Result<Connection, RedisError> {
    let mut last = RedisError::from((ErrorKind::InvalidClientConfig, "no endpoint is named"));
    for (host, port) in &config.redis.endpoints {
        match server(config, host, *port).await {
            Ok(mut connection) => {
                let info: Result<String, _> = redis::cmd("INFO")
                    .arg("cluster")
                    .query_async(&mut connection)
                    .await;
                // A user that may not ask is on a server whose cluster it could not use either.
                let clustered = info.is_ok_and(|text| text.contains("cluster_enabled:1"));
                return match clustered {
                    true => cluster(config).await,
                    false => Ok(Connection::Server(connection)),
                };
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn certificates(config: &Config) -> TlsCertificates {
    TlsCertificates {
        client_tls: None,
        root_cert: config.authorities.as_ref().map(|pem| pem.to_vec()),
    }
}

fn info(redis: &Redis, host: &str, port: u16) -> Result<ConnectionInfo, RedisError> {
    let address = match redis.tls {
        true => ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: false,
            tls_params: None,
        },
        false => ConnectionAddr::Tcp(host.to_owned(), port),
    };
    let mut sign_in = RedisConnectionInfo::default().set_db(redis.database.into());
    if let Some(user) = &redis.user {
        sign_in = sign_in.set_username(user);
    }
    if let Some(password) = &redis.password {
        sign_in = sign_in.set_password(password.expose());
    }
    Ok(address.into_connection_info()?.set_redis_settings(sign_in))
}

async fn server(config: &Config, host: &str, port: u16) -> Result<MultiplexedConnection, RedisError> {
    let info = info(&config.redis, host, port)?;
    let client = match config.redis.tls {
        true => Client::build_with_tls(info, certificates(config))?,
        false => Client::open(info)?,
    };
    let limits = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.redis.connect_timeout))
        .set_response_timeout(Some(config.redis.timeout));
    client.get_multiplexed_async_connection_with_config(&limits).await
}

async fn cluster(config: &Config) -> Result<Connection, RedisError> {
    let redis = &config.redis;
    let nodes: Result<Vec<_>, _> = redis
        .endpoints
        .iter()
        .map(|(host, port)| info(redis, host, *port))
        .collect();
    let mut builder = ClusterClientBuilder::new(nodes?)
        .retries(CLUSTER_RETRIES)
        .connection_timeout(redis.connect_timeout)
        .response_timeout(redis.timeout);
    if redis.tls {
        builder = builder.certs(certificates(config));
    }
    let connection = builder.build()?.get_async_connection().await?;
    Ok(Connection::Cluster(Box::new(connection)))
}
