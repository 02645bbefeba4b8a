"""All errors that a client can receive, as one tree; each class has a stable code and an HTTP status.

    PrompterError
    + BadRequest (400)
    |   - InvalidMessage, InvalidJson, UnknownType            a message or body that cannot be parsed
    |   - NotStarted, AlreadyStarted, AudioSeqMismatch        the right message at the wrong time
    |   - UnsupportedFormat, InvalidSampleRate, SampleRateChanged, InvalidBase64, OddLength
    |   - MessageTooBig                                       closes the socket with 1009
    |   - UnknownProvider, UnknownModel, LanguageNotSupported
    |   - MissingConfig, BaseUrlNotAllowed                    a request that no language model can get
    |   - ContextTooLong                                      the prompt is longer than the model's context
    |   - AudioNotReadable                                    an upload that is not a recording
    |   - ImportNotReadable, ImportNotRecognised, ImportTooLarge (413)   a file that is no export of conversations
    |   - UnsupportedFile, FileNotReadable                    a file that no message can have
    |   - AttachmentsFull (413)                               a user's files take as much as they may
    |   - ImagesNotSupported                                  pictures for a model that sees none
    |   - PreviousResponseNotFound                            a response that would have to be stored
    + Unauthorized (401)                                      no valid token or key; closes the socket with 1008
    + NotAllowed (403)                                        Origin, Host or address; closes the socket with 1008
    + Forbidden (403)                                         the caller lacks the role or scope; closes with 1008
    |   - SharingOff                                          nobody shares conversations on this server
    + NotFound (404)
    |   - ResumeRefused                                       the same message whatever the reason
    |   - ModelNotFound                                       no model of that name under /v1
    |   - AudioNotKept                                        a dictation without its audio
    + MethodNotAllowed (405)                                  the path has no such method
    + NothingFinalYet (409)
    + Busy (409)                                              an answer of the conversation is under way
    + FetchUnderWay (409)                                     other weights are being fetched
    + NotRemovable (409)                                      weights that the server may not remove
    + AttachmentNotReady (409)                                a file whose text is still being made, or failed
    + RedoUnderWay (409)                                      a dictation that is being heard again
    + ImportUnderWay (409)                                    another import of the user has not ended
    + IdReused (409)                                          an id of the client's that came with something else
    + ApprovalOver (409)                                      a tool call that no longer waits for its user
    + TooManyAttempts (429)                                   wrong passwords; closes with 1008
    + ProviderNotReady (503)
    + Interrupted (503)                                       the server stopped during the answer
    + PdfNotInstalled (503)                                   a package, or a library of the system, is not there
    + PdfTooLarge (413)                                       a document that takes too much time or memory
    + StorageUnavailable (503)                                the database is locked, full or unreachable
    + IdleTimeout (408), SlowReader (408)                     limits that close a socket
    + SessionTooLong (413), ServerFull (503)                  limits that close a socket
    + EngineFailed (500)                                      an engine or provider failed; closes with 1011
    + HttpError                                               any other error of the web framework, with its own status
    + UpstreamError (502)
        - UpstreamUnauthorized, UpstreamTimeout (504)
        - UpstreamRateLimited (429), UpstreamLoading (503), UpstreamTruncated

A message can be shown to the client: it is lower-case, names the thing with `!r`, and says what was expected and how
to go on. It never contains a key, audio, a transcript or a prompt.
"""

from typing import Any, ClassVar, Literal

from app.core.notes import NOTE_PARAMS, Note, NoteCode


class PrompterError(Exception):
    """Base of all errors that a client can receive, and itself the error for a fault of the server.

    `code` is stable and documented; `status` is the HTTP status. A `close_code` closes the socket; with None the
    session goes on.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    close_code: ClassVar[int | None] = None

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_s: float | None = None,
        param: str | None = None,
        note: Note | None = None,
    ) -> None:
        super().__init__(message)
        self._note = note
        self.retry_after_s = retry_after_s
        """When to try again, if known (s); the header `Retry-After` over HTTP."""
        self.param = param
        """The wrong field of the request, if there is one; sent under /v1 only."""

    @property
    def fatal(self) -> bool:
        """Whether the socket closes after this error."""
        return self.close_code is not None

    @property
    def message(self) -> str:
        """The text for the client."""
        return str(self)

    @property
    def note(self) -> Note:
        """What the web app says of it, in its user's language: at least the code."""
        if self._note is not None:
            return self._note
        return Note(
            self.code, {} if self.retry_after_s is None else {"seconds": max(1, round(self.retry_after_s))}
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the error as it is stored with what has failed."""
        return {"code": self.code, "message": self.message, "note": self.note.to_dict()}


class BadRequest(PrompterError):
    code = "bad_request"
    status = 400


class InvalidJson(BadRequest):
    code = "invalid_json"


class InvalidMessage(BadRequest):
    code = "invalid_message"


class UnknownType(BadRequest):
    code = "unknown_type"


class NotStarted(BadRequest):
    code = "not_started"


class AlreadyStarted(BadRequest):
    code = "already_started"


class AudioSeqMismatch(BadRequest):
    code = "audio_seq_mismatch"


class UnsupportedFormat(BadRequest):
    code = "unsupported_format"


class InvalidSampleRate(BadRequest):
    code = "invalid_sample_rate"


class SampleRateChanged(BadRequest):
    code = "sample_rate_changed"


class InvalidBase64(BadRequest):
    code = "invalid_base64"


class OddLength(BadRequest):
    code = "odd_length"


class MessageTooBig(BadRequest):
    code = "message_too_big"
    status = 413
    close_code = 1009


class UnknownProvider(BadRequest):
    code = "unknown_provider"


class UnknownModel(BadRequest):
    code = "unknown_model"


class LanguageNotSupported(BadRequest):
    code = "language_not_supported"


class MissingConfig(BadRequest):
    code = "missing_config"


class BaseUrlNotAllowed(BadRequest):
    code = "base_url_not_allowed"


class ContextTooLong(BadRequest):
    code = "context_length_exceeded"


class AudioNotReadable(BadRequest):
    code = "audio_not_readable"


class ImportNotReadable(BadRequest):
    code = "import_not_readable"


class ImportNotRecognised(BadRequest):
    code = "import_not_recognised"


class ImportTooLarge(BadRequest):
    code = "import_too_large"
    status = 413


class UnsupportedFile(BadRequest):
    code = "unsupported_file"


class FileNotReadable(BadRequest):
    code = "file_not_readable"


class AttachmentsFull(BadRequest):
    code = "attachments_full"
    status = 413


class ImagesNotSupported(BadRequest):
    code = "images_not_supported"


class PreviousResponseNotFound(BadRequest):
    code = "previous_response_not_found"


class Unauthorized(PrompterError):
    code = "unauthorized"
    status = 401
    close_code = 1008


class NotAllowed(PrompterError):
    code = "not_allowed"
    status = 403
    close_code = 1008


class Forbidden(PrompterError):
    code = "forbidden"
    status = 403
    close_code = 1008


class SharingOff(Forbidden):
    code = "sharing_off"


class NotFound(PrompterError):
    code = "not_found"
    status = 404


class MethodNotAllowed(PrompterError):
    code = "method_not_allowed"
    status = 405


class HttpError(PrompterError):
    code = "http_error"


class ResumeRefused(NotFound):
    code = "resume_refused"


class ModelNotFound(NotFound):
    code = "model_not_found"


class AudioNotKept(NotFound):
    code = "audio_not_kept"


class NothingFinalYet(PrompterError):
    code = "nothing_final_yet"
    status = 409


class Busy(PrompterError):
    code = "busy"
    status = 409


class FetchUnderWay(PrompterError):
    code = "fetch_under_way"
    status = 409


class NotRemovable(PrompterError):
    code = "not_removable"
    status = 409


class AttachmentNotReady(PrompterError):
    code = "attachment_not_ready"
    status = 409


class RedoUnderWay(PrompterError):
    code = "redo_under_way"
    status = 409


class ImportUnderWay(PrompterError):
    code = "import_under_way"
    status = 409


class IdReused(PrompterError):
    code = "id_reused"
    status = 409


class ApprovalOver(PrompterError):
    code = "approval_over"
    status = 409


class TooManyAttempts(PrompterError):
    code = "too_many_attempts"
    status = 429
    close_code = 1008


class ProviderNotReady(PrompterError):
    code = "provider_not_ready"
    status = 503


class PdfNotInstalled(PrompterError):
    code = "pdf_not_installed"
    status = 503


class PdfTooLarge(PrompterError):
    code = "pdf_too_large"
    status = 413


class Interrupted(PrompterError):
    code = "interrupted"
    status = 503


class StorageUnavailable(PrompterError):
    code = "storage_unavailable"
    status = 503


class IdleTimeout(PrompterError):
    code = "idle_timeout"
    status = 408
    close_code = 4408


class SlowReader(PrompterError):
    code = "slow_reader"
    status = 408
    close_code = 1008


class SessionTooLong(PrompterError):
    code = "session_too_long"
    status = 413
    close_code = 1008


class ServerFull(PrompterError):
    code = "server_full"
    status = 503
    close_code = 1013


class EngineFailed(PrompterError):
    code = "engine_failed"
    close_code = 1011


UpstreamReason = Literal["unknown_host", "refused", "tls", "redirects", "no_api"]
"""Why an upstream cannot be asked: no address has the name, nothing listens there, TLS fails, it sends elsewhere, or
something else than an API answers."""


class UpstreamError(PrompterError):
    code = "upstream_error"
    status = 502

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_s: float | None = None,
        param: str | None = None,
        note: Note | None = None,
        upstream_status: int | None = None,
        reason: UpstreamReason | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, param=param, note=note)
        self.upstream_status = upstream_status
        """The status of the upstream's answer, if there was one; kept under /v1."""
        self.reason = reason
        """Why it cannot be asked, where that is known."""


class UpstreamUnauthorized(UpstreamError):
    code = "upstream_unauthorized"


class UpstreamTimeout(UpstreamError):
    code = "upstream_timeout"
    status = 504


class UpstreamRateLimited(UpstreamError):
    code = "rate_limit_exceeded"
    status = 429


class UpstreamLoading(UpstreamError):
    code = "upstream_loading"
    status = 503


class UpstreamTruncated(UpstreamError):
    code = "upstream_truncated"


class CannotStart(Exception):
    """The server cannot start. The message is one line for the person who starts it, never for a client."""


def all_errors() -> list[type[PrompterError]]:
    """Return every class of the tree, the base first. The documents and the tests take the codes from here."""
    found: list[type[PrompterError]] = [PrompterError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return found


def list_notes() -> dict[str, list[str]]:
    """Return every code that the server can say to a person, with the names of its parameters."""
    errors = {error.code: ["seconds"] for error in all_errors()}
    return errors | {str(code): sorted(NOTE_PARAMS.get(code, ())) for code in NoteCode}
