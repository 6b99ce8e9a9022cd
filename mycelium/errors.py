"""Every error that is raised on purpose.

Each one also is the builtin that a caller would expect, and its message says what must hold and what was got, in one
line: a command prints that line and exits with 2.

    MyceliumError
    ├── UserInputError (ValueError)             an argument, setting or file of the user's is wrong
    │   ├── UnknownStageError (LookupError)     no stage has that name
    │   ├── UnknownRunError (LookupError)       no run answers to that name
    │   └── DeploymentError (LookupError)       the cloud stack is not there, not of this code, or refuses us
    ├── InvocationError (RuntimeError)          a function did not do what it was invoked for
    ├── StoreError (OSError)                    the object store did not do what was asked
    │   ├── ObjectNotFoundError (FileNotFoundError)
    │   ├── ObjectExistsError (FileExistsError)
    │   ├── ConflictError                       one key, two different objects; both are kept
    │   ├── UploadError                         one attempt to upload failed; another may succeed
    │   ├── UploadRefusedError                  S3 refuses, and will refuse again: the uploader stops
    │   └── StoreNotAvailableError              not there, not writable, no credentials, disk full
    ├── ChunkError (ValueError)                 one chunk can't be used; the other chunks go on
    │   ├── ChunkDamagedError                   empty, truncated, not Parquet, another digest
    │   ├── WrongDatasetError                   another dataset, version, origin or teacher than expected
    │   ├── BadSignalError                      a signal holds NaN or lies outside its range
    │   └── NothingReadError                    it has steps, and not one could be read
    ├── FitError (RuntimeError)                 a fit could not ask every chunk
    ├── MissingPackageError (ImportError)       a package that Mycelium can do without is asked for, and not installed
    ├── JudgeError (RuntimeError)               the child that verifies equations can't be started
    └── ModelError (ValueError)                 the teacher can't be loaded or can't be read
"""


class MyceliumError(Exception):
    """The root: catch this to catch everything Mycelium raises on purpose."""


class UserInputError(MyceliumError, ValueError):
    """An argument, a setting or a file of the user's is wrong; the message says what to give instead."""


class UnknownStageError(UserInputError, LookupError):
    """No stage has the name given."""


class UnknownRunError(UserInputError, LookupError):
    """No run answers to the name given."""


class DeploymentError(UserInputError, LookupError):
    """The cloud stack can't be used: not deployed, of another version, without the stage, or no credentials for it."""


class InvocationError(MyceliumError, RuntimeError):
    """A function did not do what it was invoked for, however often it was tried."""


class StoreError(MyceliumError, OSError):
    """The object store did not do what was asked of it."""


class ObjectNotFoundError(StoreError, FileNotFoundError):
    """No object has the key asked for."""


class ObjectExistsError(StoreError, FileExistsError):
    """An object with that key was there already, and `create` never replaces one."""


class ConflictError(StoreError):
    """The store holds another object of the same key; ours is kept beside it."""


class UploadError(StoreError):
    """One attempt to upload failed in a way that can heal."""


class UploadRefusedError(StoreError):
    """S3 refuses what was asked, and would refuse it again: rights, a bucket, a clock, credentials."""


class StoreNotAvailableError(StoreError):
    """The store is not there, not writable, refuses the credentials or is full."""


class ChunkError(MyceliumError, ValueError):
    """One chunk can't be used; the others go on without it."""


class ChunkDamagedError(ChunkError):
    """The chunk's bytes are not what was written: empty, truncated, not Parquet, or of another digest."""


class WrongDatasetError(ChunkError):
    """The chunk is of another dataset, version, origin or teacher than the one expected."""


class BadSignalError(ChunkError):
    """A signal holds NaN, or a value outside its range."""


class NothingReadError(ChunkError):
    """The chunk has steps, and not one of them could be read."""


class FitError(MyceliumError, RuntimeError):
    """A fit did not come to its end: it needs every chunk, and some could not answer.

    Attributes:
        outcomes: what became of those chunks, as `mycelium.manifest.Outcome`.
    """

    def __init__(self, message: str, outcomes: tuple[object, ...] = ()) -> None:
        """Take the message, and what became of the chunks that could not answer."""
        super().__init__(message)
        self.outcomes = outcomes


class MissingPackageError(MyceliumError, ImportError):
    """A package that Mycelium can do without is asked for, and is not installed."""


class JudgeError(MyceliumError, RuntimeError):
    """The child process that verifies equations can't be started."""


class ModelError(MyceliumError, ValueError):
    """The teacher can't be loaded, or its attention can't be read."""
