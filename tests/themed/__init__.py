"""The project with django-unfold as the theme of its admin."""
