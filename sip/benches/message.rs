//! Reading and writing one INVITE of a carrier: `cargo bench -p phoneai-sip`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may fail loudly")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use phoneai_sip::message::{Message, Request};

#[path = "../tests/support/invite.rs"]
mod sample;

fn message(c: &mut Criterion) {
    let bytes = sample::invite();
    c.bench_function("parse", |b| b.iter(|| Message::parse(black_box(&bytes)).unwrap()));
    c.bench_function("parse and read the core headers", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(&bytes)).unwrap();
            let via = message.top_via().unwrap().branch();
            let (from, to) = (message.from_().unwrap().tag(), message.to().unwrap().tag());
            let contact = message.contacts().next().map(|contact| contact.unwrap());
            black_box((
                via,
                from,
                to,
                message.call_id().unwrap(),
                message.cseq().unwrap(),
                contact,
            ));
        });
    });
    c.bench_function("parse and check every header", |b| {
        b.iter(|| Message::parse(black_box(&bytes)).unwrap().check().unwrap());
    });
    let message = Message::parse(&bytes).unwrap();
    let uri = message.request_uri().unwrap();
    let mut request = Request::new(message.method().unwrap(), uri.as_str());
    for header in message.headers() {
        request.headers_mut().push(header.name, header.value);
    }
    request.set_content(message.body());
    let mut out = Vec::with_capacity(4096);
    c.bench_function("write", |b| {
        b.iter(|| {
            out.clear();
            black_box(&request).write(&mut out);
        });
    });
}

criterion_group!(benches, message);
criterion_main!(benches);
