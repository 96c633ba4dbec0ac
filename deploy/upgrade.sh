#!/bin/sh
# Replaces the running production by the version in this directory, service by service, without losing a request:
# docs/upgrading.md. Migrations come first, so the old code runs on the new tables for a moment.
set -eu
cd "$(dirname "$0")"
compose() { docker compose --file docker-compose.prod.yml "$@"; }

compose build
compose run --rm migrate
# One after the other. The proxy uses the other web meanwhile, before the one has stopped already. Replaced even if
# nothing is new: one that was told to drain would never be in the proxy's turn again.
for service in web-a web-b; do
	compose exec --no-TTY "$service" python -m memory_layer.drain ||
		echo "$service could not be told to drain; if it is down there is nothing to drain. It is replaced now." >&2
	compose up --detach --no-deps --force-recreate --wait "$service"
done
for service in worker beat; do
	compose up --detach --no-deps --wait "$service"
done
