"""`manage.py evaluate DATASET`: how well the memory finds what answers a question."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from memories import locomo
from memories.evaluation import MEASURES, NotEmbedded, Report, evaluate

# Adversarial questions (5) have no answer in the conversation, so there is nothing to find.
ANSWERABLE = (1, 2, 3, 4)
NAMES = {1: "multi-hop", 2: "temporal", 3: "open-domain", 4: "single-hop", 5: "adversarial"}


class Command(BaseCommand):
    help = "Measure retrieval on a data set in LoCoMo's format. Throw-away tenants are made and removed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dataset", type=Path)
        parser.add_argument(
            "--timeout", type=float, default=300, help="Seconds to wait for embeddings. Default: 300."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            conversations = locomo.read(options["dataset"])
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        questions = sum(len(each.questions) for each in conversations)
        try:
            # tqdm shows its bar on a terminal only (disable=None) and writes to stderr.
            with tqdm(total=questions, unit="question", disable=None) as bar:
                report = evaluate(
                    conversations,
                    timeout_seconds=options["timeout"],
                    progress=lambda asked: bar.update(asked),
                )
        except NotEmbedded as error:
            raise CommandError(str(error)) from error
        self.stdout.write("\n".join(_lines(report)))


def _lines(report: Report) -> list[str]:
    head = f"{'category':<16}{'questions':>10}" + "".join(f"{name:>11}" for name in MEASURES)
    rows = [
        _row(f"{category} {NAMES.get(category, '')}", report, [category]) for category in report.categories()
    ]
    times = f"search p50 {report.percentile(0.5):.1f} ms, p95 {report.percentile(0.95):.1f} ms"
    return [head, *rows, _row("1-4 together", report, ANSWERABLE), f"{report.messages} messages; {times}"]


def _row(title: str, report: Report, categories: Any) -> str:
    means = report.means(categories)
    return f"{title:<16}{means['questions']:>10}" + "".join(f"{means[name]:>11.3f}" for name in MEASURES)
