"""``python -m tests.chaos.short_leases``: a gateway whose leases run out soon, so that nobody waits half a minute for
those of one that was killed."""

from gateway.cli import main
from gateway.transfer import exclusive

if __name__ == "__main__":
    for name, seconds in (("LEASE_TTL", 5.0), ("RENEW", 1.0)):
        assert hasattr(exclusive, name)
        setattr(exclusive, name, seconds)
    main()
