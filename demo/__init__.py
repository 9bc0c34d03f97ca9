"""Real data to try Waybill on: a year of flights from New York, and who may export them.

Everything a project of yours would write is here and nothing else: models, exporters,
filters and admin. The loader and the accounts are for `make run`, and only
`config.run` uses this package. Without it in INSTALLED_APPS all other processes run as before.
"""
