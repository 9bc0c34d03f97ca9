"""Durable streams with live push, and an inbox for each user that is made of one.

A stream is a named sequence that a client follows. It carries events, which are facts
with gapless offsets, and retained values, which are the newest state of a key. Both are
rows first; the channel layer only carries them sooner. A client holds a cursor and gets
everything after it, in order, once. Certain events of a user's own stream are notifications:
the bell and the inbox show them, and beat mails them. This package knows nothing of what is
published.
"""
