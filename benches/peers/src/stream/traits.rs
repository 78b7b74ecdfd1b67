//! `Stream` as the readers and writers of the standard library, of tokio, of futures, of embedded-io
//! and of wtx.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

use super::{Source, Stream};

impl<S: Source> Stream<S> {
    #[inline]
    fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<usize> {
        match self.source.arrive(buffer.len()) {
            Some(bytes) => {
                buffer[..bytes.len()].copy_from_slice(bytes);
                Poll::Ready(bytes.len())
            }
            None => Poll::Pending,
        }
    }
}

impl<S: Source> Read for Stream<S> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.poll_read(buffer) {
            Poll::Ready(len) => Ok(len),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S> Write for Stream<S> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.sink.write(bytes))
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.sink.write_slices(slices))
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Source + Unpin> tokio::io::AsyncRead for Stream<S> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.source.arrive(buffer.remaining()) {
            Some(bytes) => {
                buffer.put_slice(bytes);
                Poll::Ready(Ok(()))
            }
            None => Poll::Pending,
        }
    }
}

impl<S: Unpin> tokio::io::AsyncWrite for Stream<S> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.sink.write(bytes)))
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.sink.write_slices(slices)))
    }

    /// As sockets do.
    #[inline]
    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<S: Source + Unpin> futures::io::AsyncRead for Stream<S> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Stream::poll_read(&mut self, buffer).map(Ok)
    }
}

impl<S: Unpin> futures::io::AsyncWrite for Stream<S> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.sink.write(bytes)))
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.sink.write_slices(slices)))
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<S> embedded_io_async::ErrorType for Stream<S> {
    type Error = Infallible;
}

impl<S: Source> embedded_io_async::Read for Stream<S> {
    #[inline]
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        Ok(poll_fn(|_| self.poll_read(buffer)).await)
    }
}

impl<S> embedded_io_async::Write for Stream<S> {
    #[inline]
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.sink.write(bytes))
    }

    #[inline]
    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<S: Source> wtx::stream::StreamReader for Stream<S> {
    #[inline]
    async fn read(&mut self, buffer: &mut [u8]) -> wtx::Result<usize> {
        Ok(poll_fn(|_| self.poll_read(buffer)).await)
    }
}

impl<S> wtx::stream::StreamWriter for Stream<S> {
    #[inline]
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        self.sink.write(bytes);
        Ok(())
    }

    #[inline]
    async fn write_all_vectored(&mut self, slices: &[&[u8]]) -> wtx::Result<()> {
        for slice in slices {
            self.sink.write(slice);
        }
        Ok(())
    }
}
