#![no_main]

use libfuzzer_sys::fuzz_target;
use phoneai_sip::message::{NameAddr, Uri, Via};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(uri) = Uri::parse(bytes) {
        // Reading it again gives the same, and it is equal to itself.
        let again = Uri::parse(uri.as_str().as_bytes()).expect("what was read can be read");
        assert!(uri.is_equivalent(&again));
        let _ = (uri.user_decoded(), uri.host().map(|host| host.to_string()));
        assert_eq!(uri.header_fields().count(), again.header_fields().count());
    }
    if let Ok(addr) = NameAddr::parse(bytes) {
        let _ = (addr.display_name(), addr.tag(), addr.expires());
        assert!(addr.q_thousandths() <= 1000);
    }
    if let Ok(via) = Via::parse(bytes) {
        let _ = (via.branch(), via.received(), via.rport(), via.maddr(), via.ttl());
    }
});
