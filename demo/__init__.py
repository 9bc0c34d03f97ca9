"""Real data to try Waybill on: a year of flights from New York, and accounts that may export them.

It has the code that your own project would have: models, exporters, filters and admin. The loader
and the accounts are for `make run`. Except for benchmarks and tests, only `config.run` imports this
package: all other processes run without it in INSTALLED_APPS, too.
"""
