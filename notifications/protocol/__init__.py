"""The wire: every frame in either direction, every close code, and how much a client may send.

`schema` writes the same as documents that programs read. It imports no Django, and knows nothing of
tables or sockets.
"""
