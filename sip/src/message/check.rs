//! Reading all of a message at once, to refuse what is malformed before anything is done with it.

use super::{
    HeaderName as Name, Message, Method, ParseError, ParseErrorKind as Kind, Start, StatusCode,
    Uri, lex, name,
};

/// Headers that may stand only once. The same value twice does no harm and is let pass.
const ONCE: [Name<'static>; 12] = [
    Name::CallId,
    Name::CSeq,
    Name::From,
    Name::To,
    Name::MaxForwards,
    Name::ContentType,
    Name::Expires,
    Name::MinExpires,
    Name::ReferTo,
    Name::SessionExpires,
    Name::RAck,
    Name::RSeq,
];

pub(super) fn check(message: &Message<'_>) -> Result<(), ParseError> {
    let mut vias = 0;
    for via in message.vias() {
        via?;
        vias += 1;
    }
    if vias == 0 {
        message.top_via()?;
    }
    message.from_()?;
    message.to()?;
    message.call_id()?;
    let cseq = message.cseq()?;
    once(message)?;
    lists(message)?;
    match message.start() {
        Start::Response { .. } => {}
        Start::Request { method, uri } => {
            if cseq.method != method {
                let at = message.header(Name::CSeq).map_or(0, |v| lex::offset_in(message.bytes, v));
                let error = ParseError::new(Kind::MethodMismatch, at).within(Name::CSeq);
                // RFC 4475 §3.1.2.18: that the method is not known outweighs the mismatch.
                return Err(match method {
                    Method::Other(_) => error.answered_with(StatusCode::NOT_IMPLEMENTED),
                    _ => error,
                });
            }
            let at = lex::offset_in(message.bytes, uri);
            let uri = Uri::parse(uri).map_err(|e| e.shifted(at))?;
            // §19.1.1: headers may not stand in a Request-URI; obeying them would let anyone
            // write Route or From for us.
            if !uri.headers().is_empty() {
                return Err(ParseError::new(Kind::Uri, at));
            }
        }
    }
    Ok(())
}

fn once(message: &Message<'_>) -> Result<(), ParseError> {
    // One pass over the lines: where each of them was seen first.
    let mut seen: [Option<&[u8]>; ONCE.len()] = [None; ONCE.len()];
    for line in message.layout.lines().filter(|line| line.id != name::UNKNOWN) {
        let Some(place) = ONCE.iter().position(|name| name.id() == line.id) else { continue };
        let value = line.value.of_bytes(message.bytes);
        let (Some(seen), Some(name)) = (seen.get_mut(place), ONCE.get(place)) else { continue };
        match seen {
            None => *seen = Some(value),
            Some(first) if *first == value => {}
            Some(_) => {
                return Err(ParseError::new(Kind::Conflict, line.value.start()).within(*name));
            }
        }
    }
    Ok(())
}

fn lists(message: &Message<'_>) -> Result<(), ParseError> {
    message.max_forwards()?;
    message.expires()?;
    message.min_expires()?;
    message.retry_after()?;
    message.content_type()?;
    message.rseq()?;
    message.session_expires()?;
    message.min_se()?;
    if message.header(Name::RAck).is_some() {
        message.rack()?;
    }
    let mut star = false;
    let mut contacts = 0;
    for contact in message.contacts() {
        star |= contact?.addr().is_none();
        contacts += 1;
    }
    if star && contacts > 1 {
        let at = message.header(Name::Contact).map_or(0, |v| lex::offset_in(message.bytes, v));
        return Err(ParseError::new(Kind::Value, at).within(Name::Contact));
    }
    // What only informs (identities, dates) is not worth losing a call for: it is read, and perhaps
    // refused, where it is used.
    for name in [Name::Route, Name::RecordRoute, Name::Path] {
        for addr in message.addrs(name) {
            addr?;
        }
    }
    for name in [
        Name::Authorization,
        Name::ProxyAuthorization,
        Name::WwwAuthenticate,
        Name::ProxyAuthenticate,
    ] {
        for value in message.auth_values(name) {
            value?;
        }
    }
    Ok(())
}
