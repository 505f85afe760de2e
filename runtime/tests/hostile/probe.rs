//! A well-behaved client.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::clients::Target;

/// Within this time somebody must get a 200, whatever others do.
pub const SOON: Duration = Duration::from_secs(5);

/// What a kubelet waits for the response to a probe, in `manifests/base`.
const ATTEMPT: Duration = Duration::from_secs(2);

/// The pause after a response.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks as a client that tries again, over HTTP/1.1.
pub struct Probe(Target);

impl Probe {
    pub fn new(target: &Target) -> Self {
        Self(target.http1())
    }

    /// Asks `/readyz` for that time. Returns the longest time until a 200; or says that there was none within [`SOON`].
    pub fn all_the_time(&self, time: Duration) -> Result<Duration, String> {
        block_on(async {
            let start = Instant::now();
            let mut slowest = Duration::ZERO;
            while start.elapsed() < time {
                slowest = slowest.max(self.until_ok("/readyz", SOON).await?);
                sleep(PAUSE).await;
            }
            Ok(slowest)
        })
    }

    /// Asks with that many requests at one time, which need an instance each. Returns the time until all had their 200.
    pub fn all_at_once(&self, requests: usize, limit: Duration) -> Result<Duration, String> {
        block_on(async {
            let mut asked = JoinSet::new();
            for _ in 0..requests {
                let probe = Self(self.0.clone());
                asked.spawn(async move { probe.until_ok("/delay/0.2", limit).await });
            }
            let mut slowest = Duration::ZERO;
            while let Some(took) = asked.join_next().await {
                slowest = slowest.max(took.expect("no panic")?);
            }
            Ok(slowest)
        })
    }

    /// Asks until there is a 200; returns how long that took.
    pub async fn until_ok(&self, path: &str, limit: Duration) -> Result<Duration, String> {
        let start = Instant::now();
        let mut last = String::new();
        let ok = timeout(limit, async {
            loop {
                last = match timeout(ATTEMPT, self.ask(path)).await {
                    Err(_) => "no response".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Ok(Ok(status)) if status.starts_with("HTTP/1.1 200") => return,
                    Ok(Ok(other)) => other,
                };
                sleep(PAUSE).await;
            }
        });
        match ok.await {
            Ok(()) => Ok(start.elapsed()),
            Err(_) => Err(format!("no 200 of {path} within {limit:?}: {last}")),
        }
    }

    /// The first line of the response.
    async fn ask(&self, path: &str) -> io::Result<String> {
        let mut stream = self.0.connect(true).await?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await?;
        let response = String::from_utf8_lossy(&response);
        Ok(response.lines().next().unwrap_or("an empty response").to_owned())
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an executor").block_on(work)
}
