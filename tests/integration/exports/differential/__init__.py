"""Exports of made-up models and querysets, compared with what the ORM gives for them."""
