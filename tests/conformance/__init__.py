"""Black-box conformance suites for resumable uploads. They need nothing but Python's standard library."""
