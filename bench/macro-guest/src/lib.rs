//! What a developer gets who follows Spin's guide: `/`, `/healthz` and `/echo` of this repository's component with spin-sdk's macro,
//! the same log line for each request included. The body of `/echo` is in memory as a whole.
//!
//! On other targets than WebAssembly the crate is empty.

#[cfg(target_arch = "wasm32")]
mod component {
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    use spin_sdk::http::{IntoResponse, Method, Request, Response};
    use spin_sdk::{http_component, variables};

    /// Header fields that would lie about the response, and those that the host adds.
    const KEPT_BACK: [&str; 5] = ["connection", "content-length", "content-type", "host", "version"];

    #[http_component]
    fn handle(request: Request) -> anyhow::Result<impl IntoResponse> {
        let start = Instant::now();
        let version = variables::get("version")?;
        let mut builder = Response::builder();
        builder.status(200).header("version", version);
        let body = match (request.method(), request.path()) {
            (Method::Get, "/healthz") => b"200 ok".to_vec(),
            (Method::Post, "/echo") => request.body().to_vec(),
            _ => {
                let fields =
                    request.headers().filter(|(name, _)| !KEPT_BACK.contains(name) && !name.starts_with("spin-"));
                for (name, value) in fields {
                    builder.header(name, value.as_str().unwrap_or_default());
                }
                b"response write ok".to_vec()
            }
        };
        log(&request, body.len(), start);
        Ok(builder.header("content-type", "text/plain; charset=utf-8").body(body).build())
    }

    /// Writes the line, unless it is about a probe.
    fn log(request: &Request, bytes: usize, start: Instant) {
        if request.path() == "/healthz" {
            return;
        }
        let field = |name| request.header(name).and_then(|value| value.as_str());
        let line = serde_json::json!({
            "time": SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            "level": "info",
            "method": request.method().to_string(),
            "path": request.path(),
            "status": 200,
            "client": field("spin-client-addr"),
            "peer": field("spin-client-addr"),
            "bytes": bytes,
            "duration_ms": start.elapsed().as_secs_f64() * 1e3,
            "user_agent": field("user-agent"),
        });
        println!("{line}");
    }
}
