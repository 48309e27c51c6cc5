//! The sections: what can be set, the defaults, and what fits together.
//!
//! Each `read` asks for every setting of its section by name; what it does not ask for is unknown.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use super::{
    reader::Section,
    secret::Secret,
    setting::{HostPort, Setting, words},
};
use crate::http::IpRanges;

/// `[api]`: the REST API.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Address and TCP port to listen on; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Whether `makecall_submenu` refuses menus in which nothing is left to explore.
    pub refuse_completed_menu: bool,
    /// Whether the API tells the passwords of extensions.
    pub expose_sip_passwords: bool,
    /// Requests a second of one client to the old API; 0 for any number.
    pub max_requests_per_second: u32,
    /// The same of `/api/v2`.
    pub max_requests_per_second_v2: u32,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            refuse_completed_menu: false,
            expose_sip_passwords: true,
            max_requests_per_second: 1000,
            max_requests_per_second_v2: 50,
        }
    }
}

impl Api {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        Self {
            listen: s.read("listen", default.listen),
            refuse_completed_menu: s.read("refuse_completed_menu", default.refuse_completed_menu),
            expose_sip_passwords: s.read("expose_sip_passwords", default.expose_sip_passwords),
            max_requests_per_second: s
                .read("max_requests_per_second", default.max_requests_per_second),
            max_requests_per_second_v2: s
                .read("max_requests_per_second_v2", default.max_requests_per_second_v2),
        }
    }
}

/// `[sip]`: our own end of the signalling.
#[derive(Clone, Debug, PartialEq)]
pub struct Sip {
    /// Address and UDP port to listen on; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// The address that peers are told to send to, where it differs from the one we listen on:
    /// the public address in front of a NAT.
    pub advertise: Option<IpAddr>,
    /// A place of its own for the carrier; `None` if it shares `listen` with the phones.
    pub trunk_listen: Option<SocketAddr>,
    /// Where TCP is accepted; `None`: nowhere.
    pub tcp_listen: Option<SocketAddr>,
    /// Where TLS is accepted; `None`: nowhere.
    pub tls_listen: Option<SocketAddr>,
    /// The certificate that we show, with its chain, a PEM file.
    pub tls_certificate: Option<PathBuf>,
    /// Its key, a PEM file.
    pub tls_key: Option<PathBuf>,
    /// Authorities whose certificates we believe, a PEM file; `None` for the public ones.
    pub tls_authorities: Option<PathBuf>,
    /// Authorities of whom each client must show a certificate; `None`: it need not show any.
    pub tls_client_authorities: Option<PathBuf>,
    /// Calls at a time.
    pub max_calls: u32,
    /// Datagrams a second of an address that has proven nothing.
    pub stranger_rate: u32,
    /// How long an address is not heard that guessed passwords, in seconds.
    pub ban_seconds: u32,
}

impl Default for Sip {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 5060)),
            advertise: None,
            trunk_listen: None,
            tcp_listen: None,
            tls_listen: None,
            tls_certificate: None,
            tls_key: None,
            tls_authorities: None,
            tls_client_authorities: None,
            max_calls: 10_000,
            stranger_rate: 50,
            ban_seconds: 300,
        }
    }
}

impl Sip {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let sip = Self {
            listen: s.read("listen", default.listen),
            advertise: s.read("advertise", default.advertise),
            trunk_listen: s.read("trunk_listen", default.trunk_listen),
            tcp_listen: s.read("tcp_listen", default.tcp_listen),
            tls_listen: s.read("tls_listen", default.tls_listen),
            tls_certificate: s.read("tls_certificate", default.tls_certificate),
            tls_key: s.read("tls_key", default.tls_key),
            tls_authorities: s.read("tls_authorities", default.tls_authorities),
            tls_client_authorities: s
                .read("tls_client_authorities", default.tls_client_authorities),
            max_calls: s.read_in("max_calls", default.max_calls, 1..=100_000),
            stranger_rate: s.read_in("stranger_rate", default.stranger_rate, 1..=100_000),
            ban_seconds: s.read_in("ban_seconds", default.ban_seconds, 1..=86_400),
        };
        let others = [
            ("trunk_listen", sip.trunk_listen),
            ("tcp_listen", sip.tcp_listen),
            ("tls_listen", sip.tls_listen),
        ];
        for (key, address) in others {
            if address.is_some_and(|address| address.is_ipv4() != sip.listen.is_ipv4()) {
                s.wrong(
                    key,
                    "and sip.listen are of different IP versions",
                    "use IPv4 for both or IPv6 for both",
                );
            }
        }
        if sip.tls_listen.is_some() && sip.tls_certificate.is_none() {
            s.wrong(
                "tls_listen",
                "is set, but sip.tls_certificate is empty",
                "write the file of the certificate that phones are to see",
            );
        }
        if sip.tls_certificate.is_some() != sip.tls_key.is_some() {
            s.wrong(
                "tls_key",
                "and sip.tls_certificate belong together, but one of them is empty",
                "write both files, or neither",
            );
        }
        if let Some(ip) = sip.advertise {
            if ip.is_unspecified() {
                s.wrong(
                    "advertise",
                    format!("is {ip}, which no peer can send to"),
                    "write the address at which peers reach this machine, or leave it empty",
                );
            } else if ip.is_ipv4() != sip.listen.is_ipv4() {
                s.wrong(
                    "advertise",
                    "and sip.listen are of different IP versions",
                    "use IPv4 for both or IPv6 for both",
                );
            }
        }
        sip
    }
}

/// How SIP travels to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In datagrams.
    Udp,
    /// Over a connection.
    Tcp,
    /// Over an encrypted connection to a peer whose certificate is checked.
    Tls,
}

words!(Transport { "udp" => Udp, "tcp" => Tcp, "tls" => Tls });

/// `[trunk]`: the carrier through which numbers are called.
#[derive(Clone, Debug, PartialEq)]
pub struct Trunk {
    /// The carrier's SIP server.
    pub address: HostPort,
    /// Who we are to it; empty if it knows us by our address.
    pub username: String,
    /// The password of `username`.
    pub password: Option<Secret<String>>,
    /// The only digest realm to which the password is answered; empty for the first that asks.
    pub realm: String,
    /// True if we REGISTER there.
    pub register: bool,
    /// The lifetime that we ask for a registration, in seconds.
    pub expires_s: u32,
    /// Put before each number that is called, as it is.
    pub tech_prefix: String,
    /// The number that we call from; empty to use `username`.
    pub caller_id: String,
    /// From where its calls come in, besides `address`.
    pub sources: IpRanges,
    /// How we send to it.
    pub transport: Transport,
}

impl Trunk {
    const DEFAULT_EXPIRES_S: u32 = 600;

    /// A carrier that knows us by our address.
    pub fn at(address: HostPort) -> Self {
        Self {
            address,
            username: String::new(),
            password: None,
            realm: String::new(),
            register: false,
            expires_s: Self::DEFAULT_EXPIRES_S,
            tech_prefix: String::new(),
            caller_id: String::new(),
            sources: IpRanges::default(),
            transport: Transport::Udp,
        }
    }

    pub(super) fn read(s: &mut Section<'_, '_>) -> Option<Self> {
        let address: Option<HostPort> = s.read("address", None);
        let username: String = s.read("username", String::new());
        let password: Option<Secret<String>> = s.read("password", None);
        let realm: String = s.read("realm", String::new());
        let register = s.read("register", false);
        let expires_s = s.read_in("expires_s", Self::DEFAULT_EXPIRES_S, 60..=86_400);
        let tech_prefix: String = s.read("tech_prefix", String::new());
        let caller_id: String = s.read("caller_id", String::new());
        let sources = s.read("sources", IpRanges::default());
        let transport = s.read("transport", Transport::Udp);

        if register && username.is_empty() {
            s.wrong(
                "register",
                "is true, but trunk.username is empty",
                "write the user name that the carrier gave you, or set trunk.register = false",
            );
        }
        if password.is_some() && username.is_empty() {
            s.wrong(
                "password",
                "is set, but trunk.username is empty",
                "write the user name that belongs to it",
            );
        }
        if !username.is_empty() && password.is_none() {
            s.wrong(
                "username",
                "is set, but trunk.password is empty",
                "write the password as ${file:PATH} or set PHONEAI_TRUNK_PASSWORD",
            );
        }
        for (key, text) in [("username", &username), ("realm", &realm)] {
            if text.chars().any(char::is_control) {
                s.wrong(key, "has a control character", "remove it");
            }
        }
        let dialled = |c: char| c.is_ascii_digit() || "+*#".contains(c);
        if !tech_prefix.chars().all(dialled) {
            s.wrong(
                "tech_prefix",
                "has other characters than digits, +, * and #",
                "write the prefix as the carrier states it, like \"12345678*\"",
            );
        }
        let number = caller_id.strip_prefix('+').unwrap_or(&caller_id);
        let is_number =
            (1..=15).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        if !caller_id.is_empty() && !is_number {
            s.wrong(
                "caller_id",
                "is not a telephone number",
                "write an optional + and 1 to 15 digits",
            );
        }
        let Some(address) = address else {
            for (key, set) in [
                ("username", !username.is_empty()),
                ("register", register),
                ("tech_prefix", !tech_prefix.is_empty()),
                ("sources", !sources.is_empty()),
            ] {
                if set {
                    s.wrong(
                        key,
                        "is set, but trunk.address is empty",
                        "write the carrier's SIP server in trunk.address",
                    );
                }
            }
            return None;
        };
        Some(Self {
            address,
            username,
            password,
            realm,
            register,
            expires_s,
            tech_prefix,
            caller_id,
            sources,
            transport,
        })
    }
}

/// `[media]`: audio and keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// The address on which audio is received; `None` for that of `sip.listen`.
    pub bind: Option<IpAddr>,
    /// The lowest UDP port for audio.
    pub port_min: u16,
    /// The highest.
    pub port_max: u16,
    /// How long a key sounds, in milliseconds.
    pub dtmf_tone_ms: u32,
    /// The silence after each key, in milliseconds.
    pub dtmf_gap_ms: u32,
    /// After how long without a packet in an answered call a warning is logged, in milliseconds.
    pub no_packets_ms: u32,
}

impl Default for Media {
    fn default() -> Self {
        Self {
            bind: None,
            port_min: 20_000,
            port_max: 29_999,
            dtmf_tone_ms: 100,
            dtmf_gap_ms: 100,
            no_packets_ms: 5_000,
        }
    }
}

impl Media {
    /// Calls that have a place in the port range: an even port for RTP and the odd one above it
    /// for RTCP each (RFC 3550 §11).
    pub fn places(&self) -> u32 {
        let first_even = u32::from(self.port_min).next_multiple_of(2);
        (u32::from(self.port_max) + 1).saturating_sub(first_even) / 2
    }

    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let mut media = Self {
            bind: s.read("bind", default.bind),
            port_min: s.read_in("port_min", default.port_min, 1024..=65_534),
            port_max: s.read_in("port_max", default.port_max, 1025..=65_535),
            // Q.24 asks receivers for 40 ms and 40 ms; RFC 4733 §2.5.2.2 bounds one event's length.
            dtmf_tone_ms: s.read_in("dtmf_tone_ms", default.dtmf_tone_ms, 40..=6_000),
            dtmf_gap_ms: s.read_in("dtmf_gap_ms", default.dtmf_gap_ms, 40..=6_000),
            no_packets_ms: s.read_in("no_packets_ms", default.no_packets_ms, 500..=60_000),
        };
        if media.places() == 0 {
            let what = format!("is {}, but media.port_max is {}", media.port_min, media.port_max);
            s.wrong(
                "port_min",
                what,
                "write a range with at least one even port and the odd one above it",
            );
            (media.port_min, media.port_max) = (default.port_min, default.port_max);
        }
        media
    }
}

/// `[store]`: where everything is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// The directory of the database and the recordings.
    pub data_dir: PathBuf,
}

impl Default for Store {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("phoneai-data") }
    }
}

impl Store {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let store = Self { data_dir: s.read("data_dir", Self::default().data_dir) };
        if store.data_dir == Path::new("") {
            s.wrong(
                "data_dir",
                "is empty",
                "write the directory that is to hold the database and the recordings",
            );
        } else if store.data_dir.exists() && !store.data_dir.is_dir() {
            s.wrong(
                "data_dir",
                "is not a directory",
                "name a directory, or a path that does not exist yet",
            );
        }
        store
    }
}

/// `[recording]`: audio on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// True if each call, and each menu by itself, is kept as a WAV file.
    pub enabled: bool,
}

impl Default for Recording {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Recording {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        Self { enabled: s.read("enabled", Self::default().enabled) }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; in colour on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

words!(LogFormat { "text" => Text, "json" => Json });

/// `[log]`: what is written to standard error.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The least level, for all or by module: `info`, `info,phoneai_sip=debug`.
    pub level: String,
    /// The form of the lines.
    pub format: LogFormat,
    /// True if telephone numbers are hidden.
    pub redact_numbers: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text, redact_numbers: false }
    }
}

impl Log {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let log = Self {
            level: s.read("level", default.level),
            format: s.read("format", default.format),
            redact_numbers: s.read("redact_numbers", default.redact_numbers),
        };
        if let Err(e) = crate::log::filter(&log.level) {
            s.wrong("level", format!("is not understood: {e}"), "write error, warn, info, debug or trace, alone or as in \"info,phoneai_sip=debug\"");
        }
        log
    }
}

/// `[simulator]`: the simulated carrier of `phoneai simulate` and `phoneai demo`.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulator {
    /// Address and UDP port of its trunk; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Address and TCP port of its HTTP services; port 0 takes any that is free.
    pub services: SocketAddr,
    /// The directory of the menus and their recordings; `None` for those built into the program.
    pub menus: Option<PathBuf>,
}

impl Default for Simulator {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 5070)),
            services: SocketAddr::from(([127, 0, 0, 1], 5071)),
            menus: None,
        }
    }
}

impl Simulator {
    pub(super) fn read(s: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let simulator = Self {
            listen: s.read("listen", default.listen),
            services: s.read("services", default.services),
            menus: s.read("menus", default.menus),
        };
        for (key, address) in [("listen", simulator.listen), ("services", simulator.services)] {
            if !address.ip().is_loopback() {
                s.doubtful(
                    key,
                    format!("is {}, which strangers may reach", address.ip()),
                    "it is made for tests on this machine; use 127.0.0.1",
                );
            }
        }
        simulator
    }
}
