"""Who may do what: one row for every route.

A route without a row cannot be made (``Guarded`` looks its own row up when it is defined), so nothing is open
by being forgotten. Tests expand ``ACCESS`` into an allow and a deny for each row.

What a caller may do is the row's roles; an API token may do it only if it also has the row's scope. What
belongs to whom (a coder's own encounters) is the store's question, not the table's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coder_assist.review.states import Role


class Scope(StrEnum):
    """What an API token can be made for."""

    READ = "read"
    DECIDE = "decide"
    IMPORT = "import"
    ASSIGN = "assign"
    AUDIT = "audit"
    EXPORT = "export"
    SUGGEST = "suggest"
    METRICS = "metrics"
    ADMIN = "admin"


class Opening(StrEnum):
    """Who needs no sign-in."""

    NOBODY = "nobody"
    ANYBODY = "anybody"
    WHERE_OPEN = "where the setting open_suggest says so"


@dataclass(frozen=True, slots=True)
class Access:
    """One route's row."""

    method: str
    path: str
    roles: frozenset[Role]
    scope: Scope
    opening: Opening = Opening.NOBODY


_EVERYONE = frozenset(Role)
_CODERS = frozenset({Role.CODER, Role.LEAD})
_READERS = frozenset({Role.CODER, Role.LEAD, Role.AUDITOR, Role.DATA_SCIENTIST})
_LEADS = frozenset({Role.LEAD})
_AUDITORS = frozenset({Role.AUDITOR, Role.LEAD})
_AUDITED = frozenset({Role.CODER, Role.LEAD, Role.AUDITOR})
_IMPORTERS = frozenset({Role.LEAD, Role.ADMIN})
_ADMINS = frozenset({Role.ADMIN})
_ONE = "/v1/encounters/{encounter_id}"
_AUDIT = "/v1/audits/{audit_id}"
_AUDIT_ITEM = _AUDIT + "/encounters/{encounter_id}"
_AUDIT_FINDING = _AUDIT_ITEM + "/findings/{number}"

ACCESS: tuple[Access, ...] = (
    # The service itself
    Access("GET", "/", _EVERYONE, Scope.READ, Opening.ANYBODY),
    Access("GET", "/healthz", _EVERYONE, Scope.READ, Opening.ANYBODY),
    Access("GET", "/readyz", _EVERYONE, Scope.READ, Opening.ANYBODY),
    Access("GET", "/metrics", frozenset({Role.ADMIN, Role.DATA_SCIENTIST, Role.LEAD}), Scope.METRICS),
    # Suggestions and code books, without the store
    Access("POST", "/v1/suggest", _EVERYONE, Scope.SUGGEST, Opening.WHERE_OPEN),
    Access("POST", "/v1/suggest:batch", _EVERYONE, Scope.SUGGEST, Opening.WHERE_OPEN),
    Access("GET", "/v1/codes/search", _EVERYONE, Scope.READ, Opening.WHERE_OPEN),
    Access("GET", "/v1/codes/{system}/{code}", _EVERYONE, Scope.READ, Opening.WHERE_OPEN),
    # Signing in and out
    Access("GET", "/sign-in", _EVERYONE, Scope.READ, Opening.ANYBODY),
    Access("POST", "/v1/session", _EVERYONE, Scope.READ, Opening.ANYBODY),
    Access("GET", "/v1/session", _EVERYONE, Scope.READ),
    Access("DELETE", "/v1/session", _EVERYONE, Scope.READ),
    # Encounters
    Access("GET", "/v1/encounters", _READERS, Scope.READ),
    Access("POST", "/v1/encounters", _IMPORTERS, Scope.IMPORT),
    Access("POST", "/v1/encounters/claim-next", _CODERS, Scope.DECIDE),
    Access("GET", _ONE, _READERS, Scope.READ),
    Access("GET", _ONE + "/history", _READERS, Scope.READ),
    Access("GET", _ONE + "/claim", _AUDITED, Scope.READ),
    Access("GET", _ONE + "/query-draft", _CODERS, Scope.READ),
    Access("POST", _ONE + "/what-if", _AUDITED, Scope.READ),
    Access("POST", _ONE + "/phrase", _AUDITED, Scope.READ),
    Access("POST", _ONE + "/comments", _AUDITED, Scope.DECIDE),
    Access("POST", _ONE + "/notes", _IMPORTERS, Scope.IMPORT),
    Access("POST", _ONE + "/assign", _LEADS, Scope.ASSIGN),
    Access("POST", _ONE + "/suggest", _CODERS, Scope.DECIDE),
    Access("POST", _ONE + "/decisions", _CODERS, Scope.DECIDE),
    Access("POST", _ONE + "/undo", _CODERS, Scope.DECIDE),
    Access("POST", _ONE + "/order", _CODERS, Scope.DECIDE),
    Access("POST", _ONE + "/hold", _CODERS, Scope.DECIDE),
    Access("POST", _ONE + "/release", _CODERS, Scope.DECIDE),
    Access("POST", _ONE + "/submit", _CODERS, Scope.DECIDE),
    Access("POST", _ONE + "/reopen", _CODERS, Scope.DECIDE),
    # Numbers and labels
    Access("GET", "/v1/overview", _LEADS, Scope.READ),
    Access("GET", "/v1/labels", frozenset({Role.DATA_SCIENTIST}), Scope.EXPORT),
    # Audits
    Access("GET", "/v1/audits", _AUDITED, Scope.AUDIT),
    Access("POST", "/v1/audits", _AUDITORS, Scope.AUDIT),
    Access("GET", _AUDIT, _AUDITED, Scope.AUDIT),
    Access("POST", _AUDIT_ITEM + "/findings", frozenset({Role.AUDITOR}), Scope.AUDIT),
    Access("POST", _AUDIT_ITEM + "/second", frozenset({Role.AUDITOR}), Scope.AUDIT),
    Access("POST", _AUDIT_FINDING + "/rebut", _CODERS, Scope.AUDIT),
    Access("POST", _AUDIT_FINDING + "/final", frozenset({Role.AUDITOR}), Scope.AUDIT),
    Access("POST", _AUDIT_ITEM + "/finish", frozenset({Role.AUDITOR}), Scope.AUDIT),
    # Practice
    Access("GET", "/v1/practice", _EVERYONE, Scope.READ),
    Access("GET", "/v1/practice/{case_id}", _EVERYONE, Scope.READ),
    Access("POST", "/v1/practice/{case_id}", _EVERYONE, Scope.READ),
    # People and machines
    Access("GET", "/v1/users", _ADMINS | _LEADS, Scope.ADMIN),
    Access("POST", "/v1/users", _ADMINS, Scope.ADMIN),
    Access("PATCH", "/v1/users/{user_id}", _ADMINS, Scope.ADMIN),
    Access("GET", "/v1/tokens", _ADMINS, Scope.ADMIN),
    Access("POST", "/v1/tokens", _ADMINS, Scope.ADMIN),
    Access("DELETE", "/v1/tokens/{token_id}", _ADMINS, Scope.ADMIN),
    Access("GET", "/v1/audit-log", _ADMINS, Scope.ADMIN),
)

RULES: dict[tuple[str, str], Access] = {(access.method, access.path): access for access in ACCESS}
