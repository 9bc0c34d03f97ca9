"""The project with a replica that its routers read from, as in Django's documentation."""
