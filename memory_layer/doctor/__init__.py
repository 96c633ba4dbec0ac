"""`manage.py doctor`: what is configured, what can be reached, what is wrong, and how to mend it."""
