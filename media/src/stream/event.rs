//! What a stream tells: frames, events and figures.

use std::net::SocketAddr;

use crate::{
    Samples, StreamMs,
    dtmf::{DtmfDigit, events::PressError},
};

/// 20 ms of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When the frame begins; consecutive frames are 20 ms apart, a wider gap means that frames
    /// were lost on the way to the reader.
    pub at_ms: StreamMs,
    /// What we hear.
    pub received: Samples,
    /// What we send; silence while a key is sent as telephone-event.
    pub sent: Samples,
    /// True if a part of `received` was made up for what is missing.
    pub concealed: bool,
}

/// What a stream tells its owner.
#[allow(clippy::large_enum_variant, reason = "boxing it would cost an allocation per frame")]
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// 20 ms of audio.
    Frame(Frame),
    /// The peer pressed a key.
    Digit {
        /// Which.
        digit: DtmfDigit,
        /// When its first packet came.
        at_ms: StreamMs,
        /// How long it was held.
        duration_ms: u32,
    },
    /// All keys that were to be pressed have been sent.
    DigitsSent {
        /// When the last packet went out.
        at_ms: StreamMs,
    },
    /// Keys that were to be pressed will not be sent.
    DigitsRefused {
        /// Why.
        error: PressError,
    },
    /// A recording was played to its end.
    Played {
        /// When its last sample went out.
        at_ms: StreamMs,
    },
    /// The peer's first packet has come, or the first after SDP has changed its address.
    FirstPacket {
        /// Where it came from; that is where we send from now on.
        source: SocketAddr,
        /// When.
        at_ms: StreamMs,
    },
    /// Nothing has come from the peer for a while. Told once until something comes.
    NoPackets {
        /// When the last packet came, or the stream was configured.
        since_ms: StreamMs,
    },
    /// The stream is closed and its ports are free. Nothing follows.
    Closed {
        /// Its figures.
        stats: StreamStats,
    },
}

/// The figures of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StreamStats {
    /// Packets of the peer, duplicates not counted.
    pub received: u64,
    /// Packets of the peer that never came.
    pub lost: u64,
    /// Packets that came after their time and were not heard, or not wholly.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that fitted nowhere: damaged numbers, or a full buffer.
    pub dropped: u64,
    /// Frames that were concealed, wholly or in part.
    pub concealed: u64,
    /// Times that the jitter buffer began anew.
    pub resets: u64,
    /// Mean deviation of the packets' spacing (RFC 3550 A.8), in milliseconds.
    pub jitter_ms: f32,
    /// Packets that did not come from the peer.
    pub strangers: u64,
    /// Packets from an address that was not yet proved to be the peer's.
    pub proving: u64,
    /// Packets that were no RTP or RTCP.
    pub invalid: u64,
    /// Packets with a payload type that was not agreed on.
    pub unknown_payload: u64,
    /// Frames that were left out because the owner came late.
    pub skipped: u64,
    /// Frames that were dropped because the reader was too slow.
    pub unread_frames: u64,
    /// Events that were lost because nobody fetched them.
    pub events_lost: u64,
    /// Packets that we have sent.
    pub sent: u64,
    /// Part of our packets that the peer misses, as its last report says, 0 to 1.
    pub peer_loss: Option<f32>,
    /// When the peer's first packet came.
    pub first_in_ms: Option<StreamMs>,
    /// When our first packet went out.
    pub first_out_ms: Option<StreamMs>,
    /// Where the peer's packets come from.
    pub source: Option<SocketAddr>,
}
