"""The wire protocol: the frames in both directions, the close codes and the rate limits.

`schema` turns the frames into documents for programs: a JSON Schema and an AsyncAPI document. The
package knows neither tables nor sockets. `frames` and `rate_limits` import no Django.
"""
