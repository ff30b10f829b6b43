"""``python -m tests.conformance.rufh URL``: ask a server of the IETF protocol, and say what it answered."""

import sys
from collections.abc import Sequence

from tests.conformance.rufh import SUITE, DraftTarget
from tests.conformance.tus.__main__ import command, parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    given = parser("rufh", "Is this a good server of Resumable Uploads for HTTP? Black-box.")
    given.add_argument("--method", default="POST", help="what creates at URL")
    chosen = given.parse_args(arguments)
    return command(chosen, SUITE, lambda options: DraftTarget(options, method=chosen.method))


if __name__ == "__main__":
    sys.exit(main())
