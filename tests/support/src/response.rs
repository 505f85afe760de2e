//! A response as it came over the wire.

/// A response: its head and, where it was read, its body.
#[derive(Debug, Clone)]
pub struct Response {
    /// The minor version of HTTP/1: 0 or 1.
    pub version: u8,
    /// The status code.
    pub status: u16,
    /// The header fields in their order; names in lower case, values with other bytes than UTF-8 replaced.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from its framing.
    pub body: Vec<u8>,
}

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// `content-length`.
    Length(u64),
    /// `transfer-encoding: chunked`.
    Chunked,
    /// The end of the connection.
    UntilClose,
}

impl Response {
    /// Parses a head, which ends with an empty line.
    ///
    /// # Panics
    /// If the bytes are no head of a response.
    pub(crate) fn parse(head: &[u8]) -> Self {
        // More than any server under test sends.
        let mut fields = [httparse::EMPTY_HEADER; 200];
        let mut parsed = httparse::Response::new(&mut fields);
        let parsing = parsed.parse(head);
        assert!(matches!(parsing, Ok(httparse::Status::Complete(_))), "{:?}", String::from_utf8_lossy(head));
        let headers = parsed
            .headers
            .iter()
            .map(|field| (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned()));
        Self {
            version: parsed.version.expect("a complete head has a version"),
            status: parsed.code.expect("a complete head has a status"),
            headers: headers.collect(),
            body: Vec::new(),
        }
    }

    /// All values of a header field, in their order.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The value of a header field that comes at most once.
    ///
    /// # Panics
    /// If it comes more often.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() <= 1, "{name} comes more than once: {values:?}");
        values.first().copied()
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {:?}", self.text()))
    }

    /// Asserts that this is the problem document (RFC 9457) of that status and returns its `detail`.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let document = self.json();
        assert_eq!(document["status"], status);
        document["detail"].as_str().expect("a problem has a detail").to_owned()
    }

    /// How the body that follows this head ends, if the request was not HEAD.
    pub fn framing(&self) -> Framing {
        if self.status < 200 || self.status == 204 || self.status == 304 {
            return Framing::None;
        }
        if self.values("transfer-encoding").contains(&"chunked") {
            return Framing::Chunked;
        }
        match self.header("content-length") {
            Some(length) => Framing::Length(length.parse().expect("a length is a number")),
            None => Framing::UntilClose,
        }
    }
}
