"""`manage.py import_messages FILE.jsonl --tenant acme`: one message a line, as in POST /v1/messages."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework.exceptions import ValidationError
from tqdm import tqdm

from memories import activity, ingest, quotas, serializers
from tenants.lifecycle import create_tenant
from tenants.models import Tenant

BATCH = 500


class Command(BaseCommand):
    help = (
        "Import messages from JSON lines. Batches are committed one by one; lines with an external_id that is stored "
        "already are passed over, so an interrupted import goes on where it stopped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--tenant", required=True, help="Created if it does not exist.")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            file = path.open(encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}") from error
        tenant = Tenant.objects.filter(name=options["tenant"]).first() or create_tenant(
            name=options["tenant"]
        )
        with file, tqdm(total=path.stat().st_size, unit="B", unit_scale=True, disable=None) as bar:
            try:
                stored, known = _import(tenant, file, bar)
            finally:
                activity.flush()  # this process ends before its time comes
        self.stdout.write(f"{stored} messages stored, {known} were there already.")


def _import(tenant: Tenant, file: IO[str], bar: Any) -> tuple[int, int]:
    stored = known = 0
    numbered = enumerate(file, start=1)
    while lines := list(islice(numbered, BATCH)):
        messages = list(_parsed(tenant, lines))
        try:
            results = ingest.store(tenant=tenant, messages=messages) if messages else []
        except ingest.ExternalIdConflict as error:
            where = f"between lines {lines[0][0]} and {lines[-1][0]}"
            taken = ", ".join(str(messages[index].external_id) for index in error.indexes[:5])
            raise CommandError(
                f"{where}: external_id taken by another message: {taken}. {stored} stored before."
            ) from error
        except ingest.Erased as error:
            fields = sorted({field for field, _ in error.refused.values()})
            where = f"{len(error.refused)} messages between lines {lines[0][0]} and {lines[-1][0]}"
            raise CommandError(f"{where}: {error.sentence(fields)} {stored} stored before.") from error
        except quotas.QuotaExceeded as error:
            raise CommandError(f"before line {lines[-1][0]}: {error} {stored} stored before.") from error
        stored += sum(not each.replayed for each in results)
        known += sum(each.replayed for each in results)
        bar.update(sum(len(line.encode("utf-8")) for _, line in lines))
    return stored, known


def _parsed(tenant: Tenant, lines: list[tuple[int, str]]) -> Iterator[ingest.NewMessage]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            serializer = serializers.MessageIn(data=json.loads(line))
            serializer.is_valid(raise_exception=True)
        except (ValueError, RecursionError) as error:
            raise CommandError(
                f"line {number} is not JSON: {error}. Everything before its batch is stored."
            ) from error
        except ValidationError as error:
            raise CommandError(
                f"line {number}: {_first(error.detail)} Everything before its batch is stored."
            ) from error
        if serializer.validated_data.get("tenant_id", tenant.name) != tenant.name:
            raise CommandError(f"line {number} is of another tenant than {tenant.name}.")
        yield serializers.as_new_message(serializer.validated_data)


def _first(detail: Any) -> str:
    field, faults = next(iter(detail.items()))
    return f"{field}: {faults[0]}"
