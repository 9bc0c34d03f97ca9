"""A query becomes a file. Knows no HTTP and no Celery.

`plan` cuts a query into ranges of keys, `readers` turn a range into rows, `writers` turn
rows into bytes, `store` keeps the files, `runner` is the loop that a worker runs.
"""
