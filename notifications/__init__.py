"""Durable streams with live push, and an inbox for each user.

A stream is a named sequence that clients follow. It carries events, which are facts with gapless
offsets, and retained values, which are the newest state of a key. Both are stored as rows; the
channel layer only delivers them sooner. A client holds a cursor and gets everything after it, once
and in order. Some events of a user's own stream are notifications: the bell and the inbox show
them, and beat sends them by e-mail. The app does not know what the events mean.
"""
