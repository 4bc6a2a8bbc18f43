//! TCP ports that are free now and that nobody will be given by chance.
//!
//! Asking the kernel for port 0 and closing it again hands out numbers that the next outgoing
//! connection may take. These come from below the range that connections are given.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Where the search starts and how many numbers it goes through.
const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A free port of 127.0.0.1, never the same one twice in a process.
pub(crate) fn free() -> u16 {
    // Test binaries that run at the same time start at different places.
    let start = u16::try_from(process::id() % u32::from(COUNT / 64)).expect("below COUNT") * 64;
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if is_free(FIRST + offset) {
            return FIRST + offset;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT);
}

/// `wanted` when nobody listens there, otherwise a free one.
pub(crate) fn free_or(wanted: u16) -> u16 {
    if is_free(wanted) { wanted } else { free() }
}

/// 127.0.0.1 with this port.
pub(crate) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(local(port)).is_ok()
}
