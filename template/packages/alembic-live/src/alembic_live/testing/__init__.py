"""A pytest plugin with databases for tests, and tests for every history of revisions."""
