"""Errors of the user's making. Commands print their message and exit with code 2; nothing else is caught."""


class UserError(Exception):
    """A rule that input broke: the message states the rule, the value and the way out."""


class DataError(UserError):
    """The data set cannot be used as it is."""


class SpaceError(UserError):
    """A search space cannot be found, built or does not hold a configuration."""


class StudyError(UserError):
    """A study cannot be opened, created or continued as asked."""
