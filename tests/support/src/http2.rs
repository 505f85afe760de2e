//! An HTTP/2 client: what only a real one can do.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot::{self, Receiver, Sender};
use tokio::task::JoinHandle;

/// An empty body, which ends when its [`Sender`] is dropped.
struct Empty(Receiver<Infallible>);

impl Body for Empty {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll(context).map(|_| None)
    }
}

/// A connection on which any number of requests may be under way.
#[derive(Clone)]
pub struct Http2 {
    sender: SendRequest<Empty>,
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

    /// Sends `GET url` and reads the whole response.
    ///
    /// # Errors
    /// The stream or the connection breaks.
    pub async fn get(&self, url: &str) -> hyper::Result<Response<Bytes>> {
        let (_, body) = oneshot::channel();
        self.ask(Request::get(url).body(Empty(body)).expect("a valid URL")).await
    }

    /// Begins a `POST url` without content, whose body ends when the sender is dropped.
    pub fn post(&self, url: &str) -> (Sender<Infallible>, JoinHandle<hyper::Result<Response<Bytes>>>) {
        let (sender, body) = oneshot::channel();
        let request = Request::post(url).body(Empty(body)).expect("a valid URL");
        let connection = self.clone();
        (sender, tokio::spawn(async move { connection.ask(request).await }))
    }

    async fn ask(&self, request: Request<Empty>) -> hyper::Result<Response<Bytes>> {
        let (head, body) = self.sender.clone().send_request(request).await?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }
}
