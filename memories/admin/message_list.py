"""The list of messages, for a million of them: newest first by place, or as the product's own search ranks them."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.decorators import display
from unfold.views import ChangeList

from memories import admin_addresses, browse, search
from memories.models import Message, Role
from memories.querysets import FAILED, PENDING, READY
from tenants import support
from tenants.admin_filters import ChoiceFilter, Conditional, DayFilter, Exactly, TenantFilter
from tenants.admin_pages import Page
from tenants.models import Tenant

BEFORE, AFTER = "before", "after"
# So many hits of a search are shown: whoever needs more narrows it down.
SEARCHED = 50
# Each tenant is looked at: with more of them somebody has to choose one.
TENANTS = 2000
SHOWN_CHARACTERS = 90
LOOKUPS = {
    "tenant",
    "conversation_id",
    "user_id",
    "role",
    "state",
    "created_at_from",
    "created_at_to",
    "pinned__exact",
    BEFORE,
    AFTER,
}


class ConversationFilter(Exactly):
    """By the whole conversation_id."""

    title = "conversation"
    parameter_name = column = "conversation_id"


class UserFilter(Exactly):
    """By the whole user_id."""

    title = "user"
    parameter_name = column = "user_id"


class RoleFilter(ChoiceFilter):
    """By who spoke."""

    title = "role"
    parameter_name = column = "role"
    choices_of = Role.choices


class StateFilter(ChoiceFilter):
    """By how far the vector is."""

    title = "embedding"
    parameter_name = "state"
    choices_of = [(PENDING, "Waits for its vector"), (FAILED, "Given up"), (READY, "Ready")]
    conditions = {state: browse.state_is(state) for state in (PENDING, FAILED, READY)}


class PinnedFilter(BooleanRadioFilter):
    """By whether policies leave it alone."""

    def condition(self) -> Q:
        """As the other filters have it."""
        chosen = {"1": Q(pinned=True), "0": Q(pinned=False)}
        return chosen.get(str(self.value()), Q())

    def value(self) -> Any:
        """BooleanFieldListFilter keeps it apart."""
        return self.lookup_val


class KeysetPaginator(Paginator):
    """Unfold asks a paginator how to write its pages, and no more here."""

    template_name = "admin/memories/message/pages.html"


class MessageChangeList(ChangeList):
    """Rows that `memories.browse` or the search chose. Django's own would count, sort and skip."""

    older_url = newer_url = ""
    ranked = False

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Message]:
        """For actions, which filter it by what was chosen. Places are no filters."""
        self.places = {name: self.params.pop(name, "") for name in (BEFORE, AFTER)}
        for name in self.places:
            self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    def get_results(self, request: HttpRequest) -> None:
        self.paginator = KeysetPaginator([], self.list_per_page)
        self.can_show_all, self.multi_page, self.show_admin_actions = False, False, True
        self.full_result_count = None
        keys: Any = []
        try:
            keys = self._found(request) if self.query.strip() else self._page(request)
        except browse.TooSlow as error:
            messages.warning(request, str(error))
        self.result_list = browse.rows(keys)
        self.result_count = len(self.result_list)

    def _page(self, request: HttpRequest) -> Any:
        try:
            page = browse.page(
                tenant_ids=self._tenants(request),
                condition=self._condition(),
                size=self.list_per_page,
                **self.places,
            )
        except ValueError as error:
            raise IncorrectLookupParameters("There is no such page.") from error
        self.older_url = self.get_query_string({BEFORE: page.older}) if page.older else ""
        self.newer_url = self.get_query_string({AFTER: page.newer}) if page.newer else ""
        return page.keys

    def _found(self, request: HttpRequest) -> Any:
        term, tenants = self.query.strip(), self._tenants(request)
        named = browse.called(
            tenant_ids=tenants, condition=self._condition(), term=term, size=self.list_per_page
        )
        if named or len(tenants) != 1:
            if not named:
                messages.info(
                    request, "No id, conversation or user is called so. Choose a tenant to search its texts."
                )
            return named
        answer = search.search(
            tenant=Tenant.objects.get(pk=tenants[0]), text=term, top_k=SEARCHED, condition=self._condition()
        )
        if answer.degraded:
            messages.warning(request, f"Found by words alone. {answer.degraded_reason}")
        self.ranked = True
        return [(tenants[0], UUID(found.message.id)) for found in answer.found]

    def _condition(self) -> Q:
        """All filters but the tenant's, which chooses where to look."""
        asked = Q()
        for spec in self.filter_specs:
            if isinstance(spec, Conditional | PinnedFilter) and not isinstance(spec, TenantFilter):
                asked &= spec.condition()
        return asked

    def _tenants(self, request: HttpRequest) -> list[int]:
        """Where to look: the chosen one, or all that the person may see."""
        rows = support.visible(Tenant.objects.order_by("-pk"), request.user, column="pk")
        for spec in self.filter_specs:
            if isinstance(spec, TenantFilter) and (chosen := spec.tenant_id()) is not None:
                rows = rows.filter(pk=chosen)
        found = list(rows.values_list("pk", flat=True)[: TENANTS + 1])
        if len(found) > TENANTS:
            messages.info(request, f"Only the newest {TENANTS:,} tenants are looked through. Choose one.")
        return found[:TENANTS]


class MessageList(Page):
    """What the list shows, and how it is narrowed down."""

    list_help = (
        "What the memory holds, the newest first. Choose a tenant and type: its messages are searched as "
        "the API searches them, the best first. Without a tenant the box finds a whole id, conversation, "
        "user or external id."
    )
    empty_help = (
        "Issue an API key, then store the first message with POST /v1/messages. It shows here at once."
    )
    list_display = [
        "said_at",
        "short_content",
        "speaker",
        "conversation",
        "user",
        "tenant",
        "importance_in_short",
        "embedding",
    ]
    list_display_links = ["said_at", "short_content"]
    sortable_by = ()
    list_filter = [
        TenantFilter,
        ConversationFilter,
        UserFilter,
        RoleFilter,
        StateFilter,
        ("created_at", DayFilter),
        ("pinned", PinnedFilter),
    ]
    raw_id_fields = ["tenant"]
    show_full_result_count = False
    # What is searched, MessageChangeList says; without this there would be no box.
    search_fields = ["id"]
    search_help_text = "Search what was said, or find an id"

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        """Ours."""
        return MessageChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """The filters' own; what else there is, no index serves."""
        return lookup in LOOKUPS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Without the index document, which no page shows."""
        return super().get_queryset(request).defer("document")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Everything: an action narrows it down to what was chosen."""
        return queryset, False

    @display(description="said at")
    def said_at(self, message: Message) -> str:
        """To the minute."""
        return f"{message.created_at:%Y-%m-%d %H:%M}"

    @display(description="content")
    def short_content(self, message: Message) -> str:
        """Enough to recognise it by."""
        text = " ".join(message.content.split())
        return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"

    @display(description="role", label={"user": "info", "assistant": "primary", "tool": "warning"})
    def speaker(self, message: Message) -> tuple[str, str]:
        """Who spoke, with the name where it has one."""
        return message.role, f"{message.role} · {message.name}" if message.name else message.role

    @display(description="conversation")
    def conversation(self, message: Message) -> SafeString:
        """Leads to it, as a chat."""
        address = admin_addresses.conversation(message.tenant.name, message.conversation_id)
        name = message.conversation_id
        return format_html('<a href="{}" class="mc-link aml-id" title="{}">{}</a>', address, name, name)

    @display(description="user", empty_value="–")
    def user(self, message: Message) -> SafeString | None:
        """The end user that it belongs to."""
        name = message.user_id
        return format_html('<span class="aml-id" title="{}">{}</span>', name, name) if name else None

    @display(description="importance")
    def importance_in_short(self, message: Message) -> str:
        """0 to 1, and whether policies leave it alone."""
        return f"{message.importance:.2f}{', pinned' if message.pinned else ''}"

    @display(description="embedding", label={READY: "success", PENDING: "info", FAILED: "danger"})
    def embedding(self, message: Message) -> str:
        """How far its vector is."""
        return str(getattr(message, "state", ""))
