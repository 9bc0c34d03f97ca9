"""The wire protocol: the frames in both directions, the close codes and the rate limits.

`schema` generates documents for programs from the frames: a JSON Schema and an AsyncAPI document.
The package knows neither tables nor sockets. `frames` and `rate_limits` do not import Django.
"""
