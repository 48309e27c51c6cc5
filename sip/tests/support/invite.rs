/// An INVITE as a carrier sends it: 1.6 kB, 17 headers with credentials, five codecs.
pub fn invite() -> Vec<u8> {
    let sdp = "v=0\r\no=gateway 3735928559 1 IN IP4 192.0.2.77\r\ns=SIP Media Capabilities\r\n\
        c=IN IP4 192.0.2.77\r\nt=0 0\r\nm=audio 19580 RTP/AVP 0 8 9 18 101\r\n\
        a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n\
        a=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\na=maxptime:20\r\na=sendrecv\r\n";
    format!(
        "INVITE sip:+12025550123@198.51.100.20:5060;transport=udp SIP/2.0\r\n\
        Via: SIP/2.0/UDP 203.0.113.33:5060;branch=z9hG4bK2d4790.aa1f8347bd8f6e1c.0;rport\r\n\
        Via: SIP/2.0/UDP 192.0.2.77:5060;received=192.0.2.77;branch=z9hG4bK0cBf4a1d2;rport=5060\r\n\
        Record-Route: <sip:203.0.113.33;lr;ftag=gK0c8a2f1b>\r\n\
        Record-Route: <sip:203.0.113.44:5060;lr>\r\n\
        Max-Forwards: 67\r\n\
        From: \"WIRELESS CALLER\" <sip:+12025550199;isup-oli=62@fl.example>;tag=gK0c8a2f1b\r\n\
        To: <sip:+12025550123@203.0.113.33>\r\n\
        Call-ID: 421859102_118934427@192.0.2.77\r\n\
        CSeq: 894362 INVITE\r\n\
        Contact: <sip:+12025550199@192.0.2.77:5060>\r\n\
        Allow: INVITE, ACK, CANCEL, BYE, REGISTER, REFER, INFO, SUBSCRIBE, NOTIFY, PRACK, UPDATE\r\n\
        Accept: application/sdp, application/isup, application/dtmf, multipart/mixed\r\n\
        Supported: timer, 100rel, precondition\r\n\
        Session-Expires: 1800;refresher=uac\r\n\
        P-Asserted-Identity: \"WIRELESS CALLER\" <sip:+12025550199@192.0.2.77:5060>\r\n\
        Proxy-Authorization: Digest username=\"12345678\", realm=\"carrier.example\", \
        nonce=\"5f1b1c2d3e4f5a6b7c8d9e0f\", uri=\"sip:+12025550123@198.51.100.20\", \
        response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5\r\n\
        Content-Disposition: session;handling=required\r\n\
        Content-Type: application/sdp\r\n\
        Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
    .into_bytes()
}
