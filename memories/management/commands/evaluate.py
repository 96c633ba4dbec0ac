"""`manage.py evaluate DATASET`: how well the memory finds what answers a question."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from memories import datasets, measures
from memories.evaluation import NotEmbedded, as_configured, evaluate


class Command(BaseCommand):
    help = "Measure retrieval on a data set in LoCoMo's format. Throw-away tenants are made and removed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dataset", type=Path)
        parser.add_argument(
            "--timeout", type=float, default=300, help="Seconds to wait for embeddings. Default: 300."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            conversations = datasets.read(options["dataset"])
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        questions = sum(len(each.questions) for each in conversations)
        try:
            # tqdm shows its bar on a terminal only (disable=None) and writes to stderr.
            with tqdm(total=questions, unit="question", disable=None) as bar:
                reports = evaluate(
                    conversations,
                    timeout_seconds=options["timeout"],
                    progress=lambda asked: bar.update(asked),
                    variants={"": as_configured},
                )
        except NotEmbedded as error:
            raise CommandError(str(error)) from error
        [report] = reports.values()
        times = f"search p50 {report.percentile(0.5):.1f} ms, p95 {report.percentile(0.95):.1f} ms"
        self.stdout.write("\n".join([*measures.table(report), f"{report.messages} messages; {times}"]))
