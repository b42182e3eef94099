"""The Jinja2 environment in which the Python package `transformers` renders chat templates, with a fixed clock."""

import datetime

NOW = 1700000000  # what strftime_now answers in goldens


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, tz)


def environment():
    import transformers.utils.chat_template_utils as utils

    utils.datetime = FixedClock
    return utils._compile_jinja_template("").environment


def render(env, template, variables):
    """("ok", text) or ("raise", message of raise_exception) or ("error", "Type: message")."""
    import jinja2

    try:
        text = env.from_string(template).render(**variables)
        text.encode("utf-8")
        return ("ok", text)
    except jinja2.exceptions.TemplateError as e:
        kind = "raise" if type(e) is jinja2.exceptions.TemplateError else "error"
        return (kind, str(e) if kind == "raise" else "%s: %s" % (type(e).__name__, e))
    except Exception as e:  # what the template did wrong comes as any Python exception
        return ("error", "%s: %s" % (type(e).__name__, str(e)[:300]))
