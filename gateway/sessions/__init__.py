"""What must outlive a process: journal, leases, nonces, uploads."""
