"""Texts for people: stored once in English, and shown in the reader's language.

`message.Message` is a translatable text with parameters. Errors carry one; `dump`, `load` and
`localize` store it with an export that failed, and show it to each reader. `labels` names exports
that their owner has not named, and `numbers` writes numbers. This package does not know what an
export is.
"""
