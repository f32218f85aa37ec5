"""The entry point of the `cascade` command."""


def main() -> None:
    """Run the command line, or say what it needs."""
    try:
        from cascade.app.cli import app
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        raise SystemExit(
            f"the command line needs {error.name}: pip install 'cascade-gates[cli]'"
        ) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    app()
