"""Write the generated pages, from the repository's root."""

from gateway.cli.reference import pages

if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
