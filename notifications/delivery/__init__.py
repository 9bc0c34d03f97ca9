"""How stored items reach clients: over a WebSocket, server-sent events or a long poll.

Each web process has one `hub`; `subscription` decides what a client gets next, without Django and
without I/O. A lost push loses nothing, because the hub finds new items in the tables. This package
asks `streams.access` who may listen, and does not know what the items mean.
"""
