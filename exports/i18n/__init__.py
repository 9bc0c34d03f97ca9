"""Messages to people: stored once in English, and shown in the reader's language.

`message` is a text with named values, `localize` translates it, and `labels` names an export that
its owner has not named. `message` imports no Django, so that formats can use it. This package does
not know what an export is.
"""
