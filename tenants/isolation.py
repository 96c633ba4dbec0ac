"""For whom the database answers: which rows a statement reaches, as row-level security understands it.

    isolation.bind(isolation.of_tenant(7))   from here on, until the request ends: `auth`, once it knows who is asking
    with isolation.beyond():                 across tenants: what belongs to the installation, and operators

Every statement goes by here (`memory_layer.postgresql`, `memories.statements`). A transaction begins with its reach:
role and tenant are set inside it, in the message of its BEGIN. So nothing of it outlives the transaction, a pooler may
hand the session to anybody, and it costs no round trip. A statement outside of a transaction gets one of its own;
`together` lets several share one.

Where nobody has said anything, a request reaches no tenant's rows; a worker, a command and a shell reach all.
Migrations, and what PostgreSQL allows only to a table's owner, run as the login itself. The roles and policies are made
by `tenants.row_security`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import psycopg
import structlog
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus

from tenants import metrics

log = structlog.get_logger(__name__)

WEB_ROLE, WORKER_ROLE = "memory_web", "memory_worker"
# What policies ask for: whose rows, and, before it is known who is asking, by which key.
TENANT_SETTING, KEY_SETTING = "memory.tenant", "memory.key"
_KEPT = 10_000
_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_IDLE, _OPEN, _FAILED = TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR


@dataclass(frozen=True, eq=False, kw_only=True)
class Reach:
    """Which rows: `begin` and `switch` say so to PostgreSQL, at the beginning of a transaction and in its middle.

    Compared by identity, which is quick: `of_tenant` gives the same one again, most often.
    """

    name: str
    role: str
    tenant: str = ""
    key: str = field(default="", repr=False)
    begin: bytes = field(init=False, repr=False)
    switch: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        settings = {"role": self.role, TENANT_SETTING: self.tenant, KEY_SETTING: self.key}
        # Outside of transactions both settings are empty: nobody sets them for longer.
        needed = {name: value for name, value in settings.items() if value}
        object.__setattr__(self, "begin", _sql({"": "BEGIN"} | needed))
        object.__setattr__(self, "switch", _sql(settings))


def _sql(settings: dict[str, str]) -> bytes:
    """SET LOCAL, which takes a third of the time of set_config(); the values are digits, hex and our own names."""
    return "; ".join(
        f"SET LOCAL {name} = '{value}'" if name else value for name, value in settings.items()
    ).encode()


NOBODY = Reach(name="nobody", role=WEB_ROLE)
BEYOND = Reach(name="beyond", role=WORKER_ROLE)
LOGIN = Reach(name="login", role="none")

# What this process reaches where nothing else is said; a server of requests says `serve`.
_default = BEYOND
_said: ContextVar[Reach | None] = ContextVar("reach", default=None)
_shared: ContextVar[bool] = ContextVar("shared_transaction", default=False)


class CrossesTenants(Exception):
    """A mistake of ours, stopped: something that works for one tenant asked for rows of another."""


@lru_cache(maxsize=_KEPT)
def of_tenant(tenant_id: int) -> Reach:
    """One tenant's rows, and its own row."""
    return Reach(name="tenant", role=WEB_ROLE, tenant=str(int(tenant_id)))


def of_key(digest: bytes) -> Reach:
    """The one key whose SHA-256 this is: for finding out who is asking."""
    return Reach(name="key", role=WEB_ROLE, key=digest.hex())


def current() -> Reach:
    """What a statement would reach now."""
    return _said.get() or _default


def serve() -> None:
    """This process answers requests: what nobody has vouched for reaches no tenant's rows."""
    global _default
    _default = NOBODY


def bind(reach: Reach) -> None:
    """From now on, until the `reaching` around it ends. Only for whoever knows who is asking: `tenants.auth`."""
    _said.set(reach)


@contextmanager
def reaching(reach: Reach) -> Iterator[None]:
    """These rows for the block, whatever was bound before and in it."""
    token = _said.set(reach)
    try:
        yield
    finally:
        _said.reset(token)


@contextmanager
def beyond() -> Iterator[None]:
    """All tenants' rows for the block: for what is the installation's."""
    with reaching(BEYOND):
        yield


@contextmanager
def within(tenant_id: int) -> Iterator[None]:
    """Only this tenant's rows for the block. CrossesTenants if they are not within reach: it narrows, never widens."""
    reach, now = of_tenant(tenant_id), current()
    if (now.role, now.tenant) == (reach.role, reach.tenant):
        yield
        return
    if now.role == WEB_ROLE:
        raise CrossesTenants(f"rows of the tenant {tenant_id} were asked for, with the reach of {now}")
    with reaching(reach):
        yield


@contextmanager
def together() -> Iterator[None]:
    """Statements outside of a transaction share one, for reads that follow each other closely: it saves two round trips
    a statement. Each still sees what is committed when it begins. Whatever waits for others calls `let_go` before."""
    token = _shared.set(True)
    outermost = token.old_value is not True
    try:
        yield
    finally:
        _shared.reset(token)
        if outermost:
            let_go()


def let_go() -> None:
    """End the transaction that `together` holds, if any: PostgreSQL is not kept waiting for somebody else's answer."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.connection is not None and _state(database.connection).own:
        with database.wrap_database_errors:
            finish(database.connection)


@contextmanager
def as_login() -> Iterator[None]:
    """This process works as the login itself, session and all: for migrations, some of which allow no transaction."""
    global _default
    before, _default = _default, LOGIN
    database = connections[DEFAULT_DB_ALIAS]
    try:
        settle(database.connection)
        yield
    finally:
        _default = before
        settle(database.connection)


# --- what the connection does ---


@dataclass
class _State:
    """Of a session. `base`: what it reaches outside of transactions; `now`: in the running one, None: not known.

    `own`: the running transaction is ours, begun for statements that had none.
    """

    base: Reach
    now: Reach | None = None
    own: bool = False
    pooled: bool = False


def greet(session: "psycopg.Connection[Any]", *, pooled: bool) -> None:
    """A new session; until `settle` it is left as it is."""
    session.reach_state = _State(base=current(), pooled=pooled)  # type: ignore[attr-defined]


def _state(session: "psycopg.Connection[Any]") -> _State:
    return session.reach_state  # type: ignore[attr-defined, no-any-return]


# The login's own privileges are not looked at: it may have been granted more than it should.
_SETTLE = """
    SELECT rolname IS NULL, set_config('role', CASE WHEN may THEN rolname ELSE 'none' END, false)
    FROM (SELECT) AS one LEFT JOIN (
        SELECT rolname, pg_has_role(session_user, oid, 'SET') AS may FROM pg_roles WHERE rolname = %s) AS role ON true
"""


def settle(session: "psycopg.Connection[Any] | None") -> None:
    """Let the session reach what this process does, outside of transactions too: so its statements need none.

    Behind a pooler it stays the login's, whose every statement then gets a transaction. Before there are roles
    (nothing is migrated) there is nothing to isolate either.
    """
    if session is None or session.closed:
        return
    state = _state(session)
    state.base = LOGIN
    if not state.pooled:
        [(no_roles, role)] = psycopg.ClientCursor(session).execute(_SETTLE, [_default.role]).fetchall()
        if role == _default.role or (no_roles and _default is not LOGIN):
            state.base = _default


class statement:
    """with statement(session): one statement, with the reach that `current` says; alone if it is in no transaction."""

    __slots__ = ("session", "state")

    def __init__(self, session: "psycopg.Connection[Any]") -> None:
        self.session, self.state = session, _state(session)

    def __enter__(self) -> None:
        session, state, reach = self.session, self.state, current()
        status = session.pgconn.transaction_status
        if status == _OPEN:
            if state.now is not reach:
                _execute(session, reach.switch)
                state.now = reach
        elif status == _IDLE:
            # Where Django has a transaction that has not begun yet, it begins here: libpq itself begins none.
            alone = session.autocommit
            if reach is not state.base or not alone or _shared.get():
                state.own = alone
                self._begin(reach)
            state.now = reach

    def _begin(self, reach: Reach) -> None:
        try:
            _execute(self.session, reach.begin)
        except psycopg.Error as error:
            self.__exit__(type(error), error, None)
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            metrics.DATABASE_REFUSALS.labels(current().name).inc()
            log.error("refused_by_database", reach=current().name, reason=error.diag.message_primary)
        if self.state.own and (error is not None or not _shared.get()):
            finish(self.session)


def finish(session: "psycopg.Connection[Any]") -> None:
    """End our transaction, if there is one. Raises what a COMMIT may raise; one that has failed is rolled back."""
    state = _state(session)
    if not state.own:
        return
    state.own = False
    if session.pgconn.status == ConnStatus.OK and session.pgconn.transaction_status != _IDLE:
        failed = session.pgconn.transaction_status == _FAILED
        _execute(session, b"ROLLBACK" if failed else b"COMMIT")


def forget(session: "psycopg.Connection[Any]") -> None:
    """The transaction went back to a savepoint: what is set is what was then."""
    _state(session).now = None


def _execute(session: "psycopg.Connection[Any]", sql: bytes) -> None:
    """By libpq itself: a cursor of psycopg takes five times as long, and would begin a transaction of its own."""
    check(session, session.pgconn.exec_(sql))


def check(session: "psycopg.Connection[Any]", answer: pq.abc.PGresult) -> None:
    """What libpq answered, as an exception of psycopg if it is an error."""
    if answer.status not in _DONE:
        error = error_from_result(answer, session.info.encoding)
        # Without a code it is libpq's own: the connection is lost, which it may not have noticed otherwise yet.
        raise error if error.sqlstate else psycopg.OperationalError(str(error))
