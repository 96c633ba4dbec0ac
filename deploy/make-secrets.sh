#!/bin/sh
# Makes deploy/secrets/*, each unless it is there: docker-compose.prod.yml mounts them as files.
# The directory is closed to others on this machine; the files are open, because a container's user reads them by its
# own number.
set -eu
umask 022
directory="${1:-$(dirname "$0")/secrets}"
mkdir -p "$directory"
chmod 700 "$directory"
cd "$directory"

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { if [ ! -s "$1" ]; then printf '%s\n' "$2" > "$1.new" && mv "$1.new" "$1" && echo "made $directory/$1"; fi; }

keep secret-key "$(random)"
keep operator-key "$(random)"
keep metrics-key "$(random)"
keep api-keys "$(cat operator-key),$(cat metrics-key)"
keep postgres-password "$(random)"
keep database-password "$(random)"
keep database-url "postgresql://memory:$(cat database-password)@database:5432/memory"
keep grafana-password "$(random)"
