"""A project with tenants: what rows there are depends on the request, and a worker has none."""
