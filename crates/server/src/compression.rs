//! Compressed answers, for who accepts them.

use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// Shorter answers fit into a packet or two as they are.
const BYTES_MIN: u16 = 1_400;

/// Compresses long answers with gzip. Never event streams: what is gathered to be compressed well
/// comes late. Nor what is compressed already.
pub(crate) fn compression() -> CompressionLayer<impl Predicate> {
    let worth_it = SizeAbove::new(BYTES_MIN)
        .and(NotForContentType::SSE)
        .and(NotForContentType::const_new("image/"))
        .and(NotForContentType::const_new("font/"));
    CompressionLayer::new().compress_when(worth_it)
}
