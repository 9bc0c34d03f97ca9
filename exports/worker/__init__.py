"""The work: an export is planned, extracted part by part, and assembled to a file.

`runner` works for the worker that holds the export, `helper` for those that help it. Only the
Celery tasks and the `export` command import this package. It knows no HTTP and no Celery, and
writes exports and parts only through `lifecycle`.
"""
