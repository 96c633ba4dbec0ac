"""How many embedding jobs wait, and since when: for health and metrics."""

from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Open jobs (waiting, backing off or being worked on), the oldest's age, and jobs that were given up."""

    open_jobs: int
    oldest_age_seconds: float
    buried_jobs: int


def measure() -> Backlog:
    """One statement over the job table, which holds only what is not done."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FILTER (WHERE buried_at IS NULL),
                   coalesce(extract(epoch FROM statement_timestamp()
                                    - min(created_at) FILTER (WHERE buried_at IS NULL)), 0)::float8,
                   count(*) FILTER (WHERE buried_at IS NOT NULL)
            FROM memories_embeddingjob
            """
        )
        open_jobs, age, buried = cursor.fetchone()
    return Backlog(open_jobs=open_jobs, oldest_age_seconds=age, buried_jobs=buried)
