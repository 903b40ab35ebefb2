"""Lists the blocks of a daemon, shows one, or adds a line to one, without any code of the project.

    python3 blocks.py RUN_FOLDER list
    python3 blocks.py RUN_FOLDER show ADDRESS
    python3 blocks.py RUN_FOLDER append ADDRESS TEXT

RUN_FOLDER holds the socket and the token: `npx moor paths` names both.
"""

import sys

from mooring import Control, MooringError


def blocks_of(control):
    """Every block, page after page."""
    after = ""
    while True:
        page = control.call("block.list", {"after": after})
        yield from page["blocks"]
        if not page["more"]:
            return
        after = page["blocks"][-1]["address"]


def text_of(control, address):
    """The whole text, a page at a time. Positions are in UTF-16 code units."""
    text, units = "", 0
    while True:
        page = control.call("block.show", {"address": address, "offset": units})
        text += page["text"]
        units += len(page["text"].encode("utf-16-le")) // 2
        if units >= page["totalChars"]:
            return text, page["heads"]


def append(control, address, line):
    """Adds a line, provided that nobody changed the block since it was looked at."""
    text, heads = text_of(control, address)
    at = len(text.encode("utf-16-le")) // 2
    step = {"do": "splice", "path": ["text"], "at": at, "text": line + "\n"}
    return control.call("block.edit", {"address": address, "steps": [step], "heads": heads})


def main(args):
    run_folder, command, rest = args[0], args[1], args[2:]
    control = Control.of(run_folder)
    try:
        if command == "list":
            for block in blocks_of(control):
                print(f"{block['address']}  {block['schema']}  {block['changes']} changes")
        elif command == "show":
            print(text_of(control, rest[0])[0], end="")
        elif command == "append":
            print(append(control, rest[0], rest[1])["heads"][0])
        else:
            raise SystemExit(__doc__)
    except MooringError as error:
        raise SystemExit(str(error)) from None
    finally:
        control.close()


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    main(sys.argv[1:])
