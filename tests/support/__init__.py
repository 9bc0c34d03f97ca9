"""Helpers of tests: requests, models, clients and programs."""
