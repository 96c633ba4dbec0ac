"""Django's settings: the typed environment put into Django's names. No rule of the domain lives here."""

from datetime import timedelta
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from memory_layer import admin_theme
from memory_layer import env as environment
from memory_layer.celery_settings import broker_url
from memory_layer.logging import logging_config

ENV = environment.load()
BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = ENV.secret_key.get_secret_value()
DEBUG = False
ALLOWED_HOSTS = ENV.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENV.csrf_trusted_origins
ROOT_URLCONF = "memory_layer.urls"
WSGI_APPLICATION = "memory_layer.wsgi.application"
ASGI_APPLICATION = "memory_layer.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = True

INSTALLED_APPS = [
    # Before the admin, whose templates it replaces; without its own site, which would replace ours.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "memory_layer.admin_app.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "axes",
    "django_prometheus",
    "tenants",
    "memories",
    "retention",
    "memory_layer",
]

MIDDLEWARE = [
    "memory_layer.http_metrics.HttpMetricsMiddleware",
    "memory_layer.logging.RequestLogMiddleware",
    "memory_layer.reach.ReachMiddleware",
    "memory_layer.parsing.Utf8Middleware",
    "memory_layer.content_security.ContentSecurityMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "memory_layer.problems.BodyLimitMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # The API goes past the next four in one step.
    "memory_layer.pages.WhiteNoiseMiddleware",
    "memory_layer.pages.SessionMiddleware",
    "memory_layer.pages.AuthenticationMiddleware",
    "memory_layer.pages.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]
if ENV.tracing:
    MIDDLEWARE.insert(0, "memory_layer.tracing.TracingMiddleware")
if ENV.audit_reads:
    MIDDLEWARE.append("memory_layer.audit_reads.AuditReadsMiddleware")

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# A web thread keeps its connection: a pool, or a new one for each request, takes 0.1 ms of a search and more. Celery
# closes its own at every task boundary. In time each ends: PostgreSQL's process grows with all that it has seen.
_CONNECTION_SECONDS = 600
_DATABASE = conninfo_to_dict(ENV.database_url)
DATABASES = {
    "default": {
        "ENGINE": "memory_layer.postgresql",
        "NAME": _DATABASE.pop("dbname", "memory"),
        "USER": _DATABASE.pop("user", ""),
        "PASSWORD": _DATABASE.pop("password", ""),
        "HOST": _DATABASE.pop("host", ""),
        "PORT": _DATABASE.pop("port", ""),
        "CONN_MAX_AGE": _CONNECTION_SECONDS,
        "OPTIONS": {
            **_DATABASE,
            "connect_timeout": 5,
            "application_name": "memory_layer",
            "prepare_threshold": 5 if ENV.database_prepare else None,
        },
    }
}
CACHES = {
    "default": {
        "BACKEND": "memory_layer.redis_cache.RedisCache",
        "LOCATION": [ENV.redis_url],  # as a text, Django would split it at commas and semicolons
        "KEY_PREFIX": "memory",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = ["memory_layer.formats"]

STATIC_URL = "static/"
# Production collects the files once, in its image; elsewhere they are served from where they lie.
STATIC_ROOT = BASE_DIR / "staticfiles" if ENV.production else None
WHITENOISE_USE_FINDERS = not ENV.production
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if ENV.production
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# By address alone: a lock on a name would let anybody lock out anybody.
AXES_LOCKOUT_PARAMETERS = ["ip_address"]
AXES_CLIENT_IP_CALLABLE = "memory_layer.log_ins.address_of"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.production
SECURE_SSL_REDIRECT = ENV.production
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if ENV.production else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENV.production
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.production else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

MAX_DIMENSIONS = environment.MAX_DIMENSIONS
MAX_BODY_BYTES = 8 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.auth.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.auth.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["memory_layer.parsing.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "memory_layer.negotiation.Negotiation",
    "DEFAULT_SCHEMA_CLASS": "memory_layer.schema.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "memory_layer.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "AI Memory Layer",
    "DESCRIPTION": "Stores and retrieves conversation memories for any chatbot.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    # Runs have a kind too, policies an action.
    "ENUM_NAME_OVERRIDES": {
        "HoldKindEnum": "retention.models.HoldKind",
        "ActionEnum": "retention.models.Action",
        "AuditActionEnum": "tenants.audit_actions.AuditAction",
    },
    "SCHEMA_PATH_PREFIX": "/v1",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "defaultModelsExpandDepth": 0, "persistAuthorization": True},
}

# Here rather than with Celery's other settings, because beat's admin pages look for it here.
CELERY_BEAT_SCHEDULER = "memory_layer.beat:Scheduler"
CELERY_BROKER_URL = broker_url(ENV.redis_url)
CELERY_WORKER_CONCURRENCY = ENV.worker_concurrency
UNFOLD = admin_theme.UNFOLD
PROMETHEUS_EXPORT_MIGRATIONS = False
LOGGING = logging_config(level=ENV.log_level, output=ENV.log_format)
