"""Colours, each for a light and a dark theme, and the style sheets made from them."""

import re

COLOURS = {
    "paper": ("#fbfbf9", "#14171a"),
    "card": ("#ffffff", "#1b1f23"),
    "ink": ("#1b1f24", "#e8eaec"),
    "muted": ("#59636e", "#a2acb6"),
    "line": ("#e2e4e1", "#30363c"),
    "accent": ("#0a6a72", "#63c7ca"),
    "good": ("#1b7a3d", "#6fcf8f"),
    "bad": ("#b3261e", "#ff8a80"),
    "s0": ("#0a6a72", "#63c7ca"),
    "s1": ("#b5500a", "#f0a05a"),
    "s2": ("#6d4fc4", "#b7a4f5"),
    "s3": ("#b3265e", "#f283ab"),
    "s4": ("#5a6a00", "#c0d04a"),
    "s5": ("#59636e", "#a2acb6"),
}
_VARIABLE = re.compile(r"var\(--(\w+)\)")


def variables() -> str:
    """The colours as CSS variables that follow `color-scheme`."""
    return "".join(f"--{name}:light-dark({a},{b});" for name, (a, b) in COLOURS.items())


def without_variables(css: str) -> str:
    """A style sheet for standalone files: light, or dark where the viewer prefers it."""
    light, dark = (
        _VARIABLE.sub(lambda match, side=side: COLOURS[match[1]][side], css) for side in (0, 1)
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}}}"
