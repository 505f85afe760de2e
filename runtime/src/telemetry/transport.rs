//! One message to the collector: OTLP over HTTP/1.1, or over gRPC, which is HTTP/2 with a head of five bytes and trailers.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER, TE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::settings::{Protocol, Target};

/// The longest response that is read, bytes. A collector's has less than a hundred.
const LONGEST_RESPONSE: usize = 64 << 10;

/// The head of a message in gRPC: whether it is compressed, and its length in four bytes.
const GRPC_HEAD: usize = 5;

/// Why a message was not taken.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) reason: String,
    /// Whether the same message may be taken later, and when.
    pub(super) retry: Retry,
}

/// Whether to send a message again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    No,
    Yes,
    After(Duration),
}

/// Sends messages, over one connection as long as it lasts.
pub(super) struct Client<'a> {
    target: &'a Target,
    connection: Option<Connection>,
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl<'a> Client<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        Self { target, connection: None }
    }

    /// Sends one encoded message, as [`pack`] made it. Returns how many of its spans or points the collector refused.
    pub(super) async fn send(&mut self, body: &Bytes) -> Result<u64, Failure> {
        let request = request(self.target, body);
        let sent = match self.connected().await {
            Ok(connection) => connection.send(request).await,
            Err(error) => Err(error),
        };
        let response = match sent {
            Ok(response) => read(response).await,
            Err(error) => Err(error),
        };
        // A connection that failed once is not used again.
        let (status, headers, body) = response.map_err(|error| {
            self.connection = None;
            Failure { reason: format!("{error:#}"), retry: Retry::Yes }
        })?;
        match self.target.protocol {
            Protocol::HttpProtobuf => answer(status, &headers, &body),
            Protocol::Grpc => grpc_answer(status, &headers, &body),
        }
    }

    /// The connection, which is made if there is none that is open.
    async fn connected(&mut self) -> Result<&mut Connection> {
        let open = match &mut self.connection {
            Some(connection) => connection.is_ready().await,
            None => false,
        };
        if !open {
            self.connection = Some(connect(self.target).await?);
        }
        self.connection.as_mut().context("no connection")
    }
}

impl Connection {
    async fn is_ready(&mut self) -> bool {
        match self {
            Self::Http1(sender) => sender.ready().await.is_ok(),
            Self::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        let response = match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        };
        response.context("no response")
    }
}

/// A message as it is sent, compressed if the target wants that.
pub(super) fn pack(target: &Target, message: &impl Message) -> Result<Bytes> {
    let length = message.encoded_len();
    let mut packed = Vec::with_capacity(GRPC_HEAD + length);
    let is_grpc = target.protocol == Protocol::Grpc;
    if is_grpc {
        packed.extend_from_slice(&[0; GRPC_HEAD]);
    }
    let start = packed.len();
    if target.gzip {
        let mut encoder = GzEncoder::new(packed, Compression::fast());
        encoder.write_all(&message.encode_to_vec())?;
        packed = encoder.finish()?;
    } else {
        message.encode(&mut packed)?;
    }
    if is_grpc {
        let length = u32::try_from(packed.len() - start).context("a message of more than 4 GiB")?;
        packed[0] = target.gzip.into();
        packed[1..GRPC_HEAD].copy_from_slice(&length.to_be_bytes());
    }
    Ok(packed.into())
}

fn request(target: &Target, body: &Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = Method::POST;
    let headers = request.headers_mut();
    headers.extend(target.headers.clone());
    match target.protocol {
        Protocol::HttpProtobuf => {
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/x-protobuf"));
            if target.gzip {
                headers.insert(CONTENT_ENCODING, http::HeaderValue::from_static("gzip"));
            }
            // It was a part of a URL.
            if let Some(host) = target.url.authority().and_then(|host| host.as_str().parse().ok()) {
                headers.insert(HOST, host);
            }
            *request.uri_mut() = target.url.path_and_query().map(|path| path.clone().into()).unwrap_or_default();
        }
        Protocol::Grpc => {
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
            headers.insert(TE, http::HeaderValue::from_static("trailers"));
            if target.gzip {
                headers.insert("grpc-encoding", http::HeaderValue::from_static("gzip"));
            }
            *request.uri_mut() = target.url.clone();
            *request.version_mut() = Version::HTTP_2;
        }
    }
    request
}

async fn connect(target: &Target) -> Result<Connection> {
    let connected = TcpStream::connect((target.host.as_str(), target.port)).await;
    let stream = connected.with_context(|| format!("cannot connect to {}:{}", target.host, target.port))?;
    stream.set_nodelay(true)?;
    let Some(connector) = &target.tls else { return shake_hands(stream, target.protocol).await };
    let name = ServerName::try_from(target.host.clone())?;
    let stream = connector.connect(name, stream).await.context("no TLS")?;
    shake_hands(stream, target.protocol).await
}

async fn shake_hands<S>(stream: S, protocol: Protocol) -> Result<Connection>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    // Each task ends with its connection, whose error the sender gets, too.
    Ok(match protocol {
        Protocol::HttpProtobuf => {
            let (sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            Connection::Http1(sender)
        }
        Protocol::Grpc => {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            Connection::Http2(sender)
        }
    })
}

/// The whole response; its trailers are with the fields of its head.
async fn read(response: Response<Incoming>) -> Result<(StatusCode, HeaderMap, Bytes)> {
    let (mut head, body) = response.into_parts();
    let body =
        Limited::new(body, LONGEST_RESPONSE).collect().await.map_err(|error| anyhow!("a bad response: {error}"))?;
    head.headers.extend(body.trailers().cloned().unwrap_or_default());
    Ok((head.status, head.headers, body.to_bytes()))
}

/// What an HTTP response means (OTLP specification, "OTLP/HTTP Response").
fn answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<u64, Failure> {
    if status.is_success() {
        return Ok(refused(body));
    }
    let retry = match status.as_u16() {
        429 | 502..=504 => {
            let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            seconds.map_or(Retry::Yes, |seconds| Retry::After(Duration::from_secs(seconds)))
        }
        _ => Retry::No,
    };
    Err(Failure { reason: format!("the collector's response is {status}"), retry })
}

/// What a gRPC response means (OTLP specification, "OTLP/gRPC Response").
fn grpc_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<u64, Failure> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status").and_then(|code| code.parse().ok()) {
        Some(0) => Ok(refused(body.get(GRPC_HEAD..).unwrap_or_default())),
        Some(code) => {
            // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS.
            let retry = if matches!(code, 1 | 4 | 10 | 11 | 14 | 15) { Retry::Yes } else { Retry::No };
            let message = text("grpc-message").unwrap_or_default();
            Err(Failure { reason: format!("the collector's response has the gRPC status {code}: {message}"), retry })
        }
        // A proxy's own response.
        None => answer(status, headers, &[])
            .and(Err(Failure { reason: "the collector's response is not gRPC".to_owned(), retry: Retry::No })),
    }
}

/// The spans or points that the collector refused for what they are. The responses of both signals have the same form.
fn refused(body: &[u8]) -> u64 {
    let response = ExportTraceServiceResponse::decode(body).unwrap_or_default();
    response.partial_success.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}
