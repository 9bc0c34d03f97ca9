"""Durable streams with live updates, and an inbox for each user.

A stream is a named sequence of events, with gapless offsets, and of retained values, the newest of
each key. Both are rows of the database; the channel layer only delivers them sooner. A client holds
a cursor, and gets everything after it in order and once. This package does not know what the items
mean.
"""
