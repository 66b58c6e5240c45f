"""The parts of docker/testbed; docker/README.md says what each does."""
