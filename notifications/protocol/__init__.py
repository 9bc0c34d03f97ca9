"""The wire protocol: frames in both directions, close codes, and how much a client may send.

`schema` writes the same as documents for programs. This package imports no Django, and knows no
tables and no sockets.
"""
