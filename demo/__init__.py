"""Real data to try Waybill on: a year of flights from New York, and accounts that may export them.

It has what a project of yours would write: models, exporters, filters and admin. The loader and the
accounts are for `make run`. Only `config.run` imports this package; without it in INSTALLED_APPS
all other processes run as before.
"""
