//! RTP, codecs, telephone-events, detectors and recording: samples and time in, samples and events
//! out. Sockets and threads are in one module.
