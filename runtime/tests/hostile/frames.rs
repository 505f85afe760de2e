//! HTTP/2 byte by byte (RFC 9113): what a client library would not send.

/// How a connection begins.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flag of PING and SETTINGS.
pub const ACK: u8 = 1;

/// Flags of HEADERS and DATA.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Settings with the window of each stream.
pub fn settings(window: u32) -> Vec<u8> {
    let mut setting = vec![0, 4];
    setting.extend(window.to_be_bytes());
    frame(SETTINGS, 0, 0, &setting)
}

/// The fields of a request (RFC 7541, without compression).
pub fn request(post: bool, path: &str) -> Vec<u8> {
    let mut fields = vec![if post { 0x83 } else { 0x82 }, 0x86];
    for (name, value) in [(4, path), (1, "test")] {
        fields.extend([name, u8::try_from(value.len()).expect("a short value")]);
        fields.extend(value.as_bytes());
    }
    fields
}
