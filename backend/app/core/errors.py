"""Every error that a client can meet: one tree, each class with a stable code.

    PrompterError
    + BadRequest (400)
    |   - InvalidMessage, InvalidJson, UnknownType            a message or body that cannot be read
    |   - NotStarted, AlreadyStarted, AudioSeqMismatch        the right message at the wrong time
    |   - UnsupportedFormat, InvalidSampleRate, SampleRateChanged, InvalidBase64, OddLength
    |   - MessageTooBig                                       closes the socket with 1009
    |   - UnknownProvider, UnknownModel, LanguageNotSupported
    |   - MissingConfig, BaseUrlNotAllowed                    a language-model request that cannot be sent
    |   - ContextTooLong                                      more than the model can read
    |   - AudioNotReadable                                    an upload that is no recording
    + Unauthorized (401)                                      no valid token or key; closes with 1008
    + NotAllowed (403)                                        Origin, Host or address; closes with 1008
    + Forbidden (403)                                         a known caller without the role or scope
    + NotFound (404)
    |   - ResumeRefused                                       whatever the reason, always the same words
    |   - ModelNotFound                                       no model of that name under /v1
    + NothingFinalYet (409)
    + Busy (409)                                              the conversation has an answer under way
    + ApprovalOver (409)                                      a tool's call that waits for its user no more
    + TooManyAttempts (429)                                   wrong passwords; closes with 1008
    + ProviderNotReady (503)
    + Interrupted (503)                                       the server ended while it answered
    + StorageUnavailable (503)                                the database is locked, full or gone
    + IdleTimeout, SlowReader, SessionTooLong, ServerFull    limits that end a socket
    + EngineFailed (500)                                      closes with 1011
    + UpstreamError (502)
        - UpstreamUnauthorized, UpstreamTimeout (504)
        - UpstreamRateLimited (429), UpstreamLoading (503), UpstreamTruncated

A message is safe to show: lower-case, names the thing with `!r`, says what was expected and how to go on.
It never holds a key, audio, a transcript or a prompt.
"""

from typing import ClassVar


class PrompterError(Exception):
    """Base of all errors that reach a client.

    `code` is stable and documented; `status` is the HTTP status; `close_code` ends the socket when set, and
    None lets the session go on.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    close_code: ClassVar[int | None] = None

    def __init__(
        self, message: str = "", *, retry_after_s: float | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When to try again, where that is known; a header over HTTP."""
        self.param = param
        """The field of the request that was wrong, where one was; told under /v1."""

    @property
    def fatal(self) -> bool:
        """Whether the socket closes after this error."""
        return self.close_code is not None

    @property
    def message(self) -> str:
        return str(self)


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


class NotFound(PrompterError):
    code = "not_found"
    status = 404


class ResumeRefused(NotFound):
    code = "resume_refused"


class ModelNotFound(NotFound):
    code = "model_not_found"


class NothingFinalYet(PrompterError):
    code = "nothing_final_yet"
    status = 409


class Busy(PrompterError):
    code = "busy"
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


class UpstreamError(PrompterError):
    code = "upstream_error"
    status = 502

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_s: float | None = None,
        param: str | None = None,
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, param=param)
        self.upstream_status = upstream_status
        """The status that the upstream answered with, where it answered; kept under /v1."""


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
    """The server cannot begin; one line for whoever starts it, never for a client."""


def all_errors() -> list[type[PrompterError]]:
    """Every class of the tree, the base first: what docs and tests are held against."""
    found: list[type[PrompterError]] = [PrompterError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return found
