//! Stories about clients and the server, without sockets.
