//! Long answers in short writes.
//!
//! What a reader would get wrong: a thread that gives way does so only between system calls. Many kernels
//! let none be interrupted, and writing a megabyte to a connection takes one of them a millisecond, in
//! which no check can have the core. The answers to large batches are that long.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that writes at most [`PIECE`] bytes at a time.
#[derive(Debug)]
pub(super) struct Pieces<S>(pub(super) S);

/// Some thirty microseconds.
pub(super) const PIECE: usize = 32 << 10;

impl<S: AsyncRead + Unpin> AsyncRead for Pieces<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pieces<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        Pin::new(&mut self.0).poll_write(context, piece)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (mut room, mut piece) = (PIECE, SmallVec::<[IoSlice<'_>; 8]>::new());
        for buffer in buffers {
            let taken = buffer.len().min(room);
            piece.push(IoSlice::new(&buffer[..taken]));
            room -= taken;
            if room == 0 {
                break;
            }
        }
        Pin::new(&mut self.0).poll_write_vectored(context, &piece)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn long_answers_are_cut_and_whole_at_the_other_end() {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut ours = Pieces(ours);
        let long: Vec<u8> = (0..=u8::MAX).cycle().take(2 * PIECE + 7).collect();
        assert_eq!(ours.write(&long).await.expect("room"), PIECE);
        let (one, two) = long[PIECE..].split_at(10);
        let rest = [IoSlice::new(one), IoSlice::new(two)];
        assert_eq!(ours.write_vectored(&rest).await.expect("room"), PIECE);
        ours.write_all(&long[2 * PIECE..]).await.expect("room");
        drop(ours);
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).await.expect("all of it");
        assert!(read == long);
    }
}
