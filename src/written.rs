//! Streams whose writes have a shape of our choice.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that is read as it is and written in another way.
#[derive(Debug)]
pub(crate) struct Written<S> {
    stream: S,
    /// Most bytes in one write.
    most: usize,
    /// Whether one write may take several buffers.
    is_vectored: bool,
}

impl<S> Written<S> {
    /// One buffer a write, however long.
    pub(crate) fn by_buffer(stream: S) -> Self {
        Self {
            stream,
            most: usize::MAX,
            is_vectored: false,
        }
    }

    /// At most `most` bytes a write, of as many buffers.
    pub(crate) fn in_pieces(stream: S, most: usize) -> Self {
        Self {
            stream,
            most,
            is_vectored: true,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Written<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Written<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let piece = &bytes[..bytes.len().min(self.most)];
        Pin::new(&mut self.stream).poll_write(context, piece)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let (mut room, mut piece) = (self.most, SmallVec::<[IoSlice<'_>; 8]>::new());
        for buffer in buffers {
            let taken = buffer.len().min(room);
            piece.push(IoSlice::new(&buffer[..taken]));
            room -= taken;
            if room == 0 {
                break;
            }
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, &piece)
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored && self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const PIECE: usize = 32 << 10;

    #[tokio::test]
    async fn long_answers_are_cut_and_whole_at_the_other_end() {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut ours = Written::in_pieces(ours, PIECE);
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

    #[test]
    fn one_buffer_at_a_time_is_said_where_it_is_wanted() {
        let is_vectored = |stream: Written<_>| stream.is_write_vectored();
        assert!(is_vectored(Written::in_pieces(duplex(1).0, PIECE)));
        assert!(!is_vectored(Written::by_buffer(duplex(1).0)));
    }
}
