"""Django's PostgreSQL, which also notes whether this process gets its connections."""
