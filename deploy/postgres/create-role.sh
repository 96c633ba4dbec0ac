#!/bin/sh
# Runs once, when the database's volume is new: the role that the service uses, and its database.
# The role is no superuser: row-level security does not hold for those. It may make roles, because migrations make those
# that keep tenants apart. Its password comes from MEMORY_ROLE_PASSWORD, or
# from the file that MEMORY_ROLE_PASSWORD_FILE names.
set -eu
password="${MEMORY_ROLE_PASSWORD:-}"
if [ -n "${MEMORY_ROLE_PASSWORD_FILE:-}" ]; then password="$(cat "$MEMORY_ROLE_PASSWORD_FILE")"; fi
if [ -z "$password" ]; then echo "MEMORY_ROLE_PASSWORD or MEMORY_ROLE_PASSWORD_FILE must be set" >&2; exit 1; fi
psql -v ON_ERROR_STOP=1 -v password="$password" --no-psqlrc --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
CREATE ROLE memory LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE PASSWORD :'password';
CREATE DATABASE memory OWNER memory;
\connect memory
CREATE EXTENSION vector;
SQL
