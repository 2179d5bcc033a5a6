"""What a program with redis-py or valkey-py sees of a group that sentinels watch.

Prints each thing that holds; ends with 1 at the first that does not.

    story.py redis|valkey 2|3 FIRST_PORT      where `slotmesh up --sentinel --port FIRST_PORT` runs
"""

import importlib
import sys
import time

NAME = "mymaster"
# Longest wait for a failover and what follows it.
LIMIT_SECONDS = 60


def main():
    package, protocol, first = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    library = importlib.import_module(package)
    sentinel_mode = importlib.import_module(f"{package}.sentinel")
    addresses = [("127.0.0.1", first + at) for at in (3, 4, 5)]
    options = {"socket_timeout": 2, "decode_responses": True}
    # Both libraries read what sentinels, real ones too, say under RESP3 as something else than they then expect.
    group = sentinel_mode.Sentinel(addresses, sentinel_kwargs={"protocol": 2, **options}, protocol=protocol, **options)

    def attempt(call):
        try:
            return call()
        except library.RedisError if package == "redis" else library.ValkeyError:
            return None

    assert group.discover_master(NAME) == ("127.0.0.1", first)
    assert sorted(group.discover_slaves(NAME)) == [("127.0.0.1", first + 1), ("127.0.0.1", first + 2)]
    primary, replica = group.master_for(NAME), group.slave_for(NAME)
    assert primary.set("k", "v") is True and primary.wait(2, 5000) == 2
    assert replica.get("k") == "v"
    try:
        replica.set("k", "w")
        raise AssertionError("a replica takes a write")
    except library.exceptions.ReadOnlyError:
        pass
    passed("the primary and its replicas are found, and only the primary takes writes")

    one = group.sentinels[0]
    state = until("sentinels that know each other", lambda: known(one.sentinel_masters()[NAME]))
    assert (state["port"], state["quorum"], state["num-slaves"]) == (first, 2, 2), state
    assert state["is_master"] and not state["is_sdown"] and not state["is_odown"], state
    assert len(one.sentinel_slaves(NAME)) == 2 and len(one.sentinel_sentinels(NAME)) == 2
    assert one.sentinel_get_master_addr_by_name(NAME) == ("127.0.0.1", first)
    passed("what sentinels tell is understood")

    events = one.pubsub(ignore_subscribe_messages=True)
    events.psubscribe("+switch-*")
    victim = library.from_url(f"redis://127.0.0.1:{first}" if package == "redis" else f"valkey://127.0.0.1:{first}")
    victim.shutdown(nosave=True)
    until("a write", lambda: attempt(lambda: primary.set("k", "after")))
    now = group.discover_master(NAME)
    assert now != ("127.0.0.1", first) and primary.role()[0] == "master"
    assert until("a read from a replica", lambda: attempt(lambda: replica.get("k")) == "after")
    said = until("an event", lambda: events.get_message(timeout=1))
    assert said["data"] == f"{NAME} 127.0.0.1 {first} {now[0]} {now[1]}", said
    passed("the same clients go on after the death of the primary")


def known(state):
    return state if state["num-other-sentinels"] == 2 else None


def until(what, holds):
    end = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < end:
        value = holds()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} within {LIMIT_SECONDS} s")


def passed(what):
    print(f"ok: {what}", flush=True)


main()
