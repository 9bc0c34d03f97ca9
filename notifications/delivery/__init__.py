"""How what is kept gets to clients: over a WebSocket, server-sent events or a long poll.

There is one `hub` in each web process; `subscription` decides what a client is sent next, without
Django and without I/O. Every item is read from the tables, so that nothing is lost when a push is.
It asks `streams.access` who may listen, and does not know what the items mean.
"""
