"""What exports say to people, stored once in English and shown in the reader's language.

`message` writes a text with named values, `localize` says it in a language, and `labels` names an
export that nobody has named. `message` imports no Django, so that formats can use it. Nothing in
here knows what an export is.
"""
