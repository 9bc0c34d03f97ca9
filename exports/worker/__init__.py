"""The work: plan an export, extract it part by part, and assemble the file.

`runner` is the loop of the worker that holds an export, `helper` that of the workers that help it.
Only the Celery tasks and the `export` command import this package. It knows no HTTP and no Celery,
and writes exports and parts only through `lifecycle`.
"""
