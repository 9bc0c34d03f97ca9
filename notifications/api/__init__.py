"""What every HTTP API of the project needs: who calls, and what an error looks like.

`auth` identifies a browser by its session and a program by its token, `tokens` stores the tokens,
and `problems` writes errors as problem+json. It has no routes of its own.
"""
