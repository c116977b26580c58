#!/usr/bin/python3
"""A smoke test through redis-py (package python3-redis): with_redis_py.py PORT. Exit code 0: all as expected."""

import sys
import threading

import redis


def main(port):
    db = redis.Redis(port=port, socket_timeout=5)
    assert db.ping() is True
    assert db.set("py:key", b"a\x00b\r\n") is True
    assert db.get("py:key") == b"a\x00b\r\n"
    assert db.get("py:nokey") is None
    assert db.set("py:key", "x", nx=True) is None
    assert db.set("py:ttl", "x", ex=1000) and 990 < db.ttl("py:ttl") <= 1000
    assert db.mset({"py:a": 1, "py:b": 2}) is True and db.mget("py:a", "py:b", "py:nokey") == [b"1", b"2", None]
    assert db.incrbyfloat("py:f", 1.5) == 1.5
    assert db.setbit("py:bits", 7, 1) == 0 and db.bitcount("py:bits") == 1
    assert db.pfadd("py:hll", "a", "b") == 1 and db.pfcount("py:hll") == 2
    try:
        db.incr("py:key")
        raise AssertionError("INCR of a text must fail")
    except redis.ResponseError as error:
        assert "not an integer" in str(error), error

    pipe = db.pipeline(transaction=False)
    for _ in range(10_000):
        pipe.incr("py:n")
    assert pipe.execute() == list(range(1, 10_001))

    def add():
        own = redis.Redis(port=port, socket_timeout=5)
        for _ in range(500):
            own.incr("py:shared")

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int(db.get("py:shared")) == 4000

    assert sorted(db.scan_iter("py:*", count=3)) == sorted(db.keys("py:*"))
    assert db.info("server")["redis_version"]
    assert db.client_setname("smoke") and db.client_getname() in ("smoke", b"smoke")
    assert db.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    big = bytes(range(256)) * 80_000  # 20 MB
    assert db.set("py:big", big) and db.get("py:big") == big
    assert db.delete("py:big", "py:key") == 2


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6380)
