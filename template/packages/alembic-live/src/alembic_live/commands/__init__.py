"""The commands of `db`: a module for each, or a folder whose `command.py` is that module.

A command's module has two functions, which `main` calls:

- `add_arguments(parser)` declares the command's arguments.
- `run(project, arguments)` runs the command and returns its exit code. A command that must work
  without an import of the project has `run_in(config_file, arguments)` instead.

`main.COMMANDS` lists the modules, with their help texts.
"""
