"""How stored items reach clients: over a WebSocket, server-sent events or a long poll.

Each web process has one `hub`; `subscription` decides what a client gets next, without Django and
without I/O. A lost push loses no item, because the hub finds new items in the tables.
`streams.access` decides who may listen. This package does not know what the items mean.
"""
