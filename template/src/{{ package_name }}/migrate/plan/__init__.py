"""What `db plan` knows of statements without running them: what they lock, and what they destroy."""
