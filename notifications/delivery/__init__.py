"""Deliver stream items to clients: over a WebSocket, server-sent events or a long poll.

Each web process has one `hub`, its member of the channel layer. `subscription` decides what a client
gets next, without Django and without I/O. If a push is lost, the items are read from the tables.
`streams.access` decides who may read a stream. The package does not know what the items mean.
"""
