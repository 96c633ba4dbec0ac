"""`manage.py doctor`: is it well, and if not, what is to be done?"""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from memory_layer.doctor.examination import examine
from memory_layer.doctor.findings import Finding

_WIDTH = 13


class Command(BaseCommand):
    help = (
        "Look at the settings, the servers, the worker, the provider (which is asked to embed one word) and the data; "
        "say what is wrong and what mends it. Exit code 1 if anything is wrong, 0 with nothing but warnings."
    )
    # It is to speak where others stop.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One list of {area, level, says, mend}.")

    def handle(self, *args: Any, **options: Any) -> None:
        found: list[Finding] = []
        for finding in examine():
            found.append(finding)
            if not options["json"]:
                self._tell(finding)
        wrong = sum(finding.level == "error" for finding in found)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in found], indent=2))
        else:
            warnings = sum(finding.level == "warning" for finding in found)
            self.stdout.write(f"{wrong} wrong, {warnings} to be looked at, {len(found)} in all.")
        if wrong:
            sys.exit(1)

    def _tell(self, finding: Finding) -> None:
        style = {"error": self.style.ERROR, "warning": self.style.WARNING, "ok": self.style.SUCCESS}
        mark = {"error": "WRONG", "warning": "look", "ok": "ok"}[finding.level]
        said = style[finding.level](f"{mark:<6}")
        self.stdout.write(f"{said}{finding.area:<{_WIDTH}}{finding.says}")
        if finding.mend:
            self.stdout.write(f"{'':<{6 + _WIDTH}}-> {finding.mend}")
