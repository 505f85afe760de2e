//! The behaviours, and the path of each.

mod keyvalue;
mod report;
mod response;

use std::io::{self, Write};

use response::{head, large, text};
use wasi::cli::stdout::get_stdout;
use wasi::clocks::monotonic_clock;
use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{IncomingRequest, OutgoingBody, ResponseOutparam};
use wasi::io::streams::OutputStream;

wasi::http::proxy::export!(Misbehaving);

struct Misbehaving;

impl Guest for Misbehaving {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match path.split('/').skip(1).collect::<Vec<_>>()[..] {
            // The target `*` has no segment.
            ["dump", ..] | [] => text(out, &report::request(&request)),
            ["print"] => print(out),
            ["print-pieces", text] => print_pieces(text, out),
            ["trap"] => trap(),
            ["one-in-ten", number] if number.ends_with('0') => trap(),
            ["one-in-ten", number] => text(out, number),
            ["exit"] => wasi::cli::exit::exit(Err(())),
            ["no-response"] => {}
            ["loop"] => busy_loop(),
            ["loop-after-head"] => {
                let _body = head(out);
                busy_loop()
            }
            ["wait"] => wait(),
            ["wait-after-head"] => {
                let _body = head(out);
                wait()
            }
            ["pause", milliseconds] => {
                monotonic_clock::subscribe_duration(number(milliseconds) as u64 * 1_000_000).block();
                text(out, "ok")
            }
            ["memory"] => allocate(usize::MAX),
            ["memory", bytes] => {
                allocate(number(bytes));
                text(out, "ok")
            }
            ["resources", count] => {
                let held: Vec<_> = (0..number(count)).map(|_| wasi::http::types::Fields::new()).collect();
                text(out, if held.is_empty() { "none" } else { "ok" })
            }
            ["trickle", milliseconds] => trickle(number(milliseconds) as u64, out),
            ["trap-after-head"] => trap_after_head(&request, out),
            ["hold"] => {
                println!("holding");
                text(out, &read_to_end(&request).to_string())
            }
            ["hold", bytes] => {
                read_to_end(&request);
                large(out, number(bytes))
            }
            ["head-first"] => head_first(&request, out),
            ["large", bytes] => large(out, number(bytes)),
            ["environment"] => text(out, &report::environment()),
            ["folders"] => text(out, &report::folders()),
            ["outgoing"] => text(out, &report::outgoing()),
            ["keyvalue"] => text(out, &keyvalue::report()),
            ["fields"] => text(out, &report::fields()),
            _ => text(out, "ok"),
        }
    }
}

fn print(out: ResponseOutparam) {
    println!("printed on stdout");
    eprintln!("printed on stderr");
    text(out, "ok");
}

fn print_pieces(line: &str, out: ResponseOutparam) {
    for piece in ["pieces ", "of ", line] {
        // A new handle each time, and another guest has its turn in between.
        get_stdout().blocking_write_and_flush(piece.as_bytes()).expect("the host takes the output");
        monotonic_clock::subscribe_duration(1_000_000).block();
    }
    text(out, "ok");
}

fn trap() -> ! {
    std::arch::wasm32::unreachable()
}

fn busy_loop() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn wait() -> ! {
    loop {
        monotonic_clock::subscribe_duration(u64::MAX).block();
    }
}

/// Allocates that many bytes, 1 MiB at a time, and writes to each page. A failed allocation ends the program.
fn allocate(bytes: usize) {
    const STEP: usize = 1 << 20;
    let mut held = Vec::new();
    let mut left = bytes;
    while left > 0 {
        held.push(std::hint::black_box(vec![1_u8; STEP.min(left)]));
        left = left.saturating_sub(STEP);
    }
}

/// Gives a byte each time after so many milliseconds, as long as the client is there.
fn trickle(milliseconds: u64, out: ResponseOutparam) {
    let body = head(out);
    let stream = body.write().expect("the stream is taken once");
    while stream.blocking_write_and_flush(b"x").is_ok() {
        if milliseconds > 0 {
            monotonic_clock::subscribe_duration(milliseconds * 1_000_000).block();
        }
    }
}

fn trap_after_head(request: &IncomingRequest, out: ResponseOutparam) {
    let body = head(out);
    let mut stream = body.write().expect("the stream is taken once");
    push(&mut stream, "half a bo");
    read_to_end(request);
    trap()
}

fn head_first(request: &IncomingRequest, out: ResponseOutparam) {
    let body = head(out);
    read_to_end(request);
    let mut stream = body.write().expect("the stream is taken once");
    push(&mut stream, "first half, ");
    push(&mut stream, "second half");
    drop(stream);
    OutgoingBody::finish(body, None).expect("no length was announced");
}

fn push(stream: &mut OutputStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("the host takes the body");
    stream.blocking_flush().expect("the host sends the body");
}

/// Reads the request's body to its end and returns its length in bytes, or 0 if the body is incomplete.
fn read_to_end(request: &IncomingRequest) -> u64 {
    let body = request.consume().expect("the body is consumed once");
    let mut stream = body.stream().expect("the stream is taken once");
    io::copy(&mut stream, &mut io::sink()).unwrap_or_default()
}

fn number(segment: &str) -> usize {
    segment.parse().expect("the test asks for a number")
}
