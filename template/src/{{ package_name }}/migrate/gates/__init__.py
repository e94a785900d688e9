"""What the tests of the project are made of: databases for them, and looks at what is in one."""
