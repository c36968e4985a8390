"""What coders decide, kept: the store, people, the audit log, claims and audits."""
