"""Pictures in Mermaid, which GitHub shows as they are: of the tables, and of the revisions."""
