"""Who may do what: four nested roles and one table from command to role.

Services check the role of the person on every command and the worker checks again when it runs it; a hidden button is
only courtesy. Four eyes go by person, whatever the role.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from services.errors import Forbidden


class Role(IntEnum):
    """Each role may do all that the one before may."""

    VIEWER = 1
    OPERATOR = 2
    APPROVER = 3
    ADMIN = 4

    @classmethod
    def named(cls, name: str) -> Role:
        """The role of that name, lower case."""
        return cls[name.upper()]

    @property
    def word(self) -> str:
        """How it is written on screen and in tables."""
        return self.name.lower()


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who is asking. `id` is `tid/oid` from Entra, or `local/<name>` on a laptop."""

    id: str
    name: str
    role: Role
    is_local: bool
    session: str = ""
    """Hash of the session, for the audit log; never the cookie itself."""

    def may(self, command: str) -> bool:
        """Whether this person's role is enough."""
        return self.role >= COMMANDS[command]


COMMANDS: dict[str, Role] = {
    # Looking
    "services.look": Role.VIEWER,
    "models.look": Role.VIEWER,
    "operations.look": Role.VIEWER,
    "audit.look": Role.VIEWER,
    "logs.follow": Role.VIEWER,
    "charts.look": Role.VIEWER,
    "failures.assign": Role.OPERATOR,
    "failures.mute": Role.OPERATOR,
    "values.unmask": Role.OPERATOR,
    "queries.edit": Role.OPERATOR,
    # Services
    "service.deploy": Role.OPERATOR,
    "service.update": Role.OPERATOR,
    "service.delete": Role.OPERATOR,
    "service.bundle": Role.OPERATOR,
    "service.rehearse": Role.OPERATOR,
    "service.test": Role.OPERATOR,
    "service.make_anonymous": Role.OPERATOR,
    "attention.take": Role.OPERATOR,
    "probe.plan": Role.OPERATOR,
    "objective.set": Role.OPERATOR,
    "alert.rule": Role.OPERATOR,
    # Keys
    "keys.reveal": Role.OPERATOR,
    "keys.token": Role.OPERATOR,
    "keys.regenerate": Role.OPERATOR,
    "keys.set": Role.OPERATOR,
    "keys.rotate": Role.OPERATOR,
    # Models
    "model.register": Role.OPERATOR,
    "model.edit": Role.OPERATOR,
    "model.delete": Role.OPERATOR,
    "model.download": Role.OPERATOR,
    # What deployments need
    "environment.register": Role.OPERATOR,
    "compute.create": Role.ADMIN,
    "switch.flip": Role.OPERATOR,
    # Practising, on the local workspace
    "fault.begin": Role.ADMIN,
    "fault.end": Role.ADMIN,
    # Operations
    "operation.retry": Role.OPERATOR,
    # Incidents
    "incidents.look": Role.VIEWER,
    "incident.open": Role.OPERATOR,
    "incident.change": Role.OPERATOR,
    "incident.note": Role.OPERATOR,
    "incident.close": Role.OPERATOR,
    "incident.export": Role.OPERATOR,
    # Records
    "audit.export": Role.ADMIN,
}

WHAT_TO_DO = "ask someone who has it, or switch to another identity"


def require(person: Person, command: str) -> None:
    """Raise Forbidden, with who may, unless this person may."""
    if not person.may(command):
        needed = COMMANDS[command].word
        article = "an" if needed[0] in "aeiou" else "a"
        raise Forbidden(f"Your role is {person.role.word}: this needs {article} {needed}; {WHAT_TO_DO}.")


SYSTEM = Person(id="desk/itself", name="the desk itself", role=Role.OPERATOR, is_local=False)
"""Who the audit log names for what nobody asked for, such as an alert that opens."""

LOCAL_IDENTITIES: dict[str, Person] = {
    role.word: Person(id=f"local/{role.word}", name=f"local {role.word}", role=role, is_local=True) for role in Role
}
"""What the chooser offers against the local workspace, so that roles and four eyes can be tried on a laptop."""

ANONYMOUS_VIEWER = Person(id="local/nobody", name="nobody yet", role=Role.VIEWER, is_local=True)
"""Against the local workspace, before anyone chose an identity."""

LOCAL_OPERATOR = Person(id="local/operator", name="local operator", role=Role.OPERATOR, is_local=True)
"""The one identity against any other workspace without sign-in: may operate, may not approve or administer."""
