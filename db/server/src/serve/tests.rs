//! The server over real sockets and pipes.
