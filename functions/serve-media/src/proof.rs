//! A body that ends only once it is noted that it was read: its last chunk waits for the note.

use aws_smithy_types::byte_stream::ByteStream;
use axum::body::{Body, Bytes};
use futures_util::stream::try_unfold;
use greenlight::error::Cause;

struct Sending<N> {
    bytes: ByteStream,
    /// What is not handed on yet: there may be nothing behind it.
    held: Option<Bytes>,
    /// How many bytes are still to come.
    left: u64,
    note: Option<N>,
}

/// The body of `length` bytes whose last chunk comes when `note` has gone well, and never otherwise. Without the last chunk
/// whoever reads has nothing whole, and a verdict about it is none.
pub(crate) fn body<N>(bytes: ByteStream, length: u64, note: N) -> Body
where
    N: Future<Output = Result<(), Cause>> + Send + 'static,
{
    let sending = Sending { bytes, held: None, left: length, note: Some(note) };
    Body::from_stream(try_unfold(sending, |mut sending| async move {
        while let Some(chunk) = sending.bytes.try_next().await? {
            sending.left = sending.left.checked_sub(chunk.len() as u64).ok_or("there is more than there should be")?;
            if let Some(before) = sending.held.replace(chunk) {
                return Ok(Some((before, sending)));
            }
        }
        let Some(note) = sending.note.take() else { return Ok(None) };
        if sending.left > 0 {
            return Err(Cause::from("it ends too early"));
        }
        note.await?;
        Ok(sending.held.take().map(|last| (last, sending)))
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use std::alloc::System;

    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};
    use peakmem_alloc::{INSTRUMENTED_SYSTEM, PeakMemAlloc, PeakMemAllocTrait};

    use super::*;

    #[global_allocator]
    static MEMORY: &PeakMemAlloc<System> = &INSTRUMENTED_SYSTEM;

    /// A body in these chunks, of which `length` bytes are promised; and whether it is noted.
    fn sent(chunks: &'static [&'static str], length: u64, goes_well: bool) -> (Body, Arc<AtomicBool>) {
        let noted = Arc::new(AtomicBool::new(false));
        let note = {
            let noted = Arc::clone(&noted);
            async move {
                noted.store(true, Ordering::SeqCst);
                if goes_well { Ok(()) } else { Err(Cause::from("the table is down")) }
            }
        };
        let frames = stream::iter(chunks).map(|chunk| Ok::<_, Cause>(Frame::data(Bytes::from(*chunk))));
        let chunks = StreamBody::new(frames);
        (body(ByteStream::from_body_1_x(chunks), length, note), noted)
    }

    #[tokio::test]
    async fn nothing_is_noted_before_the_last_chunk_is_all_that_is_left() {
        let (body, noted) = sent(&["one", "two", "three"], 11, true);
        let mut chunks = body.into_data_stream();
        for chunk in ["one", "two"] {
            assert_eq!(chunks.next().await.unwrap().unwrap(), chunk);
            assert!(!noted.load(Ordering::SeqCst), "{chunk}");
        }
        assert_eq!(chunks.next().await.unwrap().unwrap(), "three");
        assert!(noted.load(Ordering::SeqCst));
        assert!(chunks.next().await.is_none());
    }

    #[tokio::test]
    async fn of_ten_megabytes_no_more_than_two_chunks_are_held() {
        const CHUNK: usize = 64 * 1024;
        const CHUNKS: usize = 160;
        let made = stream::iter(0..CHUNKS).map(|_| Ok::<_, Cause>(Frame::data(Bytes::from(vec![0; CHUNK]))));
        let source = ByteStream::from_body_1_x(StreamBody::new(made));
        let body = body(source, (CHUNKS * CHUNK) as u64, async { Ok(()) });
        MEMORY.reset_peak_memory();
        let read = body.into_data_stream().fold(0, async |sum, chunk| sum + chunk.unwrap().len()).await;
        assert_eq!(read, CHUNKS * CHUNK);
        // Other tests run beside it, and take little.
        let most = MEMORY.get_peak_memory();
        assert!(most < 6 * CHUNK, "{most} bytes");
    }

    #[tokio::test]
    async fn what_cannot_be_noted_is_not_sent_whole() {
        let (body, _) = sent(&["one", "two"], 6, false);
        let mut chunks = body.into_data_stream();
        assert_eq!(chunks.next().await.unwrap().unwrap(), "one");
        assert!(chunks.next().await.unwrap().is_err());
        let (alone, _) = sent(&["one"], 3, false);
        assert!(alone.collect().await.is_err());
    }

    #[tokio::test]
    async fn what_has_another_length_than_the_medium_is_noted_by_nobody() {
        for length in [5, 7] {
            let (body, noted) = sent(&["one", "two"], length, true);
            assert!(body.collect().await.is_err(), "{length}");
            assert!(!noted.load(Ordering::SeqCst), "{length}");
        }
    }
}
