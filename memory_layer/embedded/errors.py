"""What can go wrong with the embedded servers, told to a person."""


class EmbeddedError(Exception):
    """The message is a sentence that says what is wrong and what to do; it is shown without a traceback."""


class StopRequested(Exception):
    """A signal asked for the end; raised from every wait, so that a start can be broken off as well."""
