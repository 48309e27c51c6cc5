//! How much of everything a message may hold. What exceeds a limit is refused, never cut.

/// Bytes of one message: what a UDP datagram can carry.
pub const MAX_MESSAGE: usize = 65_535;
/// Header lines of one message.
pub const MAX_HEADERS: usize = 200;
/// Header lines whose places are kept without touching the heap.
pub const INLINE_HEADERS: usize = 48;
/// Bytes of one header's value, folded lines included.
pub const MAX_HEADER_LEN: usize = 8 * 1024;
/// Bytes of a header's name.
pub const MAX_NAME_LEN: usize = 128;
/// Bytes of a method's name.
pub const MAX_METHOD_LEN: usize = 62;
/// Bytes of a URI.
pub const MAX_URI_LEN: usize = 4 * 1024;
/// Via values of one message.
pub const MAX_VIAS: usize = 64;
/// Values in any other header's list (Contact, Route, Record-Route, …), over all its lines.
pub const MAX_LIST: usize = 100;
/// Parameters of one value or URI.
pub const MAX_PARAMS: usize = 64;
/// Levels of parts within parts of a body that are looked at.
pub const MAX_MULTIPART_DEPTH: usize = 4;
/// Parts of a multipart body that are looked at.
pub const MAX_PARTS: usize = 16;
