"""What tests use: requests, models, clients and programs."""
