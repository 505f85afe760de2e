//! An HTTP/2 client: what only a real one can do.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

/// A connection on which any number of requests may be under way.
#[derive(Clone)]
pub struct Http2 {
    sender: SendRequest<Channel<Bytes>>,
}

impl Http2 {
    /// Speaks HTTP/2 at once, without asking (prior knowledge, RFC 9113 §3.3).
    ///
    /// # Panics
    /// If the other side does not speak it.
    pub async fn open(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("speaks HTTP/2");
        tokio::spawn(connection);
        Self { sender }
    }

    /// Asks `GET url` and reads the whole answer.
    ///
    /// # Errors
    /// The stream or the connection breaks.
    pub async fn get(&self, url: &str) -> hyper::Result<Response<Bytes>> {
        let (_, body) = Channel::new(1);
        self.ask(Request::get(url).body(body).expect("a valid URL")).await
    }

    /// Begins a `POST url` whose body goes on until the sender is dropped.
    pub fn post(&self, url: &str) -> (Sender<Bytes>, JoinHandle<hyper::Result<Response<Bytes>>>) {
        let (sender, body) = Channel::new(1);
        let request = Request::post(url).body(body).expect("a valid URL");
        let connection = self.clone();
        (sender, tokio::spawn(async move { connection.ask(request).await }))
    }

    async fn ask(&self, request: Request<Channel<Bytes>>) -> hyper::Result<Response<Bytes>> {
        let (head, body) = self.sender.clone().send_request(request).await?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }
}
