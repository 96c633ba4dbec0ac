"""Django's PostgreSQL backend, where every statement reaches the rows that `tenants.isolation` says."""
