//! RTP, RTCP and telephone-events: whatever arrives, a stream gives a frame each 20 ms.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phoneai_media::exercise(data));
