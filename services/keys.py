"""Keys and tokens: reveal for a minute, regenerate, set, and rotate both without a failed request.

A key is never stored: the audit entry that says who looks is committed first, then the key is read and lies in this
process's memory for 60 s under a handle.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sa

from services.access import Person
from services.audit import Audit
from services.azureml.secrets import Keys as ServiceKeys
from services.azureml.secrets import ServiceToken, Slot
from services.clock import Clock
from services.errors import Conflict, Invalid, NotFound
from services.live import SHOWN_FOR, Live, Shown
from services.operations.desk import Operations, new_id
from services.planning.access_rules import check_own_key
from services.planning.problems import Problem, refuse
from services.storage import ledger
from services.storage.database import Database
from services.webservices import Webservices

OTHER: dict[str, Slot] = {"primary": "secondary", "secondary": "primary"}


class KeySource(Protocol):
    """The desk's own way to a service's keys and tokens."""

    def keys(self, name: str) -> ServiceKeys:
        """Both keys."""

    def token(self, name: str) -> ServiceToken:
        """A fresh token."""


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """One rotation of both keys. `state`: renewing idle, waiting, renewing other, done, stopped."""

    id: str
    service: str
    idle_slot: Slot
    state: str
    started_by: str
    started_at: datetime
    idle_done_at: datetime | None
    moved_by: str | None
    moved_at: datetime | None
    ended_at: datetime | None
    first_leg: str
    second_leg: str | None
    checks: dict[str, Any]

    @property
    def other_slot(self) -> Slot:
        """The slot clients use until they move."""
        return OTHER[self.idle_slot]


class Keys:
    """Look, renew, rotate."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        webservices: Webservices,
        live: Live,
        source: KeySource,
        audit: Audit,
        *,
        workspace: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._operations = operations
        self._webservices = webservices
        self._live = live
        self._source = source
        self._audit = audit
        self._workspace = workspace
        self._clock = clock

    # Looking

    def reveal(self, person: Person, service: str, *, reason: str = "") -> str:
        """Record who looks, read both keys, return the handle under which they lie for 60 s."""
        self._operations.check(person, "keys.reveal", "service", service)
        self._needs("key", service)
        self._audit.record_alone(person, "keys.reveal", "service", service, reason=reason)
        return self._live.show(self._live.alone(lambda: self._source.keys(service), what=f"The keys of {service}"))

    def token(self, person: Person, service: str) -> str:
        """Record who asks, fetch a token, return the handle under which it lies for 60 s."""
        self._operations.check(person, "keys.token", "service", service)
        self._needs("token", service)
        self._audit.record_alone(person, "keys.token", "service", service)
        return self._live.show(self._live.alone(lambda: self._source.token(service), what=f"A token of {service}"))

    def shown(self, handle: str) -> Shown | None:
        """What a handle stands for, until its minute is over."""
        return self._live.shown(handle)

    def shown_keys(self, handle: str, service: str) -> Shown | None:
        """The keys a handle stands for, until its minute is over or one of them is renewed: an old key must not be copied."""
        shown = self._live.shown(handle)
        if shown is None:
            return None
        if any(at >= shown.until - SHOWN_FOR for at in self.last_renewed(service).values()):
            self._live.hide(handle)
            return None
        return shown

    def hide(self, handle: str) -> None:
        """Forget it now."""
        self._live.hide(handle)

    # Renewing

    def regenerate(
        self, person: Person, service: str, slot: Slot, *, reason: str = "", operation_id: str | None = None
    ) -> str:
        """Replace one key by a new one; clients that use it are refused from then on."""
        self._needs("key", service)
        self._refuse_while_rotating(service)
        return self._operations.start(
            person,
            "keys.regenerate",
            service,
            {"service": service, "slot": slot},
            title=f"Regenerate the {slot} key of {service}",
            reason=reason,
            operation_id=operation_id,
        )

    def set_own(
        self,
        person: Person,
        service: str,
        slot: Slot,
        value: str,
        *,
        reason: str = "",
        operation_id: str | None = None,
    ) -> str:
        """Replace one key by a value of the person's own, which travels in a sealed envelope."""
        if not value:
            raise Invalid("Type the new key: it is empty.", field="value")
        refuse(check_own_key(value, field="value"))
        self._needs("key", service)
        self._refuse_while_rotating(service)
        return self._operations.start(
            person,
            "keys.set",
            service,
            {"service": service, "slot": slot},
            title=f"Set the {slot} key of {service}",
            reason=reason,
            operation_id=operation_id,
            secrets={"value": value},
        )

    def own_key_problems(self, value: str) -> list[Problem]:
        """What is wrong with a key somebody types, to be said beside the field."""
        return check_own_key(value, field="value")

    # Rotating

    def rotate(
        self,
        person: Person,
        service: str,
        *,
        idle_slot: Slot = "secondary",
        reason: str = "",
        operation_id: str | None = None,
    ) -> str:
        """First leg: renew the idle key and prove it, so that clients can move to it. Returns the rotation's id."""
        self._needs("key", service)
        operation_id = operation_id or new_id()
        rotation_id, now = operation_id, self._clock.now()

        def write(work: sa.Connection) -> None:
            work.execute(
                sa.insert(ledger.rotations).values(
                    id=rotation_id,
                    workspace=self._workspace,
                    service=service,
                    idle_slot=idle_slot,
                    state="renewing idle",
                    started_by=person.name,
                    started_at=now,
                    first_leg=operation_id,
                    checks={},
                )
            )

        try:
            self._operations.start(
                person,
                "keys.rotate_idle",
                service,
                {"service": service, "slot": idle_slot, "rotation": rotation_id},
                title=f"Rotate the keys of {service}: renew the {idle_slot} key",
                reason=reason,
                operation_id=operation_id,
                alongside=write,
            )
        except sa.exc.IntegrityError as error:
            open_one = self.open_rotation(service)
            who = f" by {open_one.started_by}" if open_one else ""
            raise Conflict(
                f"The keys of {service} are being rotated already{who}: finish or stop that one first."
            ) from error
        return rotation_id

    def clients_have_moved(self, person: Person, rotation_id: str, *, operation_id: str | None = None) -> str:
        """Second leg: all clients use the new key, so renew the other one and prove both."""
        rotation = self.rotation(rotation_id)
        if rotation.state != "waiting":
            raise Conflict(f"This rotation is {rotation.state}: there is nothing to confirm.")
        operation_id, now = operation_id or new_id(), self._clock.now()

        def write(work: sa.Connection) -> None:
            changed = work.execute(
                sa.update(ledger.rotations)
                .where(ledger.rotations.c.id == rotation_id, ledger.rotations.c.state == "waiting")
                .values(state="renewing other", moved_by=person.name, moved_at=now, second_leg=operation_id)
            )
            if changed.rowcount != 1:
                raise Conflict("Someone else confirmed this at the same moment: look at the rotation again.")

        return self._operations.start(
            person,
            "keys.rotate_other",
            rotation.service,
            {"service": rotation.service, "slot": rotation.other_slot, "rotation": rotation_id},
            title=f"Rotate the keys of {rotation.service}: renew the {rotation.other_slot} key",
            operation_id=operation_id,
            follows=rotation.first_leg,
            alongside=write,
        )

    def stop_rotation(self, person: Person, rotation_id: str, *, reason: str = "") -> None:
        """Leave it at the first leg: the idle key is new, the other stays as it is."""
        rotation = self.rotation(rotation_id)
        self._operations.check(person, "keys.rotate", "service", rotation.service)
        leg = self._operations.get(rotation.second_leg or rotation.first_leg)
        if rotation.ended_at is not None or leg.is_open:
            raise Conflict(
                f"This rotation is {rotation.state}: it can be stopped only while it waits or after a leg failed."
            )
        with self._database.writing() as work:
            work.execute(
                sa.update(ledger.rotations)
                .where(ledger.rotations.c.id == rotation_id, ledger.rotations.c.ended_at.is_(None))
                .values(state="stopped", ended_at=self._clock.now())
            )
            self._audit.record(
                work,
                person,
                "keys.rotate_stop",
                "service",
                rotation.service,
                reason=reason,
                operation=rotation.first_leg,
            )

    def rotation(self, rotation_id: str) -> Rotation:
        """One rotation."""
        with self._database.reading() as look:
            row = look.execute(
                sa.select(ledger.rotations).where(
                    ledger.rotations.c.id == rotation_id, ledger.rotations.c.workspace == self._workspace
                )
            ).first()
        if row is None:
            raise NotFound(f"There is no rotation {rotation_id} here.")
        return _rotation(row)

    def open_rotation(self, service: str) -> Rotation | None:
        """The rotation of this service that has not ended, or None."""
        table = ledger.rotations
        with self._database.reading() as look:
            row = look.execute(
                sa.select(table).where(
                    table.c.workspace == self._workspace, table.c.service == service, table.c.ended_at.is_(None)
                )
            ).first()
        return _rotation(row) if row is not None else None

    def past_rotations(self, service: str, *, limit: int = 20) -> list[Rotation]:
        """Rotations of this service, newest first."""
        table = ledger.rotations
        with self._database.reading() as look:
            rows = look.execute(
                sa.select(table)
                .where(table.c.workspace == self._workspace, table.c.service == service)
                .order_by(table.c.started_at.desc())
                .limit(limit)
            )
            return [_rotation(row) for row in rows]

    def last_renewed(self, service: str) -> dict[Slot, datetime]:
        """When each key was renewed here last; a slot that never was is not in it: its age is not known."""
        found: dict[Slot, datetime] = {}
        for kind in ("keys.regenerate", "keys.set", "keys.rotate_idle", "keys.rotate_other"):
            for operation in self._operations.page(kind=kind, subject=service, state="succeeded", limit=50):
                slot: Slot = operation.arguments["slot"]
                ended = operation.ended_at or datetime.min.replace(tzinfo=UTC)
                found[slot] = max(found.get(slot, ended), ended)
        return found

    def _needs(self, auth: str, service: str) -> None:
        listed = self._webservices.get(service)
        has = listed.service.auth
        if has == "unknown" or has == auth or listed.service.broken:
            return
        offered = {"key": "keys", "token": "tokens", "none": "nothing: anyone may call it"}
        wanted = "keys" if auth == "key" else "tokens"
        raise Invalid(f"{service} has no {wanted}: callers prove themselves with {offered[has]}.")

    def _refuse_while_rotating(self, service: str) -> None:
        rotation = self.open_rotation(service)
        if rotation is not None:
            raise Conflict(
                f"The keys of {service} are being rotated by {rotation.started_by}: "
                "renewing one now could cut off clients; finish or stop the rotation first."
            )


def _rotation(row: Any) -> Rotation:
    return Rotation(
        **{name: value for name, value in row._mapping.items() if name not in ("workspace", "remind_at", "checks")},
        checks=row.checks or {},
    )
