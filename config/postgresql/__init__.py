"""Django's PostgreSQL backend, which also records whether this process gets its connections."""
