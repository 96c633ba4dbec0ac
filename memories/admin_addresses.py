"""Where the admin shows a message and its conversation."""

from urllib.parse import quote, unquote

from django.urls import reverse

from tenants.models import Tenant


def links(tenant: Tenant, *, message_id: object, conversation_id: str, archived: bool) -> dict[str, str]:
    """Addresses of a message and of its conversation, by name."""
    kind = "archivedmessage" if archived else "message"
    return {
        "message": reverse(f"admin:memories_{kind}_change", args=[message_id]),
        "conversation": conversation(tenant.name, conversation_id),
    }


def conversation(tenant_name: str, conversation_id: str, page: str = "conversation") -> str:
    """The address of a conversation, or of one of the pages below it."""
    return reverse(f"console:{page}", args=[part(tenant_name), part(conversation_id)])


def erasing(tenant_id: int, kind: str, subject: str, page: str = "erasing") -> str:
    """The address where a user, a conversation or a tenant (then `subject` is its name) is erased."""
    return reverse(f"console:{page}", args=[tenant_id, kind, part(subject)])


def part(name: str) -> str:
    """Any name as one part of an address: letters, digits, hyphens and underscores.

    Percent signs would not do: servers take %2F for a slash, and browsers %2E%2E for the folder above.
    """
    return quote(name, safe="").replace("_", "%5F").replace(".", "%2E").replace("~", "%7E").replace("%", "_")


def name_in(part: str) -> str:
    """The name that `part` made it of."""
    return unquote(part.replace("_", "%"))
