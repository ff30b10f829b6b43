"""What one can do: uploads, downloads, the sweep. No HTTP here."""
