//! The floor: what HTTP alone costs. Plain hyper with one executor for each core, as the runtime has, but no WebAssembly, no log
//! and no limits. As it responds 200 to everything, it also takes the telemetry of other servers and forgets it.
//!
//! `LISTEN` is the address.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::{env, io, thread};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// Fields of a request that are not those of the response.
const KEPT_BACK: [hyper::header::HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST];

/// The error about an address that is missing or bad.
const EXPECTED: &str = "invalid LISTEN: expected an address with a port, such as 127.0.0.1:3000";

fn main() -> Result<()> {
    let address: SocketAddr = env::var("LISTEN").ok().and_then(|address| address.parse().ok()).context(EXPECTED)?;
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    let mut threads = Vec::new();
    for _ in 0..thread::available_parallelism()?.get() {
        let listener = listener.try_clone()?;
        threads.push(thread::spawn(move || serve(listener)));
    }
    threads.into_iter().try_for_each(|thread| thread.join().expect("a thread does not panic"))?;
    Ok(())
}

/// Accepts and serves connections, on this thread.
fn serve(listener: TcpListener) -> io::Result<()> {
    let executor = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&executor, async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            // It fails if the client has gone away, or if the process has too many open files. The next client may be served.
            let Ok((stream, _)) = listener.accept().await else { continue };
            // It fails only if the client has gone away, which the next read finds.
            let _ = stream.set_nodelay(true);
            tokio::task::spawn_local(async move {
                let mut http = http1::Builder::new();
                let connection =
                    http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service_fn(respond));
                // An error is the client's.
                let _ = connection.await;
            });
        }
    })
}

/// The same work as the component's, as far as HTTP goes.
async fn respond(request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let body = match request.uri().path() {
        "/healthz" => return Ok(Response::new(text("200 ok"))),
        "/echo" => return Ok(Response::new(request.into_body().boxed())),
        // An empty message of OTLP.
        "/v1/traces" | "/v1/metrics" => {
            let _ = request.into_body().collect().await;
            return Ok(Response::new(Empty::new().map_err(|never| match never {}).boxed()));
        }
        _ => text("response write ok"),
    };
    let mut response = Response::new(body);
    *response.headers_mut() = echoed(request.headers().clone());
    Ok(response)
}

fn echoed(mut fields: HeaderMap) -> HeaderMap {
    for name in KEPT_BACK {
        fields.remove(name);
    }
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    fields
}

fn text(text: &'static str) -> BoxBody<Bytes, hyper::Error> {
    Full::new(Bytes::from_static(text.as_bytes())).map_err(|never| match never {}).boxed()
}
