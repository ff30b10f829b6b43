"""The security cases, end to end: requests as attackers send them, against the gateway as users run it."""
