"""What goes wrong for the person who typed, as one sentence and an exit code."""

FAILED, USAGE, NO_ENGINE, BAD_RUN_FILE, NO_DATA, DIVERGED = 1, 2, 3, 10, 11, 14


class Problem(Exception):
    """The sentence says what was found, where, and what to do."""

    def __init__(self, sentence, code=FAILED):
        super().__init__(sentence)
        self.code = code
