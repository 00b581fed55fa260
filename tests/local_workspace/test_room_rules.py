"""Room on a cluster's nodes, without a replica."""

from __future__ import annotations

from local_workspace.scoring.room import Need, Nodes, Room, lack_when_empty

THREE = Nodes(cluster="prod", count=3, cpu=4, memory_gb=14)
LARGE = Need(cpu=1.5, memory_gb=2)


def room(nodes: Nodes | None = THREE) -> Room:
    return Room(lambda _: nodes)


def test_replicas_fill_node_after_node_until_none_has_room() -> None:
    there = room()

    answers = [there.claim("prod", f"replica-{number}", LARGE) for number in range(7)]

    # Two on each node: of its four cores one is left, which is not enough for a third.
    assert answers[:6] == [""] * 6
    assert answers[6].startswith("0/3 nodes are available: 3 Insufficient cpu. Replicas hold 9 of 12 cores")


def test_a_replica_that_ended_makes_room_and_one_that_restarts_keeps_its_own() -> None:
    there = room()
    for number in range(6):
        there.claim("prod", f"replica-{number}", LARGE)

    assert there.claim("prod", "replica-0", LARGE) == ""
    assert there.claim("prod", "late", LARGE) != ""
    there.release("prod", "replica-3")
    assert there.claim("prod", "late", LARGE) == ""
    there.release("prod", "never there")


def test_tenths_of_a_core_add_up_to_whole_ones() -> None:
    there = room(Nodes(cluster="prod", count=1, cpu=4, memory_gb=100))
    small = Need(cpu=0.1, memory_gb=0.5)

    assert {there.claim("prod", f"replica-{number}", small) for number in range(40)} == {""}
    assert "1 Insufficient cpu" in there.claim("prod", "one more", small)


def test_every_resource_that_is_missing_is_counted_by_nodes() -> None:
    there = room()
    for number in range(3):
        there.claim("prod", f"replica-{number}", Need(cpu=3, memory_gb=13))

    words = there.claim("prod", "late", Need(cpu=2, memory_gb=2))

    assert words.startswith("0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient memory.")


def test_what_no_node_could_hold_is_said_as_such() -> None:
    assert lack_when_empty(THREE, LARGE) == ""
    words = lack_when_empty(THREE, Need(cpu=5, memory_gb=1, gpus=1))
    assert words.startswith(
        "0/3 nodes are available: 3 Insufficient cpu, 3 Insufficient nvidia.com/gpu. Each node of prod"
    )
    assert room().claim("prod", "huge", Need(cpu=1, memory_gb=15)).endswith("deploy to a cluster with larger nodes.")


def test_clusters_do_not_share_and_one_of_unknown_size_takes_everything() -> None:
    assert room(None).claim("prod", "huge", Need(cpu=500, memory_gb=1)) == ""
    assert room().claim("", "on-aci", Need(cpu=500, memory_gb=1)) == ""
    there = room(Nodes(cluster="any", count=1, cpu=1, memory_gb=1))
    assert there.claim("one", "replica", Need(cpu=1, memory_gb=1)) == ""
    assert there.claim("two", "replica", Need(cpu=1, memory_gb=1)) == ""
