"""JSON lines on standard error, one shape for our code, Django's, Celery's and every library's; secrets masked."""

import logging
import logging.config
import re
from typing import Any

import structlog
from django.views.debug import SafeExceptionReporterFilter

MASK = "***"
SECRET_NAMES = re.compile(
    r"pass|secret|token|credential|authori[sz]ation|cookie|sealed|blob|signature|api_?key|session_?key|\bcode\b|\bmfa",
    re.IGNORECASE,
)
SECRET_VALUES = re.compile(
    r"cv1:[a-z0-9-]+:[\w-]+"  # sealed envelopes
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"  # JWTs
    r"|\bST-[\w-]{8,}"  # service tickets
    r"|(?i:\b(?:bearer|basic)\s+[\w.~+/=-]{8,})"
    r"|(?i:(?<=[?&])(?:code|state|token|key|ticket|password)=[^&\s\"']+)"
)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
LONGEST_VALUE = 4000


def redact(value: Any, name: str = "") -> Any:
    """`value` without secrets, recursively: by the name it goes under and by what it looks like."""
    if name and SECRET_NAMES.search(name) and not name.endswith(("_code", "_id")) and value not in ("", None):
        return MASK
    if isinstance(value, dict):
        return {str(key): redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [redact(item) for item in value]
    if isinstance(value, str):
        return CONTROL.sub("", SECRET_VALUES.sub(MASK, value[:LONGEST_VALUE]))
    return value


def _redacting(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: redact(value, key) for key, value in event.items()}


class SecretFilter(SafeExceptionReporterFilter):
    """Masks in error reports what Django's own filter does not know by name."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern
        + r"|CREDENTIAL|BLOB|SEALED|COOKIE|EMAIL|BODY|DATABASE|REDIS|BROKER",
        re.IGNORECASE,
    )


_shared: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    structlog.stdlib.ExtraAdder(),
    _redacting,
]


def configure(level: str = "INFO") -> None:
    """Set up logging of this process; safe to run twice."""
    structlog.configure(
        processors=[*_shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": _shared,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                "urllib3": {"level": "INFO"},  # its DEBUG lines hold URLs with their queries
                "django.template": {"level": "INFO"},  # its DEBUG lines hold what a template was given
                "garminconnect": {"level": "WARNING"},
                "django.server": {"level": "WARNING"},
                "django.utils.autoreload": {"level": "WARNING"},
            },
        }
    )
