"""Durable streams with live updates, and an inbox for each user.

A stream is a named sequence of events, with gapless offsets, and of retained values, the newest of
each key. Both are rows first; the channel layer only carries them sooner. A client holds a cursor
and gets everything after it, in order, once. This package does not know what the items mean.
"""
