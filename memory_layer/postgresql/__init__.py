"""The database backend of the settings: Django's with django-prometheus' counters, and faster timestamps."""
