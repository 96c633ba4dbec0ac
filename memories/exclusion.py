"""What keeps a message out of an answer before anything is ranked: filters, as_of, the archive; and how to say it."""

from collections.abc import Sequence

from memories import statements
from memories.filters import Parts, where_sql
from memories.models import Message
from memories.tables import WITH_ARCHIVE
from memories.whole_messages import WholeMessage

AS_OF = "as_of"


def failing(tenant_id: int, message_id: str, parts: Parts) -> list[str]:
    """The paths of the parts that the message does not pass, by the database's own reading of them.

    Raises Message.DoesNotExist if it is neither here nor in the archive.
    """
    if not parts:
        return []
    passes = [where_sql(condition) for _, condition in parts]
    found = statements.rows_of(
        tenant_id,
        f"""SELECT {", ".join(f"({sql})" for sql, _ in passes)} FROM {WITH_ARCHIVE.messages}
            WHERE tenant_id = %s::bigint AND id = %s::uuid""",
        [*(value for _, params in passes for value in params), tenant_id, message_id],
    )
    if not found:
        raise Message.DoesNotExist
    return [path for (path, _), passed in zip(parts, found[0], strict=True) if not passed]


def about_filters(message: WholeMessage, excluded_by: Sequence[str]) -> str:
    """Why filters or as_of exclude it, for people."""
    others = ", ".join(path for path in excluded_by if path != AS_OF)
    if AS_OF not in excluded_by:
        return f"It does not pass {others}."
    also = f", and does not pass {others}" if others else ""
    return f"It was said at {message.created_at.isoformat()}, after as_of{also}."


def about_archived(message: WholeMessage, excluded_by: Sequence[str]) -> str:
    """When, by what and why it was archived, and what would find it, for people."""
    when = message.archived_at.isoformat() if message.archived_at else ""
    said = f"It was archived on {when} by the policy {message.policy}: {message.reason}."
    if excluded_by:
        return f"{said} {about_filters(message, excluded_by)}"
    return f"{said} Search with include_archived=true to find it."
