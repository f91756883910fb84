"""The errors merbench raises on purpose: one sentence each, naming what is wrong and the fix."""


class MerbenchError(Exception):
    """Base of all errors that are shown to the user as one sentence, without a traceback."""


class RequestError(MerbenchError):
    """The request cannot be met as asked (unknown name, unknown key, parts that do not fit). CLI
    exit code 2.
    """


class DataError(RequestError):
    """A file the user gave is wrong; the message names the file and the fix. CLI exit code 2."""


class LabelsError(RequestError):
    """The words of the labels cannot be read as asked."""


class RunError(MerbenchError):
    """A run that was started could not be finished (a loss that is not finite, say). CLI exit code
    1.
    """
