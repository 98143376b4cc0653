"""The one settings file for all stages; what differs between them comes from the environment (see .env.example)."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from config import env, logging, logins, multiprocess, storage
from config.embedded import servers

BASE_DIR = Path(__file__).resolve().parent.parent
RUN_DIR = Path(env.text("RUN_DIR", str(BASE_DIR / ".run")))

DEMO = env.flag("DEMO")
DEBUG = env.flag("DEBUG")
TESTING = env.flag("TESTING")
SANDBOX_ENABLED = env.flag("SANDBOX_ENABLED", DEMO or TESTING)
SANDBOX_PORT = env.whole("SANDBOX_PORT", 8011, least=1)
TIME_SCALE = env.number("TIME_SCALE", 1.0)
INTEGRATIONS_PROCESSES = env.whole("INTEGRATIONS_PROCESSES", 4, least=1)
LOCAL = DEMO or TESTING

METRICS_TOKEN = env.text("METRICS_TOKEN")
HEALTH_TOKEN = env.text("HEALTH_TOKEN")
PROMETHEUS_MULTIPROC_DIR = env.text("PROMETHEUS_MULTIPROC_DIR")
PROMETHEUS_LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
if PROMETHEUS_MULTIPROC_DIR:
    multiprocess.configure(Path(PROMETHEUS_MULTIPROC_DIR))

SECRET_KEY = env.text("SECRET_KEY", "local-only-" + "x" * 50 if LOCAL else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. `make demo` makes one; for production see .env.example.")
SECRET_KEY_FALLBACKS = env.names("SECRET_KEY_FALLBACKS")
CREDENTIAL_KEYS = env.text("CREDENTIAL_KEYS")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]", "testserver"] if LOCAL else [])
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")
SITE_URL = env.text("SITE_URL", "http://127.0.0.1:8010")
SITE_NAME = "Transformation Coaching"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.forms",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.usersessions",
    "django_celery_beat",
    "django_htmx",
    "django_prometheus",
    "lucide",
    "accounts",
    "accounts.logins.google",
    "accounts.logins.github",
    "integrations",
    "webhooks",
    "coaching",
    "config",
]
if DEMO:
    INSTALLED_APPS.append("config.demo")

MIDDLEWARE = [
    "config.middleware.IntakeMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "config.middleware.TraceMiddleware",
    "config.answers.AnswersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.limits.LimitsMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "accounts.middleware.LoginFormsMiddleware",
    "config.middleware.ViewerMiddleware",
    "config.metrics.RequestMetrics",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.i18n",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.site",
                "coaching.context.navigation",
            ],
            "builtins": ["accounts.templatetags.icons", "django.templatetags.static", "django.templatetags.i18n"],
        },
    }
]
FORM_RENDERER = "config.forms.FormRenderer"

# Databases: with no URL given, the embedded servers of `manage.py demo` below RUN_DIR.
_database_url, _redis_url, _broker_url = servers.urls(RUN_DIR)
DATABASES = {"default": env.database("DATABASE_URL") or env.database_from(_database_url)}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
_options = DATABASES["default"].setdefault("OPTIONS", {})
_options["options"] = "-c statement_timeout=30000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000"
if env.flag("DATABASE_POOL", not TESTING):
    _options["pool"] = {"min_size": 1, "max_size": env.whole("DATABASE_POOL_MAX", 8, least=1), "timeout": 10}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEST_NON_SERIALIZED_APPS = ["django_celery_beat"]
DATABASES["default"]["TEST"] = {"TEMPLATE": "template0"}

REDIS_URL = env.text("REDIS_URL", _redis_url)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache" if TESTING else "config.caches.SharedOrOwnCache",
        "LOCATION": "tests" if TESTING else REDIS_URL,
        "KEY_PREFIX": "tc",
        "OPTIONS": {} if TESTING else {"socket_connect_timeout": 0.25, "socket_timeout": 0.25},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", env.text("REDIS_URL", _broker_url))
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_ROUTES = {  # where each task waits: what somebody looks at, the long readings, and all the rest
    "integrations.tasks.log_in": {"queue": "interactive"},
    "integrations.tasks.submit_code": {"queue": "interactive"},
    "integrations.tasks.check_connection": {"queue": "interactive"},
    "integrations.tasks.renew_credential": {"queue": "interactive"},
    "integrations.tasks.self_test": {"queue": "interactive"},
    "coaching.tasks.read_details": {"queue": "interactive"},
    "coaching.tasks.fetch_original": {"queue": "interactive"},
    "coaching.tasks.read_upload": {"queue": "interactive"},
    "integrations.tasks.run_sync": {"queue": "sync"},
    "webhooks.tasks.process_events": {"queue": "webhooks"},
    "integrations.tasks.confirm_connection": {"queue": "housekeeping"},
    "integrations.tasks.say_goodbye": {"queue": "housekeeping"},
    "integrations.tasks.dispatch_events": {"queue": "housekeeping"},
    "integrations.tasks.rotate_keys": {"queue": "housekeeping"},
    "coaching.tasks.deliver": {"queue": "interactive"},
    "coaching.tasks.tick_deliveries": {"queue": "interactive"},
    "coaching.tasks.recheck": {"queue": "housekeeping"},
    "coaching.tasks.remove_copy": {"queue": "housekeeping"},
    "*.tasks.tick_*": {"queue": "housekeeping"},  # a route of its own, above, goes first
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "global_keyprefix": "tc:",
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False  # the row is the truth and a tick finds it: a page never waits for the broker
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]  # one: each would hash once more
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
if TESTING:  # the slow one is for attackers, and tests make thousands of people
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HEADLESS_CLIENTS = ("app",)
HEADLESS_TOKEN_STRATEGY = "accounts.tokens.TokenStrategy"
HEADLESS_JWT_ALGORITHM = "HS256"
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 15 * 60
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = 7 * 24 * 3600
HEADLESS_JWT_ROTATE_REFRESH_TOKEN = HEADLESS_JWT_STATEFUL_VALIDATION_ENABLED = True
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_CHANGE_EMAIL = True  # one address, and a new one counts once it is proven
ACCOUNT_CONFIRM_EMAIL_ON_GET = ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_FORMS = {"request_login_code": "accounts.login_forms.LoginCodeForm"}
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SITE_URL.startswith("https") else "http"
ALLAUTH_RATE_LIMIT_IPV6_PREFIX = 64
MFA_ADAPTER = "integrations.second_factors.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # the code before still counts: phones and people are late
MFA_TOTP_ISSUER = SITE_NAME
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = LOCAL  # browsers take http for localhost only
_applications = {
    "google": env.application("GOOGLE", env.text("GOOGLE_CLIENT_ID"), env.text("GOOGLE_CLIENT_SECRET")),
    "github": env.application("GITHUB", env.text("GITHUB_CLIENT_ID"), env.text("GITHUB_CLIENT_SECRET")),
}
LOGIN_APPLICATIONS = {name: known for name, known in _applications.items() if known}
if DEMO:
    LOGIN_APPLICATIONS = logins.in_demo(LOGIN_APPLICATIONS)
SOCIALACCOUNT_ADAPTER = "accounts.logins.adapter.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS = logins.providers(LOGIN_APPLICATIONS, f"http://127.0.0.1:{SANDBOX_PORT}")
SOCIALACCOUNT_EMAIL_AUTHENTICATION = SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = False
SOCIALACCOUNT_EMAIL_VERIFICATION = "mandatory"
SOCIALACCOUNT_LOGIN_ON_GET = SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 5
SOCIALACCOUNT_FORMS = {"disconnect": "accounts.login_forms.DisconnectLoginForm"}
LOGIN_ORIGINS = logins.origins(SOCIALACCOUNT_PROVIDERS)
SILENCED_SYSTEM_CHECKS = ["auth.W004"]  # unique by Lower(email), a constraint that check does not see
ADMIN_PATH = env.text("ADMIN_PATH", "admin/")

EMAIL_BACKEND = (
    "django.core.mail.backends.filebased.EmailBackend" if DEMO else "django.core.mail.backends.smtp.EmailBackend"
)
EMAIL_FILE_PATH = RUN_DIR / "mail"
EMAIL_HOST = env.text("SMTP_HOST", "localhost")
EMAIL_PORT = env.whole("SMTP_PORT", 587, least=1)
EMAIL_HOST_USER = env.text("SMTP_USER")
EMAIL_HOST_PASSWORD = env.text("SMTP_PASSWORD")
EMAIL_USE_TLS = env.flag("SMTP_TLS", True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "Transformation Coaching <hello@coaching.example>")

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
# What people upload and ask for; never served as it is.
MEDIA_ROOT = Path(env.text("FILES_ROOT", str(RUN_DIR / "files")))
FILE_UPLOAD_PERMISSIONS = 0o600
STORAGES = {
    "default": storage.default(env.bucket()),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = LOCAL

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

# Security
TRUSTED_PROXY_COUNT = env.whole("TRUSTED_PROXY_COUNT", 0)  # of our own, between the internet and us
_https = SITE_URL.startswith("https://")
SECURE_SSL_REDIRECT = _https
SECURE_REDIRECT_EXEMPT = [r"^webhooks/", r"^api/", r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = 31536000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https
SECURE_HSTS_PRELOAD = _https
if env.flag("BEHIND_TLS_PROXY"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_NAME = "__Host-sessionid" if _https else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if _https else "csrftoken"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "config.errors.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
INBOUND_LIMITS = {"address": 1200, "sign-in": 20, "provider": 10, "write": 120, "read": 600}  # a minute
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
    "form-action": [CSP.SELF],
}
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.logging.SecretFilter"

LOGGING_CONFIG = None
LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
logging.configure(level=LOG_LEVEL)
